"""``kombu.serialization``, ``kombu.compression`` and ``kombu.utils.json``: registrations of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from umbel.wire import compression, kombu_json, serializers

register = serializers.register


class _Registry:
    """``kombu.serialization.registry``."""

    register = staticmethod(serializers.register)

    def enable(self, name: str) -> None:
        """Nothing is disabled: the setting ``accept_content`` says what is read; ``name`` may be there too."""

    disable = enable

    def dumps(self, data: Any, serializer: str | None = None) -> tuple[str, str, Any]:
        """Encode a value.

        Args:
            data: the value.
            serializer: its name.
        """
        return serializers.dumps(data, serializer or "json")

    def loads(self, data: Any, content_type: str, content_encoding: str, accept: Iterable[str] | None = None, **_: Any) -> Any:
        """Decode a value.

        Args:
            data: the value.
            content_type: of it.
            content_encoding: of it.
            accept: content types that may be read; this one when not given.
        """
        body = data.encode() if isinstance(data, str) else data
        return serializers.loads(body, content_type, content_encoding, frozenset(accept or {content_type}))


registry: _Registry = _Registry()
dumps: Final = registry.dumps
loads: Final = registry.loads


def enable_insecure_serializers(*_: Any) -> None:
    """Nothing is disabled: the setting ``accept_content`` says what is read."""


disable_insecure_serializers = enable_insecure_serializers


def register_compression(
    encoder: Callable[[bytes], bytes], decoder: Callable[[bytes], bytes], content_type: str, aliases: Iterable[str] = ()
) -> None:
    """Add a way to compress.

    Args:
        encoder: compresses bytes.
        decoder: the way back.
        content_type: as it stands in messages.
        aliases: short names.
    """
    compression.register(encoder, decoder, content_type, aliases)


def compress(body: bytes, content_type: str) -> tuple[bytes, str]:
    """Compress bytes; returns them and the content type.

    Args:
        body: the bytes.
        content_type: or a short name.
    """
    kind, data = compression.compress(body, content_type)
    return data, kind


def decompress(body: bytes, content_type: str) -> bytes:
    """Decompress bytes.

    Args:
        body: the bytes.
        content_type: as it stands in the message.
    """
    return compression.decompress(body, content_type)


def json_dumps(s: Any, *_: Any, **__: Any) -> str:
    """Encode a value as JSON.

    Args:
        s: the value.
    """
    return kombu_json.shared.dumps(s)


def json_loads(s: Any, *_: Any, **__: Any) -> Any:
    """Decode JSON.

    Args:
        s: text or bytes.
    """
    return kombu_json.shared.loads(s if isinstance(s, str) else bytes(s).decode())


def register_type(t: Any, marker: str | None, encoder: Callable[[Any], Any], decoder: Callable[[Any], Any] | None = None) -> None:
    """Teach JSON a type.

    Args:
        t: the type.
        marker: stands for it on the wire; the type's name when not given.
        encoder: makes a value that JSON has.
        decoder: the way back.
    """
    kombu_json.shared.register_type(t, marker or t.__name__, encoder, decoder or (lambda value: value))
