"""Records ⇄ rows of `TaskResult`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from umbel import states
from umbel.contrib.django.models import WIDTH
from umbel.errors import DecodeError, EncodeError
from umbel.results.base import StoreOptions
from umbel.results.model import Record
from umbel.wire import serializers

#: Of what is known with result_extended: what has a column of its own.
_COLUMNS: Final = {"name": "task_name", "worker": "worker"}
_VALUES: Final = {"args": "task_args", "kwargs": "task_kwargs"}
#: Content encodings of what is no text, and stands in base64.
_BINARY: Final = ("binary", "base64")
_LONGEST: Final = 255
#: Half a character, which databases take for none.
_ESCAPE: Final = "backslashreplace"


class RowCodec:
    """Records ⇄ the fields of rows.

    Args:
        options: of the store.
    """

    def __init__(self, options: StoreOptions) -> None:
        self._serializer = options.serializer
        self._accept = serializers.content_types(options.accept)

    def render(self, record: Record, now: float) -> dict[str, Any]:
        """Write a record.

        Args:
            record: of a task.
            now: seconds since the epoch.

        Raises:
            EncodeError: a value cannot be written; names the task.
        """
        others = dict(record.extended)
        children = None if record.children is None else list(record.children)
        done = now if record.date_done is None else datetime.fromisoformat(record.date_done).timestamp()
        try:
            content_type, encoding, result = self._dump(record.result)
            fields = {column: self._dump(others.pop(name))[2] for name, column in _VALUES.items() if others.get(name) is not None}
            fields |= {column: plain(others.pop(name))[:_LONGEST] for name, column in _COLUMNS.items() if others.get(name) is not None}
            meta: dict[str, Any] = {"children": children, "group_id": record.group_id, "parent_id": record.parent_id, "extended": others}
            if record.date_done is not None:
                meta["date_done"] = record.date_done
            text = self._dump(meta)[2]
        except EncodeError as error:
            raise EncodeError(f"the result of task {record.task_id} cannot be stored: {error}") from error
        return {
            "task_id": key_of(record.task_id),
            "status": record.status,
            "content_type": content_type,
            "content_encoding": encoding,
            "result": result,
            "traceback": None if record.traceback is None else plain(record.traceback),
            "meta": text,
            "date_done": datetime.fromtimestamp(done, UTC),
            **{column: fields.get(column) for column in (*_VALUES.values(), *_COLUMNS.values())},
        }

    def read(self, task_id: str, row: Mapping[str, Any]) -> Record:
        """Read a row, one that was taken over from django-celery-results, too.

        Args:
            task_id: of the task.
            row: field → value.

        Raises:
            ContentDisallowed: it is written in what is not accepted.
            DecodeError: it is no record.
        """

        def load(text: str | None) -> Any:
            return None if text is None else self.load(text, row["content_type"], row["content_encoding"])

        meta = load(row["meta"]) or {}
        if not isinstance(meta, dict):
            raise DecodeError(f"what is stored beside the result of task {task_id} is not a mapping")
        extended = dict(meta.get("extended") or {})
        for name, column in (*_VALUES.items(), *_COLUMNS.items()):
            if row[column] is not None:
                extended[name] = load(row[column]) if name in _VALUES else row[column]
        is_over = row["status"] in states.READY_STATES
        done = row["date_done"]
        return Record(
            task_id=task_id,
            status=row["status"],
            result=load(row["result"]),
            traceback=row["traceback"],
            children=meta.get("children"),
            date_done=(meta.get("date_done") or (done.isoformat() if done else None)) if is_over else None,
            group_id=meta.get("group_id"),
            parent_id=meta.get("parent_id"),
            extended=extended,
        )

    def _dump(self, value: Any) -> tuple[str, str, str]:
        content_type, encoding, data = serializers.dumps(value, self._serializer)
        if encoding in _BINARY:
            return content_type, encoding, base64.b64encode(data).decode()
        return content_type, encoding, bytes(data).decode(encoding)

    def load(self, text: str, content_type: str, encoding: str) -> Any:
        """Read one value.

        Args:
            text: of a column.
            content_type: of it.
            encoding: of it.

        Raises:
            ContentDisallowed: it is written in what is not accepted.
            DecodeError: it cannot be read.
        """
        data = base64.b64decode(text) if encoding in _BINARY else text.encode(encoding, "surrogatepass")
        return serializers.loads(data, content_type, encoding, self._accept)


def plain(value: Any) -> str:
    """Write a value as a text that databases take: without NUL, and without halves of characters.

    Args:
        value: any.
    """
    return str(value).replace("\0", "\\x00").encode("utf-8", _ESCAPE).decode("utf-8")


def key_of(name: str) -> str:
    """Make what stands for an id in a column: itself, unless it does not fit.

    Args:
        name: of a task or a group; any text.
    """
    text = plain(name)
    if text == name and len(name) <= WIDTH:
        return name
    return f"{text[:80]}~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"
