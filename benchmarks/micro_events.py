"""What events cost in Python, without a broker: writing those of a task, reading them, and 100,000 of them into a State; ``python benchmarks/micro_events.py``."""

from __future__ import annotations

import resource
import timeit
from time import process_time

from umbel.events.model import RECEIVED, STARTED, SUCCEEDED
from umbel.events.parsing import parse
from umbel.events.rendering import EventRenderer, rest_text
from umbel.events.state import State
from umbel.runtime.logical_clock import LogicalClock
from umbel.wire.message import Delivery

TASKS = 33_334
JSON = frozenset({"application/json"})


def told(number: int) -> list:
    uuid = f"019f0000-0000-7000-8000-{number:012x}"
    call = (uuid, f"proj.tasks.name{number % 30}", "(1, 2)", "{}", uuid, None, 0, None, None)
    return [rest_text(kind, values, 1.0) for kind, values in ((RECEIVED, call), (STARTED, [uuid]), (SUCCEEDED, (uuid, "5", 0.1)))]


def main() -> None:
    renderer = EventRenderer("celery@host", LogicalClock())
    batch = [event for number in range(100) for event in told(number)]
    best = min(timeit.repeat(lambda: list(renderer.groups(batch)), timer=process_time, number=20, repeat=5)) / 20 / len(batch)
    print(f"write an event       {best * 1e6:6.2f} µs")
    ((message, key), *_) = renderer.groups(batch[:240])
    delivery = Delivery(message.body, message.headers, "application/json", "utf-8", {}, None, 0, "q", "celeryev", key)
    best = min(timeit.repeat(lambda: parse(delivery, JSON, 1.0), timer=process_time, number=20, repeat=5)) / 20 / 240
    print(f"read an event        {best * 1e6:6.2f} µs")
    events = []
    for number in range(TASKS):
        for message, _ in renderer.groups(told(number)):
            events += parse(Delivery(message.body, {}, "application/json", "utf-8", {}, None, 0, "q", "", ""), JSON, 1.0).events
    for event in events:
        event["local_received"] = 1.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    state = State()

    def learn() -> None:
        for event in events:
            state.event(event)

    spent = timeit.timeit(learn, timer=process_time, number=1)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{len(events):,} into a State {spent:6.2f} s, {len(state.tasks):,} tasks kept, {grown:.0f} MB more")


if __name__ == "__main__":
    main()
