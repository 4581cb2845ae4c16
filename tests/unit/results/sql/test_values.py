from __future__ import annotations

import pickle

import pytest

from umbel.errors import ContentDisallowed, DecodeError
from umbel.results.base import StoreOptions
from umbel.results.sql import values
from umbel.results.sql.values import ValueCodec


def codec(**options):
    return ValueCodec(StoreOptions(url="db+sqlite:///x", **options))


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_values_come_back(serializer, compression):
    one = codec(serializer=serializer, compression=compression, accept=frozenset({serializer}))
    assert one.loads(one.dumps({"a": [1, "é", None]})) == {"a": [1, "é", None]}


def test_json_is_written_as_celery_writes_it():
    assert codec().dumps([1, {"a": None}]) == b'[1, {"a": null}]'


def test_what_is_compressed_is_read_without_the_setting():
    assert codec().loads(codec(compression="zlib").dumps("x" * 100)) == "x" * 100


def test_pickles_of_older_celery():
    assert codec().loads(pickle.dumps([1, (2,)], 2)) == [1, (2,)]
    with pytest.raises(ContentDisallowed):
        codec().loads(pickle.dumps(ValueError("no")))
    found = codec(accept=frozenset({"json", "pickle"})).loads(pickle.dumps(ValueError("no")))
    assert isinstance(found, ValueError)


def test_pickles_by_the_serializer_are_not_read_where_they_are_not_accepted():
    with pytest.raises(ContentDisallowed):
        codec(serializer="pickle").loads(pickle.dumps(1))


def test_nonsense():
    with pytest.raises(DecodeError):
        codec().loads(b"{")


def test_ids_that_do_not_fit_have_keys_that_do():
    for name in ("a", "é" * 155, "a'b"):
        assert values.key_of(name) == name
    odd = ["x" * 156, "x" * 157, "a\0b", "a\\x00b", "\ud800", "a" * 155 + "\0"]
    keys = [values.key_of(name) for name in odd]
    assert len(set(keys)) == len(odd)
    for key in keys:
        assert len(key) <= 155
        assert "\0" not in key
        key.encode()


def test_texts_that_columns_take():
    assert values.text_of("é\0\ud800") == "é\\x00\\ud800"
    assert values.cut("x" * 200) == "x" * 155
    assert values.cut(3) == 3


def test_moments_are_utc_without_saying_so():
    assert values.moment(0.5).isoformat() == "1970-01-01T00:00:00.500000"
    assert values.moment_of("2030-01-01T02:00:00+02:00", 0).isoformat() == "2030-01-01T00:00:00"
    assert values.moment_of("2030-01-01T02:00:00", 0).isoformat() == "2030-01-01T02:00:00"
    assert values.moment_of(None, 0).isoformat() == "1970-01-01T00:00:00"
