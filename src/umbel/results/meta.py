"""Records as Celery's key-value stores keep them (5.7): one serialized mapping, compressed or not.

Order of the keys: status, result, traceback, children, date_done, group_id and parent_id where there is one, with ``result_extended`` name, args,
kwargs, worker, retries, queue, stamped_headers and the stamps, and last task_id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from umbel import states
from umbel.errors import DecodeError, EncodeError, ResultExpired
from umbel.messages import ids
from umbel.results.base import ResultStore, StoreOptions
from umbel.results.model import Record
from umbel.runtime.clock import SYSTEM
from umbel.wire import compression, serializers

#: What a compressed value begins with; then the content type, a NUL and the compressed bytes.
COMPRESSED = b"\x00celery-compressed\x00"
#: What looks like the state in a value that cannot be decoded.
_STATUS = re.compile(rb"status[^0-9A-Za-z]+([A-Z]+)")
_FIELDS = frozenset({"status", "result", "traceback", "children", "date_done", "group_id", "parent_id", "task_id"})


def to_meta(record: Record) -> dict[str, Any]:
    """The mapping that is stored."""
    children = record.children
    meta: dict[str, Any] = {
        "status": record.status,
        "result": record.result,
        "traceback": record.traceback,
        "children": None if children is None else list(children),
        "date_done": record.date_done,
    }
    if record.group_id:
        meta["group_id"] = record.group_id
    if record.parent_id:
        meta["parent_id"] = record.parent_id
    if record.extended:
        meta.update(record.extended)
    meta["task_id"] = record.task_id
    return meta


def from_meta(meta: Any, task_id: str = "") -> Record:
    """The record of a stored mapping, whoever wrote it.

    Raises:
        DecodeError: it is no mapping, or has no status.
    """
    if not isinstance(meta, Mapping) or not isinstance(meta.get("status"), str):
        raise DecodeError(f"the stored result of {task_id or 'a task'} is not a mapping with a status")
    return Record(
        task_id=str(meta.get("task_id") or task_id),
        status=meta["status"],
        result=meta.get("result"),
        traceback=meta.get("traceback"),
        children=meta.get("children"),
        date_done=meta.get("date_done"),
        group_id=meta.get("group_id"),
        parent_id=meta.get("parent_id"),
        extended={name: value for name, value in meta.items() if name not in _FIELDS},
    )


def compressed(data: bytes, method: str) -> bytes:
    """Compress a stored value, and say so in front of it.

    Args:
        data: the value.
        method: of compression.

    Raises:
        EncodeError: it could not be read again.
    """
    content_type, data = compression.compress(data, method, compression.MAX_DECOMPRESSED)
    return COMPRESSED + content_type.encode() + b"\x00" + data


def decompressed(data: bytes) -> bytes:
    """Undo `compressed`.

    Args:
        data: begins with `COMPRESSED`.

    Raises:
        DecodeError: it cannot be decompressed.
    """
    content_type, _, data = data[len(COMPRESSED) :].partition(b"\x00")
    return compression.decompress(data, content_type.decode("ascii", "replace"))


class MetaCodec:
    """Records ⇄ bytes, with the serializer and the compression of one store."""

    __slots__ = ("_accept", "_compression", "_content_encoding", "_content_type", "_serializer")

    def __init__(self, options: StoreOptions) -> None:
        found = serializers.find(options.serializer)
        self._serializer = found.name
        self._content_type = found.content_type
        self._content_encoding = found.content_encoding
        self._compression = options.compression
        self._accept = serializers.content_types(options.accept)

    def encode(self, record: Record) -> bytes:
        """The bytes that are stored.

        Raises:
            EncodeError: names the task.
        """
        try:
            data = serializers.dumps(to_meta(record), self._serializer)[2]
            if self._compression:
                data = compressed(data, self._compression)
        except EncodeError as error:
            raise EncodeError(f"the result of task {record.task_id} cannot be stored: {error}") from error
        return data

    def decode(self, data: bytes, task_id: str = "") -> Record:
        """The record in stored bytes, compressed or not.

        Raises:
            DecodeError: they are not what the serializer writes, or it is not accepted (`ContentDisallowed`).
        """
        if data.startswith(COMPRESSED):
            data = decompressed(data)
        return from_meta(serializers.loads(data, self._content_type, self._content_encoding, self._accept), task_id)

    def has_ended(self, data: bytes) -> bool:
        """Report whether stored bytes are of a task that has ended, as far as can be told where they cannot be decoded."""
        try:
            return is_terminal(self.decode(data))
        except DecodeError:  # of a content type that is not accepted, perhaps
            found = _STATUS.search(data)
            return found is not None and found[1].decode() in states.READY_STATES


def is_terminal(record: Record) -> bool:
    """Report whether the task has ended."""
    return record.status in states.READY_STATES


def absent_state(task_id: str, store: ResultStore, *, records_sent: bool) -> str:
    """The state of a task without a record.

    Args:
        task_id: its id.
        store: where there is none.
        records_sent: the app keeps a record of everything it sends.
    """
    began = ids.begins_at(task_id)
    expires = store.options.expires
    if began is not None and expires and SYSTEM.now() - began > expires:
        return states.EXPIRED
    return states.UNKNOWN if began is not None and store.shared and records_sent else states.PENDING


def expired(task_id: str, store: ResultStore) -> ResultExpired:
    """Make the error for a result that is taken for gone."""
    return ResultExpired(
        f"There is no result of {task_id}, whose id is older than results are kept (result_expires, {store.options.expires:g} s). "
        "It is gone, or the task still waits or runs; get(timeout=…) waits for it."
    )
