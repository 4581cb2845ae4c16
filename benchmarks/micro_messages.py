"""What rendering and reading a task message costs, beside the bare library calls: ``python benchmarks/micro_messages.py``.

The kept JSON encoder in `umbel.wire.kombu_json`, the short cut in `umbel.messages.preview` and the constant tail in `umbel.messages.v2`
stand or fall with these figures.
"""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable
from typing import Any

from umbel.messages import protocols, v2
from umbel.messages.model import TaskMessage
from umbel.messages.preview import LIMIT, preview
from umbel.wire import serializers
from umbel.wire.message import Call

ACCEPT = serializers.content_types(["json"])
BODY = b'[[2, 3], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
TASK = TaskMessage(task="tasks.add", id="0" * 36, args=(2, 3), origin="gen1@host", reply_to="0" * 36, priority=0)
MESSAGE = v2.render(TASK)
STENCIL = v2.stencil(TASK, exchange="", routing_key="celery")
PAYLOAD = json.loads(BODY)

CASES: dict[str, Callable[[], Any]] = {
    "json.loads (bare)": lambda: json.loads(BODY),
    "serializers.loads": lambda: serializers.loads(BODY, "application/json", "utf-8", ACCEPT),
    "json.dumps (bare)": lambda: json.dumps(((2, 3), {})),
    "serializers.dumps": lambda: serializers.dumps(((2, 3), {})),
    "v2.body": lambda: v2.body((2, 3), {}),
    "preview, short cut": lambda: preview((2, 3)),
    "preview, the long way": lambda: preview((2, 3), LIMIT + 1),
    "v2.render": lambda: v2.render(TASK),
    "stencil.fill": lambda: STENCIL.fill(Call("i", "i", None, preview((2, 3)), preview({}), v2.body((2, 3), {})[2])),
    "v2.parse": lambda: v2.parse(MESSAGE, PAYLOAD),
    "protocols.parse": lambda: protocols.parse(MESSAGE, accept=ACCEPT),
}


def main() -> None:
    for name, call in CASES.items():
        best = min(timeit.repeat(call, number=20_000, repeat=5)) / 20_000
        print(f"{name:24} {best * 1e6:7.2f} µs")


if __name__ == "__main__":
    main()
