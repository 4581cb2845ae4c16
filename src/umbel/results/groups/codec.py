"""Parts of chords ⇄ bytes."""

from __future__ import annotations

from typing import Any

from umbel.errors import DecodeError, EncodeError
from umbel.results.group_store import ChordPart
from umbel.wire import serializers


class PartCodec:
    """Parts ⇄ bytes, as Celery writes them in Redis (5.7): the list ``[1, task id, state, result]`` in the result serializer.

    Args:
        serializer: name of the result serializer.
        accept: content types that may be read.
    """

    __slots__ = ("_accept", "_content_encoding", "_content_type", "_serializer")

    def __init__(self, serializer: str, accept: frozenset[str]) -> None:
        found = serializers.find(serializer)
        self._serializer = found.name
        self._content_type = found.content_type
        self._content_encoding = found.content_encoding
        self._accept = accept

    def encode(self, part: ChordPart) -> bytes:
        """Render the bytes of a part.

        Raises:
            EncodeError: names the task.
        """
        try:
            return serializers.dumps([1, part.task_id, part.status, part.result], self._serializer)[2]
        except EncodeError as error:
            raise EncodeError(f"the result of task {part.task_id} cannot be counted in its chord: {error}") from error

    def decode(self, group_id: str, place: int | None, data: bytes) -> ChordPart:
        """Parse the bytes of a part, whoever wrote them.

        Raises:
            DecodeError: they are not what the serializer writes, or no part.
        """
        found = serializers.loads(data, self._content_type, self._content_encoding, self._accept)
        if not isinstance(found, (list, tuple)) or len(found) != 4 or not (isinstance(found[1], str) and isinstance(found[2], str)):
            raise DecodeError(f"what was counted for chord {group_id} is not a list of a version, a task id, a state and a result")
        return ChordPart(group_id, found[1], place, found[2], found[3])

    def dumps(self, value: Any) -> bytes:
        """Render any value, e.g. the tree of a header."""
        return serializers.dumps(value, self._serializer)[2]

    def loads(self, data: bytes) -> Any:
        """Parse what `dumps` wrote."""
        return serializers.loads(data, self._content_type, self._content_encoding, self._accept)
