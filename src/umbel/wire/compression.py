"""Compression of bodies, by the value of a message's ``compression`` header.

==============  =====================  ==============================================
names           header value           format
==============  =====================  ==============================================
gzip, zlib      application/x-gzip     zlib, under either name; gzip is read too
bzip2, bzip     application/x-bz2      bzip2
lzma, xz        application/x-lzma     xz; the older lzma container is read too
brotli          application/x-brotli   needs umbel[brotli]
zstd            application/zstd       needs umbel[zstd]
==============  =====================  ==============================================

Names and values are Kombu's (5.7). Decompression stops at a limit before more than that is allocated: a few bytes can stand for a gigabyte.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from umbel.errors import DecodeError, EncodeError, ImproperlyConfigured, MessageTooLarge

#: Bytes of a decompressed body: four times what a body may weigh.
MAX_DECOMPRESSED: Final = 64 * 1024 * 1024

#: zlib's own header or gzip's, whichever is there (zlib manual, inflateInit2).
_ZLIB_OR_GZIP: Final = 47
#: Bytes that xz may use: its highest preset needs 65 MiB, and a forged header can ask for 4 GiB.
_XZ_MEMORY: Final = 80 * 1024 * 1024
#: Bytes of zstd's window: what its decoders must support (RFC 8878, section 3.1.1.1.2), and what level 19 uses.
_ZSTD_WINDOW: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way to compress."""

    header: str
    compress: Callable[[bytes], bytes]
    #: From bytes and a limit to at most one byte more than the limit.
    decompress: Callable[[bytes, int], bytes]


class Methods:
    """A table of methods. One is made when this module is imported; its methods are this module's functions."""

    def __init__(self) -> None:
        self._found: dict[str, Method] = {}
        self._add(Method(header="application/x-gzip", compress=zlib.compress, decompress=_unzlib), ("gzip", "zlib"))
        self._add(Method(header="application/x-bz2", compress=_bz2, decompress=_unbz2), ("bzip2", "bzip"))
        self._add(Method(header="application/x-lzma", compress=_xz, decompress=_unxz), ("lzma", "xz"))
        self._add(Method(header="application/x-brotli", compress=_brotli, decompress=_unbrotli), ("brotli",))
        self._add(Method(header="application/zstd", compress=_zstd, decompress=_unzstd), ("zstd", "zstandard"))

    def register(
        self, encoder: Callable[[bytes], bytes], decoder: Callable[[bytes], bytes], content_type: str, aliases: Iterable[str] = ()
    ) -> None:
        """Add a method, or replace one.

        Args:
            encoder: from plain bytes to compressed ones.
            decoder: the way back. Its output is measured, but it allocates what it will: accept no bombs in it.
            content_type: the header's value.
            aliases: as in ``task_compression``.
        """
        self._add(Method(header=content_type, compress=encoder, decompress=lambda body, _limit: decoder(body)), aliases)

    def find(self, name: str) -> Method:
        """Find a method by its ``name`` or by the value of a header.

        Raises:
            ImproperlyConfigured: there is none.
        """
        found = self._found.get(name.lower())
        if found is None:
            raise ImproperlyConfigured(f"There is no compression {ascii(name)[:80]}: known are {', '.join(self._found)}.")
        return found

    def compress(self, body: bytes, name: str, limit: int | None = None) -> tuple[str, bytes]:
        """Compress.

        Args:
            body: the bytes.
            name: the method's.
            limit: of bytes that its readers will decompress.

        Returns:
            The header's value, and bytes.

        Raises:
            EncodeError: no worker could read it again, or the method's library is not installed.
            ImproperlyConfigured: there is no such method.
        """
        found = self.find(name)
        if limit is not None and len(body) > limit:
            raise EncodeError(
                f"{len(body)} bytes are more than the {limit} that readers decompress: keep so much elsewhere, or do not compress it."
            )
        return found.header, found.compress(body)

    def decompress(self, body: bytes, name: str, limit: int = MAX_DECOMPRESSED) -> bytes:
        """Decompress.

        Args:
            body: the bytes.
            name: the header's value.
            limit: bytes that may come out.

        Raises:
            MessageTooLarge: more would come out.
            DecodeError: not compressed in this way, cut short or followed by something; or the method is not known or not installed.
        """
        try:
            found = self.find(name)
        except ImproperlyConfigured as exc:
            raise DecodeError(str(exc)) from None
        try:
            plain = found.decompress(body, limit)
        except DecodeError:
            raise
        except Exception as exc:
            raise DecodeError(f"The body is not valid {found.header}: {str(exc)[:200] or type(exc).__name__}") from exc
        if len(plain) > limit:
            raise MessageTooLarge(f"The body decompresses to more than {limit} bytes.")
        return plain

    def _add(self, method: Method, names: Iterable[str]) -> None:
        for name in (*names, method.header):
            self._found[name] = method


def _complete(plain: bytes, limit: int, *, ended: bool, rest: bytes) -> bytes:
    """Refuse all but whole streams: what is cut short, or followed by something else, was not sent by a compressor."""
    if len(plain) <= limit and (not ended or rest):
        raise DecodeError("The compressed body is cut short." if not ended else "The compressed body is followed by something else.")
    return plain


def _unzlib(body: bytes, limit: int) -> bytes:
    stream = zlib.decompressobj(_ZLIB_OR_GZIP)
    plain = stream.decompress(body, limit + 1)
    return _complete(plain, limit, ended=stream.eof, rest=stream.unused_data)


def _bz2(body: bytes) -> bytes:
    import bz2

    return bz2.compress(body)


def _unbz2(body: bytes, limit: int) -> bytes:
    import bz2

    stream = bz2.BZ2Decompressor()
    plain = stream.decompress(body, limit + 1)
    return _complete(plain, limit, ended=stream.eof, rest=stream.unused_data)


def _xz(body: bytes) -> bytes:
    import lzma

    return lzma.compress(body)


def _unxz(body: bytes, limit: int) -> bytes:
    import lzma

    stream = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    plain = stream.decompress(body, limit + 1)
    return _complete(plain, limit, ended=stream.eof, rest=stream.unused_data)


def _load_brotli(error: type[Exception]) -> Any:
    try:
        import brotli
    except ImportError as exc:
        raise error("Brotli compression needs brotli: pip install 'umbel[brotli]'.") from exc
    return brotli


def _brotli(body: bytes) -> bytes:
    packed: bytes = _load_brotli(EncodeError).compress(body)
    return packed


def _unbrotli(body: bytes, limit: int) -> bytes:
    stream = _load_brotli(DecodeError).Decompressor()
    pieces: list[bytes] = []
    size = 0
    fed = body
    while not stream.is_finished() and size <= limit:
        piece = stream.process(fed, output_buffer_limit=limit + 1 - size)
        fed = b""
        if not piece and stream.can_accept_more_data():
            break
        pieces.append(piece)
        size += len(piece)
    return _complete(b"".join(pieces), limit, ended=stream.is_finished(), rest=b"")


def _load_zstd(error: type[Exception]) -> Any:
    try:
        import zstandard
    except ImportError as exc:
        raise error("Zstandard compression needs zstandard: pip install 'umbel[zstd]'.") from exc
    return zstandard


def _zstd(body: bytes) -> bytes:
    packed: bytes = _load_zstd(EncodeError).ZstdCompressor().compress(body)
    return packed


def _unzstd(body: bytes, limit: int) -> bytes:
    zstandard = _load_zstd(DecodeError)
    with zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(io.BytesIO(body)) as reader:
        plain: bytes = reader.read(limit + 1)
    if len(plain) > limit:
        return plain
    # The reader does not say whether the frame ended; now that its size is known to be small, another pass does.
    stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
    stream.decompress(body)
    return _complete(plain, limit, ended=stream.eof, rest=stream.unused_data)


_shared: Final = Methods()
#: Those that are built in, whatever an app registers.
plain: Final = Methods()
register: Final = _shared.register
find: Final = _shared.find
compress: Final = _shared.compress
decompress: Final = _shared.decompress
