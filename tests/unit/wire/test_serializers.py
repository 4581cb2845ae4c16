from __future__ import annotations

import pickle
import sys
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.errors import ContentDisallowed, DecodeError, EncodeError, ImproperlyConfigured
from umbel.wire import serializers
from umbel.wire.serializers import Serializers, content_types, dumps, loads

ALL = content_types(["json", "pickle", "yaml", "msgpack", "raw"])
JSON = content_types(["json"])
TYPES = {
    "json": ("application/json", "utf-8"),
    "pickle": ("application/x-python-serialize", "binary"),
    "yaml": ("application/x-yaml", "utf-8"),
    "msgpack": ("application/x-msgpack", "binary"),
}
VALUE = [[1, "zwei ☃", None, True, 2.5], {"k": {"deep": []}}]


@pytest.mark.parametrize("name", TYPES)
def test_round_trip(name):
    content_type, content_encoding, body = dumps(VALUE, name)
    assert (content_type, content_encoding) == TYPES[name]
    assert loads(body, content_type, content_encoding, ALL) == VALUE
    assert dumps(VALUE, content_type) == (content_type, content_encoding, body)


def test_raw_is_bytes_as_they_are():
    assert dumps(memoryview(b"\x00x"), "raw") == ("application/data", "binary", b"\x00x")
    assert loads(b"\x00x", None, None, ALL) == b"\x00x"
    with pytest.raises(EncodeError, match="bytes"):
        dumps("text", "raw")


@pytest.mark.parametrize("accept", [JSON, frozenset({"json"}), frozenset({"application/json", "yaml"})])
def test_names_and_content_types_are_accepted_alike(accept):
    assert loads(b"[1]", "application/json", "utf-8", accept) == [1]
    assert loads(b"[1]", "json", "utf-8", accept) == [1]


class Canary:
    sung: ClassVar[list[str]] = []

    def __reduce__(self):
        return (Canary.sung.append, ("decoded",))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-python-serialize", pickle.dumps(Canary())),
        ("pickle", pickle.dumps(Canary())),
        ("application/x-yaml", b"!!python/object/apply:os.system ['true']"),
        ("application/x-msgpack", b"\xc1"),
        ("application/data", b"x"),
        (None, b"[1]"),
        ("", b"[1]"),
        ("application/JSON", b"[1]"),
        ("no/such", b"[1]"),
        ("x" * 10_000, b"[1]"),
        ("a\nb\x1b[31m", b"[1]"),
    ],
)
def test_content_that_is_not_accepted_is_not_decoded(content_type, body):
    with pytest.raises(ContentDisallowed) as raised:
        loads(body, content_type, "utf-8", JSON)
    assert Canary.sung == []
    assert raised.value.reason == "content_disallowed"
    assert len(str(raised.value)) < 200
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("gadget", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!!python/module:antigravity"])
def test_yaml_is_read_with_the_safe_loader(gadget):
    with pytest.raises(DecodeError):
        loads(gadget.encode(), "application/x-yaml", "utf-8", ALL)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("content_type", "content_encoding", "body"),
    [
        ("application/json", "utf-8", b"\xff[1]"),
        ("application/json", "utf-8", "[1]".encode("utf-16")),
        ("application/json", "utf-16", "[1]".encode("utf-16")),
        ("application/json", "zip", b"[1]"),
        ("application/json", "no\nsuch" * 1000, b"[1]"),
        ("application/json", "utf-8", b"\xef\xbb\xbf[1]"),
        ("application/json", "utf-8", b'["\xed\xa0\x80"]'),
        ("application/json", "utf-8", b""),
        ("application/x-python-serialize", "binary", b"not a pickle"),
        ("application/x-python-serialize", "binary", b""),
        ("application/x-python-serialize", "binary", pickle.dumps(VALUE)[:-5]),
        ("application/x-yaml", "utf-8", b"[" * 100_000),
        ("application/x-yaml", "utf-8", b"- [1"),
        ("application/x-yaml", "utf-8", b"2024-99-99"),
        ("application/x-msgpack", "binary", b"\x91" * 100_000 + b"\x01"),
        ("application/x-msgpack", "binary", b"\xdd\xff\xff\xff\xff"),
        ("application/x-msgpack", "binary", b"\xc1"),
        ("application/x-msgpack", "binary", b"\x01\x02"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_undecodable(content_type, content_encoding, body):
    with pytest.raises(DecodeError) as raised:
        loads(body, content_type, content_encoding, ALL)
    assert raised.value.reason == "undecodable"
    assert len(str(raised.value)) < 400
    assert str(raised.value).isprintable()


@given(st.binary(max_size=200), st.sampled_from(["application/json", "application/x-yaml", "application/x-msgpack"]))
def test_no_other_exception(body, content_type):
    try:
        loads(body, content_type, "utf-8", ALL)
    except DecodeError:
        pass


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "us-ascii", "binary", "base64", "", None])
def test_content_encodings_of_other_clients(encoding):
    assert loads('["é"]'.encode(), "application/json", encoding, JSON) == ["é"]


def test_latin_1():
    assert loads('["é"]'.encode("latin-1"), "application/json", "iso-8859-1", JSON) == ["é"]


@pytest.mark.parametrize("name", TYPES)
def test_unencodable(name):
    with pytest.raises(EncodeError):
        dumps([lambda: None], name)


def test_unknown_names():
    for call in (lambda: dumps(1, "jsno"), lambda: content_types(["json", "jsno"]), lambda: serializers.find("jsno")):
        with pytest.raises(ImproperlyConfigured, match=r"jsno.*json, pickle"):
            call()
    assert content_types(["application/x-own"]) == {"application/x-own"}
    with pytest.raises(DecodeError, match="application/x-own"):
        loads(b"", "application/x-own", "utf-8", frozenset({"application/x-own"}))


def test_a_serializer_of_ones_own():
    own = Serializers()
    own.register("csv", ",".join, lambda text: text.split(","), "text/csv")
    accept = own.content_types(["csv"])
    assert own.dumps(["a", "b"], "csv") == ("text/csv", "utf-8", b"a,b")
    assert own.loads(b"a,b", "text/csv", "utf-8", accept) == ["a", "b"]
    own.register("broken", lambda _: 1 / 0, lambda _: 1 / 0, "x/broken", "binary")
    with pytest.raises(EncodeError, match="division"):
        own.dumps(1, "broken")
    with pytest.raises(DecodeError, match="division"):
        own.loads(b"", "x/broken", None, frozenset({"broken"}))


@pytest.mark.parametrize(("name", "module"), [("yaml", "yaml"), ("msgpack", "msgpack")])
def test_a_missing_library_is_named(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EncodeError, match=rf"umbel\[{name}\]"):
        dumps(1, name)
    with pytest.raises(DecodeError, match=rf"umbel\[{name}\]"):
        loads(b"1", TYPES[name][0], "utf-8", ALL)
