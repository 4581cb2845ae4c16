"""Task ids carry their time."""

from __future__ import annotations

import uuid

import pytest

from umbel.messages.ids import begins_at, uuid7

NOW = 1_893_456_000.123
KNOWN = uuid7(NOW, bytes(range(10)))


def test_an_id_is_a_uuid_of_version_7():
    made = uuid.UUID(uuid7(NOW))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_an_id_tells_its_time_to_the_millisecond():
    assert begins_at(uuid7(NOW)) == pytest.approx(NOW, abs=0.001)


def test_later_ids_sort_later():
    assert uuid7(NOW, b"\xff" * 10) < uuid7(NOW + 0.002, bytes(10))


def test_the_random_part_is_all_used():
    assert len({uuid7(NOW, bytes([0] * place + [1] + [0] * (9 - place))) for place in range(9)}) == 9


@pytest.mark.parametrize(
    "other", ["", "my own id", "8c2e6f0e-1b1d-4a7e-9d53-2f1a8e6b7c90", str(uuid.UUID(int=0)), KNOWN.upper(), KNOWN + "0"]
)
def test_other_ids_tell_no_time(other):
    assert begins_at(other) is None
