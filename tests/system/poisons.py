"""Messages that no honest client sends, each with the reason under which it must end as a dead letter.

A row is ``(name, message, reason)``; ``reason`` is the machine-readable word, or ``None`` where the message must run instead. The ids are
new at each call.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import pickle
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

from umbel.wire.message import Message

Row = tuple[str, Message, str | None]
MIB = 1024 * 1024
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
BODY = json.dumps([[1], {}, EMBED]).encode()


def message(
    body: bytes = BODY, *, task: Any = "mark", content_type: str = "application/json", content_encoding: str = "utf-8", **headers: Any
) -> Message:
    """A valid protocol-2 message, but for what is given."""
    task_id = headers.pop("id", str(uuid.uuid4()))
    table = {
        "lang": "py", "task": task, "id": task_id, "shadow": None, "eta": None, "expires": None, "group": None, "group_index": None, "retries": 0,
        "timelimit": [None, None], "root_id": task_id, "parent_id": None, "argsrepr": "(1,)", "kwargsrepr": "{}", "origin": "gen1@poison",
        "ignore_result": False, "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {}, **headers,
    }  # fmt: skip
    return Message(body, table, content_type, content_encoding, {"correlation_id": str(task_id)[:100], "delivery_mode": 2, "priority": 0})


def arguments(text: str) -> bytes:
    """A body whose only argument is this JSON text."""
    return f"[[{text}], {{}}, {json.dumps(EMBED)}]".encode()


class Gadget:
    """Unpickled, it makes the file: proof that a decoder ran."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (self.canary,)


def unknown_tasks() -> Iterator[Row]:  # P1
    yield "unknown task", message(task="no.such.task"), "unregistered"
    yield "empty task name", message(task=""), "invalid_message"
    yield "task name with a newline and an escape", message(task="no\nsuch\x1b[31mtask"), "invalid_message"


def content_types() -> Iterator[Row]:  # P2
    yield "unknown content type", message(content_type="application/x-nothing"), "content_disallowed"
    yield "no content type", message(content_type=""), "content_disallowed"


def refused_serializers(canary: str) -> Iterator[Row]:  # P3
    gadget = pickle.dumps(((Gadget(canary),), {}, EMBED))
    yield "pickle", message(gadget, content_type="application/x-python-serialize", content_encoding="binary"), "content_disallowed"
    text = f"!!python/object/apply:os.mkdir ['{canary}']".encode()
    yield "yaml", message(text, content_type="application/x-yaml"), "content_disallowed"
    yield "pickle that says it is json", message(gadget), "undecodable"


def encodings() -> Iterator[Row]:  # P4
    yield "unknown content encoding", message(content_encoding="klingon"), "undecodable"
    yield "not UTF-8", message(b'[["\xff\xfe\xc3"], {}, {}]'), "undecodable"
    yield "UTF-16", message(BODY.decode().encode("utf-16")), "undecodable"
    yield "byte order mark", message(b"\xef\xbb\xbf" + BODY), "undecodable"
    yield "lone surrogate", message(arguments('"\\ud800"')), "undecodable"


def broken_json() -> Iterator[Row]:  # P5
    yield "truncated", message(BODY[:-7]), "undecodable"
    yield "empty", message(b""), "undecodable"
    yield "long integer", message(arguments("9" * 4301)), "undecodable"
    yield "nesting of 100,000", message(b"[" * 100_000 + b"]" * 100_000), "undecodable"
    yield "not a triple", message(b'{"a": 1}'), "unsupported_protocol"
    yield "a string", message(b'"abc"'), "unsupported_protocol"
    yield "four elements", message(b"[[], {}, {}, {}]"), "unsupported_protocol"


def tagged_values() -> Iterator[Row]:  # P6
    yield "wrong tagged value", message(arguments('{"__type__": "datetime", "__value__": "yesterday"}')), "undecodable"
    yield "wrong decimal", message(arguments('{"__type__": "decimal", "__value__": {"a": 1}}')), "undecodable"


def sizes() -> Iterator[Row]:  # P7
    room = 16 * MIB
    yield "one byte over the limit", message(BODY + b" " * (room - len(BODY) + 1)), "too_large"


def bombs() -> Iterator[Row]:  # P8
    zeros = arguments('"' + "0" * (96 * MIB) + '"')
    yield "gzip bomb", message(gzip.compress(zeros, 6), compression="application/x-gzip"), "too_large"
    yield "zlib bomb", message(zlib.compress(zeros, 6), compression="application/x-gzip"), "too_large"
    yield "bzip2 bomb", message(bz2.compress(zeros, 9), compression="application/x-bz2"), "too_large"
    yield "xz bomb", message(lzma.compress(zeros, preset=1), compression="application/x-lzma"), "too_large"
    import brotli
    import zstandard

    yield "zstd bomb", message(zstandard.compress(zeros), compression="application/zstd"), "too_large"
    yield "brotli bomb", message(brotli.compress(zeros, quality=2), compression="application/x-brotli"), "too_large"
    yield "unknown compression", message(compression="application/x-nothing"), "undecodable"
    yield "not compressed at all", message(compression="application/x-gzip"), "undecodable"


def header_bombs() -> Iterator[Row]:  # P9
    yield "too many headers", message(**{f"h{index}": index for index in range(500)}), "too_large"
    yield "too many header bytes", message(blob="x" * 70_000), "too_large"
    nested: dict[str, Any] = {}
    for _ in range(12):
        nested = {"n": nested}
    yield "deep headers", message(nested=nested), "too_large"


def wrong_types() -> Iterator[Row]:  # P10
    yield "id is a list", message(id=["a"]), "invalid_message"
    yield "id is missing", message(id=""), "invalid_message"
    yield "args is a dict", message(b"[{}, {}, {}]"), "invalid_message"
    yield "kwargs is a list", message(b"[[], [1], {}]"), "invalid_message"
    yield "embed is text", message(b'[[], {}, "x"]'), "invalid_message"
    yield "eta yesterday", message(eta="yesterday"), "invalid_message"
    yield "eta is a number", message(eta=5), "invalid_message"
    yield "expires is nonsense", message(expires="soon"), "invalid_message"
    yield "retries is text", message(retries="many"), "invalid_message"
    yield "timelimit is text", message(timelimit=["a", "b"]), "invalid_message"
    yield "timelimit is a dict", message(timelimit={"a": 1}), "invalid_message"
    yield "task is a number", message(task=5), "invalid_message"
    yield "task is null", message(task=None), "invalid_message"


def protocols() -> Iterator[Row]:  # P11
    task_id = str(uuid.uuid4())
    old = {
        "task": "mark",
        "id": task_id,
        "args": [1],
        "kwargs": {},
        "retries": 0,
        "eta": None,
        "expires": None,
        "utc": True,
        "taskset": None,
    }
    old |= {"callbacks": None, "errbacks": None, "chord": None, "timelimit": [None, None]}
    yield "protocol 1", Message(json.dumps(old).encode(), {}, "application/json", "utf-8", {"correlation_id": task_id}), None
    yield "protocol 1 without a task", Message(b'{"id": "x", "args": []}', {}, "application/json", "utf-8", {}), "unsupported_protocol"
    yield "no headers, no protocol 1", Message(BODY, {}, "application/json", "utf-8", {}), "unsupported_protocol"


def ugly_text() -> Iterator[Row]:  # P14
    yield "escapes in the name", message(shadow="a\nb\x1b[2J\u202eevil", argsrepr="(\n\x1b]0;x\x07)"), None
    yield "long argsrepr", message(argsrepr="x" * 50_000), None


def rows(canary: str) -> list[Row]:
    """All rows that travel through a publisher, cheap ones first."""
    makers = (
        unknown_tasks,
        content_types,
        encodings,
        broken_json,
        tagged_values,
        wrong_types,
        protocols,
        ugly_text,
        header_bombs,
        sizes,
        bombs,
    )
    return [row for maker in makers for row in maker()] + list(refused_serializers(canary))
