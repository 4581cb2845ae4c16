"""Results as Celery before 5.7 kept them in SQL: pickled. They are trusted as little as a message: plain values only, unless pickle is accepted."""

from __future__ import annotations

import io
import pickle
from typing import Any, Final

from umbel.errors import ContentDisallowed, DecodeError

#: What a pickle of plain values may name, beside the values that need no name.
_PLAIN: Final = frozenset(
    {
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("builtins", "bytearray"),
        ("builtins", "bytes"),
        ("builtins", "complex"),
        ("collections", "OrderedDict"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
        ("uuid", "UUID"),
    }
)
#: What every pickle begins with that Celery has written.
MARK: Final = b"\x80"


def _latin_bytes(text: str, encoding: str) -> bytes:
    """Make bytes as pickles of protocol 2 write them."""
    if encoding != "latin1":
        raise ContentDisallowed(f"a stored result is a pickle with bytes in {encoding[:20]!r}, which only a forged one has")
    return text.encode("latin1")


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        module = "builtins" if module_name == "__builtin__" else module_name
        if (module, global_name) == ("_codecs", "encode"):
            return _latin_bytes
        if (module, global_name) in _PLAIN:
            return super().find_class(module, global_name)
        raise ContentDisallowed(
            f"a stored result is a pickled {module_name}.{global_name}, which could run code: it is read only where pickle is accepted (result_accept_content)"
        )


def loads(data: bytes, *, anything: bool) -> Any:
    """Read a pickle.

    Args:
        data: from the database, which is not trusted.
        anything: pickle is accepted; else plain values only.

    Raises:
        ContentDisallowed: it names a class, and pickle is not accepted.
        DecodeError: it is no pickle.
    """
    try:
        return pickle.loads(data) if anything else _PlainUnpickler(io.BytesIO(data)).load()  # noqa: S301 - accepted by the settings
    except ContentDisallowed:
        raise
    except Exception as error:  # a pickle may raise anything
        raise DecodeError(f"a stored result cannot be read: {error}") from error
