"""Records ⇄ documents, as Celery has them (5.7, ``MongoBackend``): the result serialized, everything else as MongoDB's own values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from umbel.errors import DecodeError, EncodeError
from umbel.results.base import StoreOptions
from umbel.results.meta import COMPRESSED, compressed, decompressed, from_meta, to_meta
from umbel.results.model import Record
from umbel.runtime.clock import SYSTEM
from umbel.wire import serializers

#: When a document is dropped. MongoDB looks once a minute; we look when we read.
EXPIRES: Final = "umbel_expires"


class DocumentCodec:
    """Records ⇄ documents, with the serializer and the compression of one store.

    Args:
        options: of the store.
    """

    def __init__(self, options: StoreOptions) -> None:
        found = serializers.find(options.serializer)
        self._serializer = found.name
        self._content_type = found.content_type
        self._content_encoding = found.content_encoding
        self._compression = options.compression
        self._accept = serializers.content_types(options.accept)
        self._keep = options.expires

    def encode(self, record: Record) -> dict[str, Any]:
        """Make the document of a record.

        Raises:
            EncodeError: names the task.
        """
        try:
            result = self.dumps(record.result, compress=True)
        except EncodeError as error:
            raise EncodeError(f"the result of task {record.task_id} cannot be stored: {error}") from error
        meta = {name: _storable(value) for name, value in to_meta(record).items() if name not in ("task_id", "result", "date_done")}
        return {"_id": record.task_id, "result": result, "date_done": _moment(record.date_done), **meta, **expiry(self._keep)}

    def decode(self, document: Mapping[str, Any]) -> Record:
        """Parse a document, whoever wrote it.

        Raises:
            DecodeError: it is no record, or its result is not what the serializer writes.
        """
        task_id, done = str(document.get("_id")), document.get("date_done")
        meta = {name: value for name, value in document.items() if name not in ("_id", EXPIRES)}
        meta["result"] = self.loads(document.get("result"))
        meta["date_done"] = done.isoformat() if isinstance(done, datetime) else done
        return from_meta(meta, task_id)

    def dumps(self, value: Any, *, compress: bool = False) -> str | bytes:
        """Serialize a value: text where the serializer writes text."""
        data = serializers.dumps(value, self._serializer)[2]
        if compress and self._compression:
            return compressed(data, self._compression)
        return data.decode() if self._content_encoding == "utf-8" else data

    def loads(self, data: Any) -> Any:
        """Parse what `dumps` wrote.

        Raises:
            DecodeError: it cannot be parsed.
        """
        if not isinstance(data, (str, bytes)):
            raise DecodeError(f"what is stored is a {type(data).__name__}: expected the text or bytes of the result serializer")
        found = data.encode() if isinstance(data, str) else data
        if found.startswith(COMPRESSED):
            found = decompressed(found)
        return serializers.loads(found, self._content_type, self._content_encoding, self._accept)


def expiry(keep: float | None) -> dict[str, datetime]:
    """Make the field that says when a document is dropped; none where it stays for ever.

    Args:
        keep: seconds from now.
    """
    return {EXPIRES: datetime.fromtimestamp(SYSTEM.now() + keep, UTC)} if keep else {}


def fresh() -> dict[str, Any]:
    """Make the condition for documents whose time is not over."""
    return {"$not": {"$lte": datetime.fromtimestamp(SYSTEM.now(), UTC)}}


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None


def _storable(value: Any) -> Any:
    """A value as MongoDB keeps it: what has no place in a document, as text."""
    import bson

    if value is None or isinstance(value, (str, bool)):
        return value
    value = list(value) if isinstance(value, tuple) else value
    try:
        bson.encode({"value": value})
    except (bson.errors.BSONError, OverflowError):
        return repr(value)
    return value
