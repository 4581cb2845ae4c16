"""Single values as Celery 5.7 keeps them in SQL: bytes of the result serializer, compressed or not; and ids, names and texts that fit into columns."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from umbel.results import meta
from umbel.results.base import StoreOptions
from umbel.results.sql import pickled
from umbel.results.sql.tables import WIDTH
from umbel.wire import serializers

_PICKLES: Final = frozenset({"application/x-python-serialize", "application/x-pickle"})


class ValueCodec:
    """Values ⇄ bytes.

    Args:
        options: of the store.
    """

    __slots__ = ("_accept", "_anything", "_compression", "_found", "_writes_pickle")

    def __init__(self, options: StoreOptions) -> None:
        self._found = serializers.find(options.serializer)
        self._compression = options.compression
        self._accept = serializers.content_types(options.accept)
        self._anything = bool(self._accept & _PICKLES)
        self._writes_pickle = self._found.content_type in _PICKLES

    def dumps(self, value: Any) -> bytes:
        """Render a value.

        Args:
            value: that the serializer can write.

        Raises:
            EncodeError: it cannot.
        """
        data = bytes(serializers.dumps(value, self._found.name)[2])
        return meta.compressed(data, self._compression) if self._compression else data

    def loads(self, data: bytes) -> Any:
        """Parse a value, whoever wrote it; also a pickle, as Celery wrote before 5.7.

        Args:
            data: from the database, which is not trusted.

        Raises:
            ContentDisallowed: it is a pickle of more than plain values, or the serializer is not accepted.
            DecodeError: it cannot be read.
        """
        data = bytes(data)
        if data.startswith(meta.COMPRESSED):
            data = meta.decompressed(data)
        elif data[:1] == pickled.MARK and not self._writes_pickle:
            return pickled.loads(data, anything=self._anything)
        return serializers.loads(data, self._found.content_type, self._found.content_encoding, self._accept)


def key_of(name: str) -> str:
    """Make what stands for an id in the tables: itself, unless it does not fit into Celery's column.

    Args:
        name: of a task or group; any text.
    """
    text = text_of(name)
    if text == name and len(name) <= WIDTH:
        return name
    return f"{text[:80]}~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def text_of(text: str) -> str:
    """Escape what a column of texts does not take: NUL, and halves of characters.

    Args:
        text: any.
    """
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def cut(text: Any) -> Any:
    """Bring a name to what fits into its column.

    Args:
        text: a name; anything else stays.
    """
    return text_of(text)[:WIDTH] if isinstance(text, str) else text


def moment(when: float) -> datetime:
    """Write a time as the columns have it: UTC, without saying so.

    Args:
        when: seconds since the epoch.
    """
    return datetime.fromtimestamp(when, UTC).replace(tzinfo=None)


def moment_of(date_done: str | None, now: float) -> datetime:
    """Write the time of a record as the columns have it.

    Args:
        date_done: of the record, ISO 8601; ``None`` where it has not ended.
        now: seconds since the epoch.
    """
    if date_done is None:
        return moment(now)
    found = datetime.fromisoformat(date_done)
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
