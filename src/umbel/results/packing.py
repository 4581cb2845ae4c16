"""Records as bytes, for stores that keep them whole: the result serializer writes all of a record, and perhaps a compressor the bytes."""

from __future__ import annotations

from typing import Any, NamedTuple

from umbel.errors import DecodeError, EncodeError
from umbel.results.base import StoreOptions
from umbel.results.model import Record
from umbel.wire import compression, serializers

_FIELDS = ("status", "result", "traceback", "children", "date_done", "group_id", "parent_id", "extended")


class Packed(NamedTuple):
    """One record at rest."""

    task_id: str
    status: str
    content_type: str
    content_encoding: str
    #: Content type of the compression.
    compression: str | None
    data: bytes


def pack(record: Record, options: StoreOptions) -> Packed:
    """Encode a record.

    Raises:
        EncodeError: the result serializer cannot write it, or compressed it could not be read again; the text names the task.
    """
    fields = {name: getattr(record, name) for name in _FIELDS}
    if fields["children"] is not None:
        fields["children"] = list(fields["children"])
    fields["extended"] = dict(fields["extended"])
    try:
        content_type, content_encoding, data = serializers.dumps(fields, options.serializer)
        method = None
        if options.compression:
            method, data = compression.compress(data, options.compression, compression.MAX_DECOMPRESSED)
    except EncodeError as error:
        raise EncodeError(f"the result of task {record.task_id} cannot be stored: {error}") from error
    return Packed(record.task_id, record.status, content_type, content_encoding, method, data)


def unpack(packed: Packed, accept: frozenset[str]) -> Record:
    """Decode a record.

    Args:
        packed: from a file that is not trusted.
        accept: content types that may be decoded.

    Raises:
        ContentDisallowed: it is of another content type.
        DecodeError: it is not a record.
    """
    data = packed.data
    if packed.compression:
        data = compression.decompress(data, packed.compression)
    fields: Any = serializers.loads(data, packed.content_type, packed.content_encoding, accept)
    if type(fields) is not dict or not set(_FIELDS) <= fields.keys():
        raise DecodeError(f"what is stored for task {packed.task_id} is not a record")
    return Record(task_id=packed.task_id, **{name: fields[name] for name in _FIELDS})
