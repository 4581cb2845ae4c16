from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import sys
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.errors import DecodeError, EncodeError
from umbel.wire.kombu_json import TaggedJson, dumps, loads

UTC = dt.UTC

text = st.text(st.characters(exclude_categories=["Cs"]))
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | text
    | st.binary()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.uuids()
    | st.decimals(allow_nan=False)
)
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=20)


@given(values)
def test_written_values_are_read_again(value):
    assert loads(dumps(value)) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | text, lambda inner: st.lists(inner) | st.dictionaries(text, inner)
    )
)
def test_plain_values_are_written_as_the_standard_library_does(value):
    assert dumps(value) == json.dumps(value)


class Color(enum.Enum):
    RED = 1


class Own:
    def __json__(self):
        return {"at": dt.date(2024, 2, 29)}


class Moment(dt.datetime):
    pass


Promise = type("Promise", (), {"__module__": "django.utils.functional"})


class Lazy(Promise):
    def __str__(self):
        return "späte Worte"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ascii", '{"__type__": "bytes", "__value__": "ascii"}'),
        (b"\x00\xff", '{"__type__": "base64", "__value__": "AP8="}'),
        (uuid.UUID(int=1), '{"__type__": "uuid", "__value__": {"hex": "00000000000000000000000000000001"}}'),
        (Moment(2020, 1, 1), '{"__type__": "datetime", "__value__": "2020-01-01T00:00:00"}'),
        (dt.time(1, 2, tzinfo=UTC), '{"__type__": "time", "__value__": "01:02:00+00:00"}'),
        (decimal.Decimal("1.50"), '{"__type__": "decimal", "__value__": "1.50"}'),
        (Own(), '{"at": {"__type__": "date", "__value__": "2024-02-29"}}'),
        (Lazy(), '"sp\\u00e4te Worte"'),
        ({1: 2, None: 3}, '{"1": 2, "null": 3}'),
        (float("nan"), "NaN"),
    ],
)
def test_tags(value, expected):
    assert dumps(value) == expected


def circle():
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "value",
    [{1}, frozenset(), dt.timedelta(1), Color.RED, object(), Own, bytearray(b"x"), {b"k": 1}, range(3), "\ud800", circle(), 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_values_that_json_cannot_hold(value):
    with pytest.raises(EncodeError):
        dumps({"k": [value]})
    assert dumps([1]) == "[1]"  # the kept encoder is not spoiled


@pytest.mark.parametrize(
    "body",
    [
        '{"__type__": "os.system", "__value__": "true"}',
        '{"__type__": [1], "__value__": 1}',
        '{"__type__": null, "__value__": 1}',
        '{"__type__": "datetime", "__value__": "yesterday"}',
        '{"__type__": "datetime", "__value__": {}}',
        '{"__type__": "uuid", "__value__": "12345678123456781234567812345678"}',
        '{"__type__": "uuid", "__value__": {"hex": "x"}}',
        '{"__type__": "uuid", "__value__": {"fields": [1]}}',
        '{"__type__": "decimal", "__value__": "x"}',
        '{"__type__": "base64", "__value__": "%%%"}',
        '{"__type__": "bytes", "__value__": 3}',
        '{"__type__": "bytes", "__value__": ' * 10_000,
        '{"__type__": "bytes", "__value__": ' * 2_000 + '"x"' + "}" * 2_000,
        "[" * 100_000 + "]" * 100_000,
        "1" * 4301,
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\uD83D x"',
        "\ufeff[1]",
        "[1",
        "[1] x",
        "",
        "'x'",
    ],
    ids=lambda body: body[:40],
)
def test_hostile_json(body):
    modules = set(sys.modules)
    with pytest.raises(DecodeError) as raised:
        loads(body)
    assert len(str(raised.value)) < 400
    assert str(raised.value).isprintable()
    assert set(sys.modules) == modules


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"__type__": "datetime"}', {"__type__": "datetime"}),
        ('{"__type__": "date", "__value__": 1, "more": 2}', {"__type__": "date", "__value__": 1, "more": 2}),
        ('{"__type__": "datetime", "__value__": "2020-01-01T00:00:00Z"}', dt.datetime(2020, 1, 1, tzinfo=UTC)),
        (' {"a": 1, "a": 2}\n', {"a": 2}),
        ('"\\ud83c\\udf89 \\\\ud800"', "🎉 \\ud800"),
        ("[" * 900 + "]" * 900, json.loads("[" * 900 + "]" * 900)),
    ],
    ids=lambda value: str(value)[:30],
)
def test_unusual_but_allowed(body, expected):
    assert loads(body) == expected


def test_a_type_of_ones_own():
    codec = TaggedJson()
    codec.register_type(Color, "color", lambda color: color.name, lambda name: Color[name])
    assert codec.dumps(Color.RED) == '{"__type__": "color", "__value__": "RED"}'
    assert codec.loads(codec.dumps([Color.RED])) == [Color.RED]
    with pytest.raises(DecodeError, match="color"):
        codec.loads('{"__type__": "color", "__value__": "BLUE"}')


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_other_exception(body):
    try:
        loads(body)
    except DecodeError:
        pass


def test_models_go_as_dicts():
    class Model:
        def model_dump(self, *, mode):
            return {"mode": mode}

    assert dumps([Model()]) == '[{"mode": "json"}]'
    with pytest.raises(EncodeError, match="type"):
        dumps(Model)
