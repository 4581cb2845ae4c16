from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from umbel.errors import DecodeError, EncodeError, ImproperlyConfigured, MessageTooLarge
from umbel.wire.compression import Methods, compress, decompress

HEADERS = {
    "gzip": "application/x-gzip",
    "zlib": "application/x-gzip",
    "bzip2": "application/x-bz2",
    "bzip": "application/x-bz2",
    "lzma": "application/x-lzma",
    "xz": "application/x-lzma",
    "brotli": "application/x-brotli",
    "zstd": "application/zstd",
    "zstandard": "application/zstd",
}
METHODS = sorted(set(HEADERS.values()))
LIMIT = 100_000


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("body", [b"", b"x", b"[[2, 3], {}]" * 1000, bytes(LIMIT)])
def test_round_trip(name, body):
    header, packed = compress(body, name)
    assert header == HEADERS[name]
    assert decompress(packed, header, LIMIT) == body


@given(st.binary(), st.sampled_from(METHODS))
def test_any_bytes(body, method):
    assert decompress(compress(body, method)[1], method, 1 << 20) == body


@given(st.binary(max_size=300), st.sampled_from(METHODS))
def test_no_other_exception(body, method):
    try:
        decompress(body, method, LIMIT)
    except DecodeError:
        pass


@pytest.mark.parametrize("packed", [gzip.compress(b"text"), zlib.compress(b"text")], ids=["gzip", "zlib"])
def test_gzip_is_read_too(packed):
    assert decompress(packed, "application/x-gzip") == b"text"


def test_the_old_lzma_container_is_read_too():
    assert decompress(lzma.compress(b"text", lzma.FORMAT_ALONE), "application/x-lzma") == b"text"


def test_zstd_without_a_size_in_its_header():
    stream = zstandard.ZstdCompressor().compressobj()
    assert decompress(stream.compress(b"text") + stream.flush(), "application/zstd") == b"text"


@pytest.mark.parametrize("method", METHODS)
def test_cut_short_or_followed_by_something(method):
    packed = compress(bytes(range(256)) * 20, method)[1]
    for wrong in (packed[:-3], packed[: len(packed) // 2], packed[:1], b""):
        with pytest.raises(DecodeError):
            decompress(wrong, method, LIMIT)
    with pytest.raises(DecodeError):
        decompress(packed + b"more", method, LIMIT)
    with pytest.raises(DecodeError) as raised:
        decompress(b"not compressed at all", method, LIMIT)
    assert raised.value.reason == "undecodable"


@pytest.mark.parametrize("method", METHODS)
def test_a_bomb_stops_at_the_limit(method):
    bomb = {
        "application/x-gzip": zlib.compress,
        "application/x-bz2": bz2.compress,
        "application/x-lzma": lzma.compress,
        "application/x-brotli": brotli.compress,
        "application/zstd": zstandard.ZstdCompressor().compress,
    }[method](bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(MessageTooLarge, match=str(LIMIT)) as raised:
            decompress(bomb, method, LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert raised.value.reason == "too_large"
    # xz allocates its dictionary besides: 8 MiB, as its compressor chose.
    assert peak < (10_000_000 if method == "application/x-lzma" else 10 * LIMIT)
    with pytest.raises(MessageTooLarge):
        decompress(compress(bytes(LIMIT + 1), method)[1], method, LIMIT)


def test_xz_may_not_ask_for_any_memory():
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 27}]
    with pytest.raises(DecodeError):
        decompress(lzma.compress(b"x", filters=filters), "application/x-lzma")


@pytest.mark.parametrize("name", ["rar", "x" * 10_000, "a\nb"])
def test_unknown_methods(name):
    with pytest.raises(ImproperlyConfigured) as refused:
        compress(b"", name)
    with pytest.raises(DecodeError) as raised:
        decompress(b"", name)
    for error in (refused, raised):
        assert len(str(error.value)) < 400
        assert str(error.value).isprintable()


def test_a_method_of_ones_own():
    own = Methods()
    own.register(lambda body: body[::-1], lambda body: body[::-1], "x/reversed", ["reversed"])
    assert own.compress(b"abc", "reversed") == ("x/reversed", b"cba")
    assert own.decompress(b"cba", "x/reversed", 3) == b"abc"
    with pytest.raises(MessageTooLarge):
        own.decompress(b"cba", "x/reversed", 2)


@pytest.mark.parametrize(("name", "module"), [("zstd", "zstandard"), ("brotli", "brotli")])
def test_a_missing_library_is_named(monkeypatch, name, module):
    packed = compress(b"x", name)[1]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EncodeError, match=rf"umbel\[{name}\]"):
        compress(b"x", name)
    with pytest.raises(DecodeError, match=rf"umbel\[{name}\]"):
        decompress(packed, HEADERS[name])
