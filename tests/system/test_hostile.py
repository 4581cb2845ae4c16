"""Whole classes of hostile messages, between valid ones: gadgets, broken JSON, bombs, absurd fields. The worker's processes never change."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import struct
import time
import zlib
from collections.abc import Sequence

import pytest

from system import gadgets, poisons
from system.conftest import ONE_BROKER
from system.processes import eventually, proportional_memory
from umbel.brokers.base import DEAD_REASON, BrokerOptions
from umbel.clients.amqp.addresses import address
from umbel.clients.amqp.connection_blocking import BlockingConnection
from umbel.wire.amqp.rendering import render_publish
from umbel.wire.message import MessageLimits

MIB = 1024 * 1024
#: What a row may end as, where parsers may differ: any of these.
EITHER = ("undecodable", "ran")


def besiege(stage, rows: Sequence[tuple], *, every: int = 10, valid: int = 1, timeout: float = 30.0) -> None:
    """Publish rows between valid tasks; all end as they should, in the processes that were there before.

    Args:
        rows: (name, message, reason), the reason ``None`` or ``"ran"`` where it must run, a tuple where it may be any of them.
        every: valid tasks come after so many rows.
        valid: how many.
    """
    worker = stage.worker("-c", "2")
    stage.send("mark").get(timeout=30)
    pids = set(worker.members())
    before = proportional_memory(worker.members())
    results = []
    for number, (name, poison, _) in enumerate(rows):
        poison.headers["x-row"] = name
        stage.publish(poison)
        if number % every == 0:
            results += [stage.send("mark", number) for _ in range(valid)]
    for result in results:
        result.get(timeout=timeout)
    wanted = {name: (reason or "ran",) if isinstance(reason, str | None) else reason for name, _, reason in rows}
    ids = {name: poison.headers.get("id") for name, poison, _ in rows}
    found: dict[str, str] = {}

    def every_row_ended() -> bool:
        found.update((letter.headers["x-row"], letter.headers[DEAD_REASON]) for letter in stage.dead(count=0))
        found.update((name, "ran") for name, task_id in ids.items() if name not in found and stage.runs(task_id, "end"))
        return len(found) == len(ids)

    with contextlib.suppress(AssertionError):  # which ones are missing is said below
        eventually(every_row_ended, timeout)
    eventually(lambda: stage.length() == 0)
    last = stage.send("mark", "last")
    assert last.get(timeout=timeout) == "last"
    assert set(worker.members()) == pids, "a process died"
    assert proportional_memory(worker.members()) - before <= 100
    wrong = {name: (found.get(name), reasons) for name, reasons in wanted.items() if found.get(name) not in reasons}
    assert not wrong, f"(found, wanted): {wrong}"
    assert worker.stop() == 0


@ONE_BROKER
def test_no_gadget_is_ever_opened(stage, tmp_path):  # P3
    canary = tmp_path / "canary"
    rows = gadgets.rows(str(canary))
    assert len(rows) >= 200
    besiege(stage, rows)
    assert not canary.exists()


def broken_json():
    """Texts that some parsers take and others do not: whatever the answer, it is one of two, and at once."""
    whole = poisons.BODY
    for at in range(1, len(whole) - 1, 7):
        yield f"truncated at {at}", whole[:at], ("undecodable", "unsupported_protocol")
    for digits in (4300, 4301, 5000, 100_000):
        yield f"{digits} digits", poisons.arguments("9" * digits), EITHER if digits == 4300 else ("undecodable",)
        yield f"minus {digits} digits", poisons.arguments("-" + "9" * digits), EITHER if digits == 4300 else ("undecodable",)
    for text in ("NaN", "Infinity", "-Infinity", "1e999", '"\\ud800"', '"\\u0000"', '{"a": 1, "a": 2}', "-0", "1E400"):
        yield text, poisons.arguments(text), EITHER
    for text in ("01", "+1", "0x10", "1.", ".5", "'a'", "{a: 1}", "[1,]", '"\n"', '"\\x"', "tru", "None", "//", ""):
        yield repr(text), poisons.arguments(text), ("undecodable",) if text else EITHER
    for depth in (900, 5000, 100_000):
        yield f"{depth} arrays", poisons.arguments("[" * depth + "]" * depth), EITHER
        yield f"{depth} objects", poisons.arguments('{"a":' * depth + "1" + "}" * depth), EITHER
        yield f"{depth} open", b"[" * depth, ("undecodable",)
        yield f"{depth} tags", poisons.arguments('{"__type__": "set", "__value__": [' * depth + "]}" * depth), EITHER


def test_broken_json_has_one_answer(stage):  # P5
    besiege(stage, [(name, poisons.message(body), reasons) for name, body, reasons in broken_json()])


def bombs():
    """Small messages that would be large; in one piece, and in many that are each within the limit."""
    import brotli
    import zstandard

    zeros, piece = poisons.arguments('"' + "0" * (96 * MIB) + '"'), b"0" * (12 * MIB)
    methods = {
        "application/x-gzip": lambda data: gzip.compress(data, 6),
        "application/x-bz2": lambda data: bz2.compress(data, 9),
        "application/x-lzma": lambda data: lzma.compress(data, preset=1),
        "application/zstd": zstandard.compress,
        "application/x-brotli": lambda data: brotli.compress(data, quality=2),
    }
    for header, compress in methods.items():
        whole = compress(zeros)
        yield f"bomb, {header}", poisons.message(whole, compression=header), "too_large"
        yield f"bomb in pieces, {header}", poisons.message(compress(piece) * 8, compression=header), ("too_large", "undecodable")
        yield f"half a bomb, {header}", poisons.message(whole[: len(whole) // 2], compression=header), ("too_large", "undecodable")
        yield f"bomb in a bomb, {header}", poisons.message(compress(whole), compression=header), ("too_large", "undecodable")
        yield f"rubbish, {header}", poisons.message(b"\x00" * 64, compression=header), "undecodable"
        yield f"empty, {header}", poisons.message(b"", compression=header), "undecodable"
    yield "zlib bomb", poisons.message(zlib.compress(zeros), compression="application/x-gzip"), "too_large"
    alone = lzma.compress(zeros, format=lzma.FORMAT_ALONE, preset=1)
    yield "old lzma bomb", poisons.message(alone, compression="application/x-lzma"), ("too_large", "undecodable")


@ONE_BROKER
def test_bombs_do_not_explode(stage):  # P8
    besiege(stage, list(bombs()), every=3)


def absurd():
    """Fields of the right place and the wrong kind, or size."""
    embed = poisons.EMBED
    signature = {"task": "mark", "args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}

    def body(**fields):
        return json.dumps([[1], {}, {**embed, **fields}]).encode()

    start, end = '{"task": "mark", "options": {"link": [', "]}}"
    circle = start * 600 + '{"task": "mark"}' + end * 600
    yield "retries 10^9", poisons.message(retries=10**9), "invalid_message"
    yield "retries -1", poisons.message(retries=-1), "invalid_message"
    yield "expires -1", poisons.message(expires=-1), "invalid_message"
    yield "group_index x", poisons.message(group_index="x"), "invalid_message"
    yield "timelimit of one", poisons.message(timelimit=[1]), "invalid_message"
    yield "timelimit below 0", poisons.message(timelimit=[-1, None]), "invalid_message"
    yield "id of 300", poisons.message(id="x" * 300), "invalid_message"
    yield "id with a newline", poisons.message(id="a\nb"), "invalid_message"
    yield "task of 300", poisons.message(task="x" * 300), "invalid_message"
    yield "root_id is a list", poisons.message(root_id=[1]), "invalid_message"
    yield "stamps is text", poisons.message(stamps="x"), ("invalid_message", "ran")
    yield "ignore_result is text", poisons.message(ignore_result="yes"), ("invalid_message", "ran")
    yield "eta in the year 10000", poisons.message(eta="10000-01-01T00:00:00"), "invalid_message"
    yield "chain of 30,000", poisons.message(body(chain=[signature] * 30_000)), "invalid_message"
    yield "chain of numbers", poisons.message(body(chain=[1, 2])), "invalid_message"
    yield "callbacks is text", poisons.message(body(callbacks="mark")), "invalid_message"
    yield "callback without a task", poisons.message(body(callbacks=[{"args": []}])), "invalid_message"
    yield "errbacks 7", poisons.message(body(errbacks=7)), "invalid_message"
    yield "chord is text", poisons.message(body(chord="mark")), "invalid_message"
    yield (
        "callbacks in callbacks without end",
        poisons.message(f'[[1], {{}}, {{"callbacks": [{circle}]}}]'.encode()),
        ("invalid_message", "undecodable"),
    )


@ONE_BROKER
def test_absurd_fields(stage):  # P10
    besiege(stage, list(absurd()))


def hostile_text():  # P2, P14
    yield "megabyte of argsrepr", poisons.message(argsrepr="x" * MIB), "too_large"
    yield "shadow with lines", poisons.message(shadow="a\n[2026-01-01 00:00:00] forged"), None
    yield "kwargsrepr with escapes", poisons.message(kwargsrepr="\x1b[2J\x1b]0;evil\x07\u202e"), None
    yield "origin with lines", poisons.message(origin="gen1@a\nb"), None
    yield "content type with lines", poisons.message(content_type="application/json\nX: y"), "content_disallowed"
    yield "long content type", poisons.message(content_type="a/" + "b" * 250), "content_disallowed"
    yield "content type in capitals", poisons.message(content_type="APPLICATION/JSON"), ("content_disallowed", "ran")


@ONE_BROKER
def test_hostile_text_stays_text(stage, place):
    rows = list(hostile_text())
    if place.name == "rabbitmq":  # a frame holds less than that
        rows = rows[1:]
    else:
        rows.append(("content type of 10 kB", poisons.message(content_type="a/" + "b" * 10_000), "content_disallowed"))
    besiege(stage, rows)
    lines = [line for worker in stage.workers for line in worker.log]
    assert max(map(len, lines)) <= 4096
    assert not any(control in line for line in lines for control in ("\x1b]", "\x07", "\u202e"))
    assert not any(line.startswith("[2026-01-01 00:00:00] forged") for line in lines)


def crowd() -> bytes:
    """A table of 25,000 entries in 125 kB."""
    digits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    names = (f"{first}{second}{third}".encode() for first in digits for second in digits for third in digits)
    return b"".join(b"\x03" + name + b"V" for name, _ in zip(names, range(25_000), strict=False))


def nested(depth: int) -> bytes:
    """Tables in tables."""
    table = b""
    for _ in range(depth):
        table = b"\x01nF" + struct.pack(">I", len(table)) + table
    return table


@pytest.mark.rabbitmq
@pytest.mark.redis
@pytest.mark.parametrize("place", ["rabbitmq"], indirect=True)
def test_header_bombs_from_the_wire(stage, place):  # P9
    tables = [crowd(), *(nested(depth) for depth in (9, 100, 900, 10_000)), b"".join(b"\xff" + b"k" * 255 + b"V" for _ in range(400))]
    worker = stage.worker("-c", "2")
    stage.send("mark").get(timeout=30)
    pids = set(worker.members())
    connection = BlockingConnection(address(place.broker, BrokerOptions(urls=(place.broker,)), heartbeat=0.0), MessageLimits(), 5.0)
    connection.open_channel(1, time.monotonic() + 5)
    for table in tables:
        head = struct.pack(">HHQH", 60, 0, len(poisons.BODY), 0xA000) + b"\x10application/json" + struct.pack(">I", len(table)) + table
        frames = [struct.pack(">BHI", kind, 1, len(payload)) + payload + b"\xce" for kind, payload in ((2, head), (3, poisons.BODY))]
        connection.write(render_publish(1, "", stage.queue, mandatory=False) + b"".join(frames), 5.0)
    connection.close()
    letters = stage.dead(count=len(tables), timeout=20)
    assert [letter.headers[DEAD_REASON] for letter in letters] == ["too_large"] * len(tables)
    assert stage.send("mark", 1).get(timeout=30) == 1
    assert set(worker.members()) == pids
    assert not any("Connection lost" in line for line in worker.log)
    assert worker.stop() == 0


@pytest.mark.redis
@pytest.mark.parametrize("place", ["redis"], indirect=True)
def test_envelope_bombs(stage, place):  # P9
    import redis

    worker = stage.worker("-c", "2")
    stage.send("mark").get(timeout=30)
    pids = set(worker.members())
    rest = '"body": "W1sxXSwge30sIHt9XQ==", "content-type": "application/json", "content-encoding": "utf-8", "properties": '
    rest += '{"delivery_tag": "t", "body_encoding": "base64", "delivery_info": {"exchange": "", "routing_key": "q"}}'
    headers = ["{" + ", ".join(f'"h{number}": null' for number in range(25_000)) + "}"]
    headers += ['{"n":' * depth + "1" + "}" * depth for depth in (12, 900, 100_000)]
    headers += ['{"n": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"' + "k" * 70_000 + '": 1}', '{"n": ' + "9" * 4301 + "}"]
    with redis.Redis.from_url(place.broker) as client:
        for table in headers:
            client.lpush(stage.queue, "{" + rest + ', "headers": ' + table + "}")
    letters = stage.dead(count=len(headers), timeout=20)
    assert {letter.headers[DEAD_REASON] for letter in letters} <= {"too_large", "undecodable"}
    assert stage.send("mark", 1).get(timeout=30) == 1
    assert set(worker.members()) == pids
    assert worker.stop() == 0
