"""Kombu's JSON (5.7): plain JSON, and ``{"__type__": …, "__value__": …}`` for what JSON has no word for.

====================  ============  =======================================
Python                ``__type__``  ``__value__``
====================  ============  =======================================
``datetime.datetime`` datetime      ISO 8601
``datetime.date``     date          ISO 8601
``datetime.time``     time          ISO 8601
``decimal.Decimal``   decimal       its ``str``
``uuid.UUID``         uuid          ``{"hex": 32 hexadecimal digits}``
``bytes``             bytes         the text, where the bytes are UTF-8
``bytes``             base64        base64, otherwise
====================  ============  =======================================

Besides: an object with ``__json__()`` is written as what that returns, a Django lazy string as text. Sets and time deltas are refused, as
Kombu refuses them. NaN and the infinities are written and read as the standard library does (``NaN``, ``Infinity``); a JavaScript peer
cannot read those. Of duplicate keys the last one counts. Lone surrogates are refused in both directions: no UTF-8 peer could read them.

Reading never imports and never calls anything but the decoder that is registered for a tag.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import uuid
from collections.abc import Callable
from json import encoder as _json_encoder
from typing import Any, Final, TypeVar

from umbel.errors import DecodeError, EncodeError

T = TypeVar("T")

_TAG: Final = "__type__"
_VALUE: Final = "__value__"

#: Lone surrogates travel as escapes; a body without this text cannot hold one.
_SURROGATE_ESCAPES: Final = ("\\ud", "\\uD")


def _decode_uuid(value: Any) -> uuid.UUID:
    if type(value) is not dict or len(value) != 1:
        raise ValueError("expected {'hex': digits}")
    return uuid.UUID(hex=value["hex"])


def _encode_bytes(value: bytes) -> tuple[str, Any]:
    try:
        return "bytes", value.decode()
    except UnicodeDecodeError:
        return "base64", base64.b64encode(value).decode("ascii")


def _is_lazy_text(value: object) -> bool:
    return any(kind.__name__ == "Promise" and kind.__module__ == "django.utils.functional" for kind in type(value).__mro__)


class TaggedJson:
    """A JSON codec with a table of tagged types.

    One is made when this module is imported and serves the ``json`` serializer; `register_type` adds to it.
    """

    def __init__(self) -> None:
        self._encoders: dict[type, Callable[[Any], tuple[str, Any]]] = {bytes: _encode_bytes}
        self._decoders: dict[str, Callable[[Any], Any]] = {
            "bytes": lambda text: text.encode(),
            "base64": lambda text: base64.b64decode(text, validate=True),
        }
        # A subclass is found by walking this in order: datetime stands before date, of which it is a kind.
        self.register_type(dt.datetime, "datetime", dt.datetime.isoformat, dt.datetime.fromisoformat)
        self.register_type(dt.date, "date", dt.date.isoformat, dt.date.fromisoformat)
        self.register_type(dt.time, "time", dt.time.isoformat, dt.time.fromisoformat)
        self.register_type(decimal.Decimal, "decimal", str, decimal.Decimal)
        self.register_type(uuid.UUID, "uuid", lambda value: {"hex": value.hex}, _decode_uuid)
        self._write = _writer(self._tag)
        self._plain = json.JSONDecoder()
        self._tagged = json.JSONDecoder(object_hook=self._untag)
        # Attribute look-ups are a tenth of the time that a small body takes.
        self._scan_plain: Callable[[str, int], tuple[Any, int]] = vars(self._plain)["scan_once"]

    def register_type(self, kind: type[T], tag: str, encoder: Callable[[T], Any], decoder: Callable[[Any], T]) -> None:
        """Write values of a type, and of its subclasses, under a tag.

        Args:
            kind: the type.
            tag: the text of ``__type__``.
            encoder: from a value to something that JSON can hold.
            decoder: the way back; it gets untrusted input and may raise anything.
        """
        self._encoders[kind] = lambda value: (tag, encoder(value))
        self._decoders[tag] = decoder

    def dumps(self, value: Any) -> str:
        """Encode ``value`` to text, with Kombu's separators and everything outside ASCII escaped.

        Raises:
            EncodeError: JSON cannot hold the value: its type, a circle, nesting, a lone surrogate.
        """
        try:
            text = "".join(self._write(value, 0))
            if _SURROGATE_ESCAPES[0] in text:
                _refuse_lone_surrogates(text)
        except EncodeError:
            raise
        except RecursionError:
            raise EncodeError("The value is nested too deeply for JSON, or contains itself.") from None
        except Exception as exc:
            raise EncodeError(f"The value cannot be written as JSON: {exc}") from exc
        return text

    def loads(self, text: str) -> Any:
        """Decode ``text``, one JSON document.

        Raises:
            DecodeError: it is not JSON, is nested too deeply, has an integer of more than 4,300 digits, a lone surrogate, or a tag
                that is unknown or whose value does not fit.
        """
        try:
            if _TAG in text:
                value = self._tagged.decode(text)
            else:
                try:
                    value, end = self._scan_plain(text, 0)
                except StopIteration:
                    end = -1
                if end != len(text):  # space around it, or not JSON at all: the slow way knows what to say
                    value = self._plain.decode(text)
            if _SURROGATE_ESCAPES[0] in text or _SURROGATE_ESCAPES[1] in text:
                _refuse_lone_surrogates(text)
        except RecursionError:
            raise DecodeError("The JSON is nested too deeply.") from None
        except DecodeError:
            raise
        except Exception as exc:
            raise DecodeError(f"The body is not valid JSON: {_brief(exc)}") from exc
        return value

    def _tag(self, value: Any) -> Any:
        as_json = getattr(value, "__json__", None)
        if callable(as_json) and not isinstance(value, type):
            return as_json()
        encode = self._encoders.get(type(value))
        if encode is None:
            encode = next((encoder for kind, encoder in self._encoders.items() if isinstance(value, kind)), None)
        if encode is not None:
            tag, plain = encode(value)
            return {_TAG: tag, _VALUE: plain}
        if _is_lazy_text(value):
            return str(value)
        if callable(getattr(type(value), "model_dump", None)):  # a model of pydantic's
            return value.model_dump(mode="json")
        raise EncodeError(
            f"A value of type {type(value).__name__} cannot be written as JSON: convert it, or name its type with register_type()."
        )

    def _untag(self, found: dict[str, Any]) -> Any:
        if len(found) != 2 or _TAG not in found or _VALUE not in found:
            return found
        tag = found[_TAG]
        decode = self._decoders.get(tag) if type(tag) is str else None
        if decode is None:
            raise DecodeError(f"Unknown JSON __type__ {ascii(tag)[:80]}: known are {', '.join(self._decoders)}.")
        try:
            return decode(found[_VALUE])
        except RecursionError:
            raise
        except Exception as exc:
            raise DecodeError(f"Not a value of JSON __type__ {tag!r}: {_brief(exc)}") from exc


def _brief(exc: BaseException) -> str:
    """Shorten a decoder's message and escape control characters: it quotes the body."""
    return ascii(str(exc) or type(exc).__name__)[1:-1][:200]


def _refuse_lone_surrogates(text: str) -> None:
    """Raise `UnicodeEncodeError` for text that UTF-8 cannot hold. Pairs were joined by the decoder, so that only lone ones remain."""
    json.dumps(json.loads(text), ensure_ascii=False).encode()


def _writer(default: Callable[[Any], Any]) -> Callable[[Any, int], Any]:
    """An encoder from a value (and an indent level of 0) to pieces of text.

    ``json.dumps`` makes a new C encoder for each call, which costs three times what a small body costs. The one made here is kept. It does not keep track of
    circles, because that table would be shared by threads: a circle ends in a `RecursionError` instead.
    """
    make = getattr(_json_encoder, "c_make_encoder", None)
    if make is None:  # not CPython
        plain = json.JSONEncoder(default=default, check_circular=False)
        return lambda value, _level: (plain.encode(value),)
    quote = _json_encoder.encode_basestring_ascii
    write: Callable[[Any, int], Any] = make(None, default, quote, None, ": ", ", ", False, False, True)
    return write


shared: Final = TaggedJson()
dumps: Final = shared.dumps
loads: Final = shared.loads
register_type: Final = shared.register_type
