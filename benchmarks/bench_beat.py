"""A scheduler with ten thousand entries, of which two hundred are due each second: ``python benchmarks/bench_beat.py [redis://… db+postgresql://… sqlite:///…]``.

The bars: a look takes at most 100 ms, 99 of 100 runs are sent within 250 ms of their slot, and an edit takes effect within 2 s. With a broker in memory, so that
what is measured is the scheduler and its store.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
import time

from umbel import Umbel
from umbel.beat import StoreScheduler
from umbel.beat.editing import Schedules
from umbel.beat.stores.registry import store_of
from umbel.schedules import crontab

ENTRIES = 10_000
#: These are due each ten seconds, spread by their jitter; the others at some minute of a day.
OFTEN, EVERY = 2_000, 10.0
#: Seconds that are measured, after the first interval.
SECONDS = 60.0


def app_with_entries(url: str) -> Umbel:
    app = Umbel("bench", broker="memory://", backend="disabled", beat_schedule_store=url, set_as_current=False)
    app.task(name="tasks.add")(lambda x, y: x + y)
    often = {"task": "tasks.add", "schedule": EVERY, "jitter": EVERY}
    schedule = {f"e{number:05}": {**often, "args": (number, 1)} for number in range(OFTEN)}
    rest = range(ENTRIES - OFTEN)
    schedule |= {
        f"c{number:05}": {"task": "tasks.add", "schedule": crontab(number % 60, number % 24), "args": (number, 1)} for number in rest
    }
    app.conf.beat_schedule = schedule
    return app


def measure(url: str) -> str:
    app = app_with_entries(url)
    store = store_of(app)
    scheduler = StoreScheduler(app, store=store)
    ticks: list[float] = []
    stopped = threading.Event()
    begun = time.perf_counter()
    scheduler.tick()
    first = time.perf_counter() - begun

    def work() -> None:
        while not stopped.is_set():
            begun = time.perf_counter()
            wait = scheduler.tick()
            ticks.append(time.perf_counter() - begun)
            stopped.wait(wait)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(EVERY + 2)
    ticks.clear()
    start = time.time()
    schedules = Schedules(app, store_of(app))
    time.sleep(SECONDS / 2)
    edited = time.time()
    schedules.edit("c00000", schedule=0.05)
    time.sleep(SECONDS / 2)
    stopped.set()
    thread.join()
    runs = [run for run in store.runs(limit=100_000) if run.entry != "c00000" and run.fired >= start]
    effect = min(run.fired for run in store.runs("c00000", 100_000)) - edited if store.runs("c00000") else float("inf")
    # With jitter the slot is not the time at which a run is due: its lag is counted from there.
    from umbel.beat.planning import spread

    lags = sorted(run.fired - run.slot - spread(scheduler.book.entries[run.entry], run.slot) for run in runs)
    ticks.sort()
    scheduler.close()
    schedules.close()
    app.close()
    return (
        f"{url.partition('://')[0]:<28} first look {first:5.2f} s   ticks {len(ticks):>5}: p50 {ticks[len(ticks) // 2] * 1000:6.2f} ms, "
        f"p99 {ticks[int(len(ticks) * 0.99)] * 1000:6.1f} ms, longest {ticks[-1] * 1000:6.1f} ms   {len(runs) / SECONDS:5.0f} runs/s, "
        f"lag p50 {lags[len(lags) // 2] * 1000:5.1f} ms, p99 {lags[int(len(lags) * 0.99)] * 1000:6.1f} ms   edit after {effect:.2f} s"
    )


def main() -> None:
    logging.getLogger("umbel").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        for url in sys.argv[1:] or [f"sqlite:///{folder}/schedule.db"]:
            print(measure(url), flush=True)


if __name__ == "__main__":
    main()
