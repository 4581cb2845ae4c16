from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.errors import DecodeError, EncodeError, MessageTooLarge
from umbel.wire.amqp.fields import parse_table, render_name, render_table, render_value
from umbel.wire.message import MessageLimits

LIMITS = MessageLimits()

#: What py-amqp 5.4 writes for each value.
TAGS = [
    (1, "4900000001"),
    (-1, "49ffffffff"),
    (2**31 - 1, "497fffffff"),
    (2**31, "4c0000000080000000"),
    (-(2**31), "4cffffffff80000000"),
    (2**40, "4c0000010000000000"),
    (1.5, "643ff8000000000000"),
    (True, "7401"),
    (False, "7400"),
    ("é", "5300000002c3a9"),
    (None, "56"),
    ([1, "a"], "410000000b4900000001530000000161"),
    ((1,), "41000000054900000001"),
    ({}, "4600000000"),
    ({"a": None}, "4600000003016156"),
    (datetime(2030, 1, 1), "540000000070dbd880"),
    (datetime(2030, 1, 1, tzinfo=UTC), "540000000070dbd880"),
    (Decimal("1.50"), "440200000096"),
    (Decimal(-3), "4400fffffffd"),
    (Decimal("-1.25"), "4402ffffff83"),
]


@pytest.mark.parametrize(("value", "rendered"), TAGS, ids=repr)
def test_type_tags_are_those_of_celerys_client(value, rendered):
    assert render_value(value).hex() == rendered


def test_bytes_stay_bytes():
    table = {"b": b"\xff\x00"}
    assert parse_table(render_table(table), 0, LIMITS)[0] == table


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
    | st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)).map(lambda when: when.replace(microsecond=0, tzinfo=UTC)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=60)


@given(st.dictionaries(NAMES, VALUES, max_size=8))
def test_rendered_tables_are_parsed(table):
    wide = MessageLimits(depth=40)
    rendered = render_table(table)
    parsed, end = parse_table(rendered + b"more", 0, wide)
    assert parsed == table
    assert end == len(rendered)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_an_error_of_the_message(data):
    for raw in (data, len(data).to_bytes(4, "big") + data):
        try:
            parse_table(raw, 0, LIMITS)
        except DecodeError:
            pass


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.data())
def test_a_damaged_table_is_an_error_of_the_message(table, data):
    raw = bytearray(render_table(table))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    try:
        parse_table(bytes(raw), 0, LIMITS)
    except DecodeError:
        pass


def nested(levels):
    table = {}
    for _ in range(levels):
        table = {"t": table}
    return table


def in_list(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("table", "limits", "named"),
    [
        ({f"h{number}": None for number in range(201)}, LIMITS, "200"),
        ({"list": [None] * 200}, LIMITS, "200"),
        ({"t": {f"h{number}": 1 for number in range(200)}}, LIMITS, "200"),
        ({"h": "x" * 65_536}, LIMITS, "65536"),
        (nested(8), LIMITS, "deep"),
        ({"l": in_list(8)}, LIMITS, "deep"),
    ],
    ids=["count", "list", "inner count", "bytes", "tables", "lists"],
)
def test_limits(table, limits, named):
    with pytest.raises(MessageTooLarge, match=named):
        parse_table(render_table(table), 0, limits)


def test_at_the_limits():
    for table in ({f"h{number}": None for number in range(200)}, nested(7), {"l": in_list(6)}):
        assert parse_table(render_table(table), 0, LIMITS)[0] == table


def test_a_header_bomb_costs_nothing():
    """Nine hundred levels of tables are refused before they are recursed into."""
    raw = b""
    for _ in range(900):
        inner = b"\x01tF" + len(raw).to_bytes(4, "big") + raw
        raw = inner
    with pytest.raises(MessageTooLarge):
        parse_table(len(raw).to_bytes(4, "big") + raw, 0, LIMITS)


def cyclic():
    value = {}
    value["self"] = value
    return value


def cyclic_list():
    value = []
    value.append(value)
    return {"l": value}


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"h": 2**63}, "64 bits"),
        ({"h": object()}, "object"),
        ({"h" * 256: 1}, "255"),
        ({"h": Decimal("NaN")}, "finite"),
        ({"h": Decimal("1e400")}, "exponent"),
        ({"h": Decimal(2**40)}, "32 bits"),
        ({"h": datetime(1960, 1, 1)}, "1970"),
        (cyclic(), "themselves"),
        (cyclic_list(), "itself"),
    ],
    ids=["integer", "object", "name", "nan", "exponent", "decimal", "time", "table", "list"],
)
def test_values_that_amqp_cannot_carry(table, named):
    with pytest.raises(EncodeError, match=named):
        render_table(table)


def test_a_name():
    assert render_name("é") == b"\x02\xc3\xa9"
