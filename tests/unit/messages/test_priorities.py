"""Priorities turned round."""

import pytest

from umbel.messages.priorities import mirrored, with_mirrored


@pytest.mark.parametrize(("said", "expected"), [(0, 9), (3, 6), (9, 0), (10, 0), (255, 0), (-1, 9)])
def test_turned_round(said, expected):
    assert mirrored(said) == expected


@pytest.mark.parametrize("said", range(10))
def test_twice_is_itself(said):
    assert mirrored(mirrored(said)) == said


@pytest.mark.parametrize("properties", [{"priority": 0}, {}, {"priority": None}, {"priority": "high"}])
def test_properties_are_copied(properties):
    before = dict(properties)
    assert with_mirrored(properties) == {**properties, "priority": 9}
    assert properties == before
