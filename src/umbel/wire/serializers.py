"""Serializers by name and by content type: what may be decoded is decided before any decoder is looked at.

=========  ================================  ========  ==================
name       content type                      encoding  needs
=========  ================================  ========  ==================
json       application/json                  utf-8
pickle     application/x-python-serialize    binary    protocol 4
yaml       application/x-yaml                utf-8     umbel[yaml]
msgpack    application/x-msgpack             binary    umbel[msgpack]
raw        application/data                  binary    bytes, as they are
=========  ================================  ========  ==================

Names, content types and encodings are Kombu's (5.7). YAML is read with the safe loader only. Pickle runs whatever its sender wants:
it is decoded only where ``accept`` names it. `plain` is a second table, for a process that must run no code of an app: nothing is
registered there, and its pickles hold no classes.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from umbel.errors import ContentDisallowed, DecodeError, EncodeError, ImproperlyConfigured
from umbel.wire import kombu_json

#: What a body's text may be encoded in. ``base64`` is what celery-ts says of a body that is not; the text is UTF-8 there too.
_UTF8_NAMES: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "binary", "base64", ""})
_LATIN1_NAMES: Final = frozenset({"latin-1", "latin1", "iso-8859-1"})

_PICKLE_PROTOCOL: Final = 4

#: Levels; JSON ends at about as many, by the interpreter's recursion limit.
_YAML_DEPTH: Final = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Serializer:
    """One way between values and bytes."""

    name: str
    content_type: str
    #: ``binary`` hands bytes to the decoder; anything else, text.
    content_encoding: str
    encode: Callable[[Any], str | bytes]
    decode: Callable[[Any], Any]


class Serializers:
    """A table of serializers. One is made when this module is imported; its methods are this module's functions.

    Args:
        json: encodes and decodes JSON.
        unpickle: decodes pickles.
    """

    def __init__(self, json: kombu_json.TaggedJson = kombu_json.shared, unpickle: Callable[[bytes], Any] = pickle.loads) -> None:
        self._by_name: dict[str, Serializer] = {}
        self._by_type: dict[str, Serializer] = {}
        self.register("json", json.dumps, json.loads, "application/json", "utf-8")
        self.register("pickle", _pickle, unpickle, "application/x-python-serialize", "binary")
        self.register("yaml", _yaml_dump, _yaml_load, "application/x-yaml", "utf-8")
        self.register("msgpack", _msgpack_pack, _msgpack_unpack, "application/x-msgpack", "binary")
        self.register("raw", _raw, bytes, "application/data", "binary")

    def register(
        self,
        name: str,
        encoder: Callable[[Any], str | bytes],
        decoder: Callable[[Any], Any],
        content_type: str,
        content_encoding: str = "utf-8",
    ) -> None:
        """Add a serializer, or replace one.

        Args:
            name: as in ``task_serializer`` and ``accept_content``.
            encoder: from a value to text or bytes.
            decoder: the way back; gets bytes where the encoding is ``binary``, text otherwise. What it raises becomes a `DecodeError`.
            content_type: as it stands in messages.
            content_encoding: ``utf-8`` or ``binary``.
        """
        added = Serializer(name=name, content_type=content_type, content_encoding=content_encoding, encode=encoder, decode=decoder)
        self._by_name[name] = self._by_type[content_type] = added

    def find(self, name: str) -> Serializer:
        """Find a serializer by its ``name`` or its content type.

        Raises:
            ImproperlyConfigured: there is none.
        """
        found = self._by_name.get(name) or self._by_type.get(name)
        if found is None:
            adds = "app.setup_security()" if name == "auth" else "register()"
            raise ImproperlyConfigured(f"There is no serializer {ascii(name)[:80]}: known are {', '.join(self._by_name)}; {adds} adds one.")
        return found

    def content_types(self, names: Iterable[str]) -> frozenset[str]:
        """Resolve ``names`` and content types, as in ``accept_content``, to the set that makes `loads` fastest.

        Raises:
            ImproperlyConfigured: a name is not known.
        """
        return frozenset(name if "/" in name else self.find(name).content_type for name in names)

    def dumps(self, value: Any, serializer: str = "json") -> tuple[str, str, bytes]:
        """Encode a value.

        Args:
            value: what to encode.
            serializer: its name or content type.

        Returns:
            content type, content encoding, bytes.

        Raises:
            EncodeError: the serializer cannot write this value, or its library is not installed.
            ImproperlyConfigured: there is no such serializer.
        """
        found = self._by_name.get(serializer) or self.find(serializer)
        try:
            data = found.encode(value)
            return found.content_type, found.content_encoding, data.encode() if isinstance(data, str) else data
        except EncodeError:
            raise
        except Exception as exc:
            raise EncodeError(f"The value cannot be encoded with {found.name}: {exc}") from exc

    def accepted(self, content_type: str | None, accept: frozenset[str]) -> Serializer:
        """The serializer of a content type, if it is accepted.

        Args:
            content_type: as the message says; none stands for ``application/data``.
            accept: content types and names that may be decoded; `content_types` makes the set that is looked up once.

        Raises:
            ContentDisallowed: it is not.
            DecodeError: it is, but there is no serializer for it.
        """
        kind = content_type or "application/data"
        found = self._by_type.get(kind) or self._by_name.get(kind)
        if kind not in accept and (found is None or (found.name not in accept and found.content_type not in accept)):
            listed = ", ".join(sorted(accept)) or "nothing"
            raise ContentDisallowed(f"The content type {ascii(kind)[:80]} is not accepted; accept_content has {listed}.")
        if found is None:
            raise DecodeError(f"There is no serializer for the content type {ascii(kind)[:80]}.")
        return found

    def loads(self, body: bytes, content_type: str | None, content_encoding: str | None, accept: frozenset[str]) -> Any:
        """Decode a body, if its content type is accepted.

        Args:
            body: the bytes, not compressed.
            content_type: as for `accepted`.
            content_encoding: as the message says; none stands for UTF-8.
            accept: as for `accepted`.

        Raises:
            ContentDisallowed: not accepted; no decoder was called.
            DecodeError: the body is not what it should be.
        """
        found = self.accepted(content_type, accept)
        try:
            if found.content_encoding == "binary":
                return found.decode(body)
            # The usual case is decided by one comparison.
            return found.decode(body.decode() if content_encoding == "utf-8" else _text(body, content_encoding))
        except DecodeError:
            raise
        except RecursionError:
            raise DecodeError(f"The {found.name} body is nested too deeply.") from None
        except Exception as exc:
            raise DecodeError(f"The body is not valid {found.name}: {ascii(str(exc) or type(exc).__name__)[1:-1][:200]}") from exc


def _text(body: bytes, content_encoding: str | None) -> str:
    name = (content_encoding or "").lower()
    if name in _UTF8_NAMES:
        return body.decode()
    if name in _LATIN1_NAMES:
        return body.decode("latin-1")
    raise DecodeError(f"The content encoding {ascii(name)[:80]} is not known: send utf-8.")


def _pickle(value: Any) -> bytes:
    return pickle.dumps(value, protocol=_PICKLE_PROTOCOL)


class _PlainUnpickler(pickle.Unpickler):
    """Reads containers, text, bytes and numbers. Whatever can be called has to be found first, and nothing is."""

    def find_class(self, module: str, name: str) -> Any:
        raise DecodeError(f"The pickle holds {ascii(f'{module}.{name}')[1:-1][:80]}, which only a child may load.")


def _unpickle_plain(body: bytes) -> Any:
    return _PlainUnpickler(io.BytesIO(body)).load()


def _raw(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise EncodeError(f"The raw serializer takes bytes, not {type(value).__name__}.")


def _yaml_dump(value: Any) -> str:
    try:
        import yaml
    except ImportError as exc:
        raise EncodeError("The yaml serializer needs PyYAML: pip install 'umbel[yaml]'.") from exc
    text: str = yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    return text


def _yaml_load(text: str) -> Any:
    try:
        import yaml
    except ImportError as exc:
        raise DecodeError("The yaml serializer needs PyYAML: pip install 'umbel[yaml]'.") from exc
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    # libyaml's composer recurses on the C stack, and 100,000 brackets end the process; its parser does not recurse.
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _YAML_DEPTH:
            raise DecodeError(f"The YAML is nested deeper than {_YAML_DEPTH} levels.")
    return yaml.load(text, Loader=loader)  # noqa: S506 - either is the safe loader


def _msgpack_pack(value: Any) -> bytes:
    try:
        import msgpack
    except ImportError as exc:
        raise EncodeError("The msgpack serializer needs msgpack: pip install 'umbel[msgpack]'.") from exc
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def _msgpack_unpack(body: bytes) -> Any:
    try:
        import msgpack
    except ImportError as exc:
        raise DecodeError("The msgpack serializer needs msgpack: pip install 'umbel[msgpack]'.") from exc
    return msgpack.unpackb(body, raw=False)


registry: Final = Serializers()
plain: Final = Serializers(kombu_json.TaggedJson(), _unpickle_plain)
register: Final = registry.register
find: Final = registry.find
content_types: Final = registry.content_types
dumps: Final = registry.dumps
loads: Final = registry.loads
accepted: Final = registry.accepted
