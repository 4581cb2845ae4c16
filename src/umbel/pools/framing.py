"""Frames between a worker's consumer process and its children: four bytes of length, one of kind, a payload.

The payload is `marshal`: both ends are the same interpreter and trust each other, and nothing else in the standard library is as fast. What
marshal cannot write (an AMQP timestamp in a user's header, say) goes as pickle, which is as safe here for the same reason.
"""

from __future__ import annotations

import marshal
import pickle
import struct
from collections.abc import Iterator
from typing import Any

_HEAD = struct.Struct(">IB")
#: Payload encodings, the high bit of the kind.
_PICKLED = 0x80

#: parent → child: the place of a slot, and a list of jobs for it, each the fields of `execution.model.Job` as a tuple.
JOBS = 1
#: parent → child: finish what you have, then end. No payload.
QUIT = 2
#: child → parent: the app is loaded. Payload: pid.
READY = 3
#: child → parent: a list of outcomes, each the fields of `pools.base.Outcome` as a tuple.
OUTCOMES = 4
#: child → parent: it cannot start. Payload: one line that says why.
FAILED = 5
#: parent → a child whose slots run jobs side by side: interrupt one. Payload: the place of its slot, its number, and whether it is to end.
INTERRUPT = 6


def render(kind: int, payload: Any) -> bytes:
    """One frame of a ``kind`` with its ``payload``, any value that `marshal` or pickle can write."""
    try:
        data = marshal.dumps(payload)
    except ValueError:
        data = pickle.dumps(payload, pickle.HIGHEST_PROTOCOL)
        kind |= _PICKLED
    return _HEAD.pack(len(data), kind) + data


class FrameBuffer:
    """Bytes as they come in; whole frames as they come out."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, Any]]:
        """Add bytes, the ``data``; yield the ``(kind, payload)`` of every frame that is now whole."""
        buffer = self._data
        buffer += data
        start, size = 0, len(buffer)
        view = memoryview(buffer)
        frames = []
        while size - start >= _HEAD.size:
            length, kind = _HEAD.unpack_from(buffer, start)
            end = start + _HEAD.size + length
            if end > size:
                break
            payload = view[start + _HEAD.size : end]
            if kind & _PICKLED:
                frames.append((kind & ~_PICKLED, pickle.loads(payload)))  # noqa: S301 - written by our own child or parent
            else:
                frames.append((kind, marshal.loads(payload)))  # noqa: S302 - likewise
            payload.release()
            start = end
        view.release()
        if start:
            del buffer[:start]
        yield from frames
