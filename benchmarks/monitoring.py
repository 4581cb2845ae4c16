"""What probes and metrics cost: the drain of `throughput` without them, and with a scrape each second; how long ``/livez`` takes meanwhile."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator

from events import drained, filled
from staging import Setting

PORT = 19_541
_OPTIONS = ("--health-port", f"127.0.0.1:{PORT}", "--metrics-port", f"127.0.0.1:{PORT}")


def run(setting: Setting, count: int) -> dict:
    rates: dict[str, list[float]] = {"plain": [], "watched": []}
    took: list[float] = []
    for _ in range(3):
        filled(setting, count)
        rates["plain"].append(drained(setting, count))
        filled(setting, count)
        with probing(took):
            rates["watched"].append(drained(setting, count, *_OPTIONS))
    plain, watched = (statistics.median(rates[name]) for name in ("plain", "watched"))
    took.sort()
    return {
        "tasks_per_s": round(plain),
        "watched_%": round(100 * watched / plain, 1),
        "probes": len(took),
        "livez_p50_ms": round(1000 * statistics.median(took), 1),
        "livez_p99_ms": round(1000 * took[int(0.99 * len(took))], 1),
    }


@contextlib.contextmanager
def probing(took: list[float]) -> Iterator[None]:
    """Ask ``/livez`` twenty times a second and ``/metrics`` once, as soon as there is somebody."""
    ended = threading.Event()

    def ask(path: str) -> None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=10) as answer:
            answer.read()

    def probe() -> None:
        number = 0
        while not ended.wait(0.05):
            number += 1
            begun = time.perf_counter()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/livez", timeout=10) as answer:
                    answer.read()
            except OSError:
                continue
            took.append(time.perf_counter() - begun)
            if number % 20 == 0:
                ask("/metrics")

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
