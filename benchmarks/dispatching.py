"""What the consumer process pays to hear of a job's end and to give the next one out, by slots: dispatching.py [JOBS]

Nothing runs and nothing is sent. Slow tasks go one by one with a backlog behind them; quick ones in batches, reported in two halves.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from umbel.brokers.base import Delivery
from umbel.execution.policy import TaskPolicy
from umbel.pools.base import Outcome
from umbel.pools.board.rows import BoardRow, private
from umbel.pools.slot import Child, JobTuple
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.tasks.reserved import ReservedTask

_POLICY = TaskPolicy(name="t")


class Deaf(Child):
    """A child that only remembers what it was given."""

    pid = None

    def __init__(self) -> None:
        super().__init__(1, [BoardRow(private(), None)])
        self.is_ready = True
        self.sent: list[list[int]] = []

    def send(self, slot: int, jobs: Sequence[JobTuple]) -> None:
        self.sent.append([job[0] for job in jobs])

    def interrupt(self, slot: int, number: int) -> None: ...
    def kill(self) -> None: ...
    def quit(self) -> None: ...
    def close(self) -> None: ...


def entries(count: int) -> list[ReservedTask]:
    return [
        ReservedTask(Delivery(b"", {"task": "t", "id": "i"}, "", "", {}, "i", 0, "q", "", "q", False, 0), "t", "i", _POLICY, None, None)
        for _ in range(count)
    ]


def measure(slots: int, jobs: int, runtime: float) -> float:
    """Microseconds for each job."""
    dispatcher = Dispatcher(None, None, None, None, None)
    dispatcher.pace.learn("t", runtime)
    children = [Deaf() for _ in range(slots)]
    for child in children:
        dispatcher.add_child(child)
    dispatcher.offer(entries(jobs + slots + 500))
    done, began = 0, time.perf_counter()
    while done < jobs:
        for child in children:
            (batch,) = child.sent[:1] or ([],)
            del child.sent[:1]
            middle = len(batch) // 2
            for part in (batch[:middle], batch[middle:]):
                if part:
                    outcomes = [Outcome(number, 0, "SUCCESS", runtime, "", "", None, False) for number in part]
                    done += len(dispatcher.finished(child, outcomes))
                    dispatcher.pump()
            if done >= jobs:
                break
    return (time.perf_counter() - began) / done * 1e6


if __name__ == "__main__":
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    for runtime, kind in ((0.05, "slow"), (0.00001, "quick")):
        for slots in (1, 2, 10, 100, 1_000):
            print(f"{kind:5} tasks, {slots:5,} slots: {min(measure(slots, total, runtime) for _ in range(5)):6.2f} µs each")
