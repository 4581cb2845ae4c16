"""What the AMQP codec costs for each message, in microseconds: ``python benchmarks/bench_amqp_codec.py``.

A plain protocol-2 task message with 19 headers. The budget: 11 µs from bytes to a delivery, 6 µs from a stencil to bytes.
"""

from __future__ import annotations

import struct
import timeit

from umbel.brokers.base import Delivery
from umbel.wire.amqp.content import render_content
from umbel.wire.amqp.fastpath import Receiver
from umbel.wire.amqp.fields import parse_table
from umbel.wire.amqp.rendering import CompiledStencil, render_acks, render_frame, render_message, render_publish
from umbel.wire.message import Call, MessageLimits, Stencil

TASK_ID = "0192d0f0-0000-7000-8000-00000000000"
HEADERS = {
    "lang": "py", "task": "tasks.add", "id": None, "shadow": None, "eta": None, "expires": None, "group": None, "group_index": None,
    "retries": 0, "timelimit": [None, None], "root_id": None, "parent_id": None, "argsrepr": None, "kwargsrepr": None,
    "origin": "gen1@host", "ignore_result": False, "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {},
}  # fmt: skip
BODY = b'[[2, 3], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
STENCIL = Stencil(HEADERS, {"delivery_mode": 2, "priority": 0, "reply_to": TASK_ID + "r"}, "application/json", "utf-8", "", "celery")
COUNT = 100


def delivered(number):
    ident = f"{TASK_ID}{number % 10}"
    message = STENCIL.fill(Call(ident, ident, None, "(2, 3)", "{}", BODY))
    content = render_content(len(BODY), message.content_type, message.content_encoding, message.headers, message.properties)
    method = struct.pack(">HH", 60, 60) + b"\x07umbel-1" + struct.pack(">QB", number, 0) + b"\x00\x06celery"
    return render_frame(1, 1, method) + render_frame(2, 1, content) + render_frame(3, 1, BODY)


def best(work, each=1, number=200):
    work()
    return min(timeit.repeat(work, number=number, repeat=7)) / number / each * 1e6


def receiving(shapes):
    chunk = b"".join(delivered(number) for number in range(1, COUNT + 1))
    receiver = Receiver(MessageLimits(), Delivery, "x-umbel-attempts")
    receiver.queues[b"umbel-1"] = "celery"
    if not shapes:
        receiver._shapes = type("NoShapes", (), {"parse": staticmethod(parse_table)})

    def work():
        receiver.receive(chunk)
        receiver.take_deliveries()

    return best(work, COUNT, 50)


def main():
    compiled = CompiledStencil(STENCIL, 1)
    ident = TASK_ID + "1"
    message = STENCIL.fill(Call(ident, ident, None, "(2, 3)", "{}", BODY))
    method = render_publish(1, "", "celery", mandatory=True)
    for name, cost in {
        "deliver, a shape seen before": receiving(shapes=True),
        "deliver, a new shape": receiving(shapes=False),
        "publish from a stencil": best(lambda: compiled.render(Call(ident, ident, None, "(2, 3)", "{}", BODY), 131072)),
        "publish any message": best(lambda: render_message(1, method, message, 131072)),
        "100 single acks, each": best(lambda: render_acks(1, 0, range(100)), 100),
    }.items():
        print(f"{name:32}{cost:8.2f} µs")


if __name__ == "__main__":
    main()
