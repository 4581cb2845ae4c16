from __future__ import annotations

import datetime as dt
import decimal
import os
import pickle
import uuid

import pytest

from umbel.errors import ContentDisallowed, DecodeError
from umbel.results.sql import pickled

PLAIN = [
    None,
    1.5,
    "é",
    b"\0",
    [1, (2, {"a": {3}})],
    complex(1, 2),
    frozenset({1}),
    dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
    dt.timedelta(1),
    decimal.Decimal("1.10"),
    uuid.UUID(int=5),
    {"exc_type": "ValueError", "exc_message": ("no",), "exc_module": "builtins"},
]


class Evil:
    def __reduce__(self):
        return os.getpid, ()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_are_read(value, protocol):
    data = pickle.dumps(value, protocol)
    assert data.startswith(pickled.MARK)
    assert pickled.loads(data, anything=False) == value


@pytest.mark.parametrize("value", [Evil(), ValueError("no"), os.system, pickle.Unpickler], ids=lambda value: type(value).__name__)
def test_what_could_run_code_is_read_only_where_pickle_is_accepted(value):
    data = pickle.dumps(value, 4)
    with pytest.raises(ContentDisallowed, match="result_accept_content"):
        pickled.loads(data, anything=False)
    pickled.loads(data, anything=True)


@pytest.mark.parametrize("anything", [True, False])
@pytest.mark.parametrize("data", [b"\x80", b"\x80\x04", b"\x80\x04nonsense.", b""])
def test_what_is_no_pickle(data, anything):
    with pytest.raises(DecodeError):
        pickled.loads(data, anything=anything)


def test_bytes_of_protocol_2_in_a_codec_that_is_not_theirs():
    data = pickle.dumps(b"\xff" * 3, 2)
    assert pickled.loads(data, anything=False) == b"\xff" * 3
    forged = data.replace(b"latin1", b"utf-16").replace(b"\x06\x00\x00\x00latin1", b"\x06\x00\x00\x00utf-16")
    with pytest.raises(ContentDisallowed, match="utf-16"):
        pickled.loads(forged, anything=False)
