"""The hop from a worker's consumer process to its children and back, without a broker, an app or a task: bench_hop.py [JOBS] [CHILDREN]

Dispatcher, frames, slot board and executor are the real ones; the runner does nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time

from umbel.brokers.base import Delivery
from umbel.execution.model import Execution, Job, Verdict
from umbel.execution.policy import TaskPolicy
from umbel.pools import child, framing
from umbel.pools.base import ChildOptions, Outcome
from umbel.pools.board.rows import Board
from umbel.pools.child_process import ChildProcess
from umbel.pools.executor import Executor
from umbel.pools.recipe import AppRecipe
from umbel.pools.slot import Child
from umbel.pools.template.process import Template
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.tasks.reserved import ReservedTask

TASK_ID = "00000000-0000-4000-8000-000000000001"
HEADERS = {
    "lang": "py", "task": "noop", "id": TASK_ID, "shadow": None, "eta": None, "expires": None, "group": None, "group_index": None, "retries": 0,
    "timelimit": [None, None], "root_id": TASK_ID, "parent_id": None, "argsrepr": "(1,)", "kwargsrepr": "{}", "origin": "gen1@host",
    "ignore_result": False, "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {},
}  # fmt: skip
BODY = b'[[1], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'


class NoRunner:
    """Every job has succeeded."""

    def started_record(self, job: Job) -> None:
        return None

    def execute(self, job: Job) -> Execution:
        return Execution(job.number, TASK_ID, "noop", "SUCCESS", Verdict.ACK, 0.0, 0.00001)


class NoOutlets:
    """Nothing is stored or published."""

    def store(self, records: object) -> None: ...


def child_main(line, memory, lock, _options):
    """In place of `child.main`: no app is loaded."""
    row = Board(memory.map, lock).rows[0]
    child.leave_signals_to_parent()
    line.sendall(framing.render(framing.READY, 0))
    Executor(NoRunner(), row, child.SocketChannel(line), NoOutlets()).run()


class Listener:
    """Counts what comes back."""

    def __init__(self, jobs: int, children: int) -> None:
        self.left = jobs
        self.missing = children
        self.is_ready, self.is_done = asyncio.Event(), asyncio.Event()
        self.dispatcher = Dispatcher(None, None, None, None, None)

    def on_ready(self, child: Child) -> None:
        self.dispatcher.add_child(child)
        self.missing -= 1
        if not self.missing:
            self.is_ready.set()

    def on_outcomes(self, child: Child, outcomes: list[Outcome]) -> None:
        self.left -= len(self.dispatcher.finished(child, outcomes))
        self.dispatcher.pump()
        if not self.left:
            self.is_done.set()

    def on_death(self, child: Child, cause: str) -> None:
        if self.left:
            raise SystemExit(f"a child ended early: {cause}")


def entry(number: int) -> ReservedTask:
    delivery = Delivery(BODY, dict(HEADERS), "application/json", "utf-8", {"correlation_id": TASK_ID}, number, 0, "q", "", "q")
    return ReservedTask(delivery, "noop", TASK_ID, TaskPolicy(name="noop"), None, None)


async def measure(jobs: int, children: int) -> None:
    listener, template = Listener(jobs, children), Template(AppRecipe())
    processes = [
        ChildProcess(template.context(), ChildOptions(recipe=AppRecipe(), hostname="", index=n + 1), listener, child_main)
        for n in range(children)
    ]
    await listener.is_ready.wait()
    entries = [entry(number) for number in range(jobs)]
    wall, processor = time.perf_counter(), time.process_time()
    listener.dispatcher.offer(entries)
    await listener.is_done.wait()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{jobs / wall:,.0f} jobs/s over {children} children; {processor / jobs * 1e6:.1f} µs of the consumer process each")
    for process in processes:
        process.quit()
    await asyncio.sleep(0.2)
    for process in processes:
        process.close()
    template.close()


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, int(sys.argv[2]) if len(sys.argv) > 2 else 2))
