"""Scenario "ends": processes publish and end, in every way in which a process can end; every call that returned has its message in the queue."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

from chaos import process_ends_servers
from chaos.scenario import Outcome, Site
from system.processes import eventually
from umbel import Umbel

PROGRAM = Path(__file__).with_name("process_ends_program.py")
WAYS = (
    "exit of the program",
    "app dropped",
    "os._exit",
    "exec",
    "SIGTERM",
    "SIGKILL",
    "Process",
    "Pool",
    "ProcessPoolExecutor",
)


def run(site: Site, *, processes: int = 100, calls: int = 100) -> Outcome:
    outcome = Outcome(f"ends on {site.place.name}: {processes} × {calls} calls for each way to end")
    for way in WAYS:
        returned, found = play(site.place.broker, way, processes, calls)
        outcome.none(f"lost by {way}", returned - found)
    for tool in process_ends_servers.missing():
        outcome.check(f"{tool} played", "it is not installed: pip install umbel[dev]", "it is", good=False)
    for way in process_ends_servers.WAYS:
        if way.split(" ")[0] not in process_ends_servers.missing():
            lost, doubled, complaints = serve(site.place.broker, way, processes * calls, rounds=max(processes // 5, 2))
            outcome.none(f"lost by {way}", lost)
            outcome.none(f"doubled by {way}", doubled)
            outcome.none(f"complaints by {way}", complaints)
    return outcome


def serve(broker: str, way: str, calls: int, *, rounds: int) -> tuple[set[str], int, list[str]]:
    """Which calls returned and have no message; how many messages are there twice; and lines of the log that should not be there."""
    queue = f"ends-{uuid.uuid4().hex[:10]}"
    returned, complaints = process_ends_servers.play(broker, queue, way, calls, rounds=rounds)
    assert len(returned) >= calls
    found, doubled = process_ends_servers.found(broker, queue, returned)
    return returned - found, doubled, complaints


def play(broker: str, way: str, processes: int, calls: int) -> tuple[int, int]:
    """How many calls returned, and how many messages there are."""
    queue = f"ends-{uuid.uuid4().hex[:10]}"
    command = [sys.executable, str(PROGRAM), broker, queue, way, str(processes), str(calls)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    returned = int(done.stdout.splitlines()[-1])
    with Umbel("ends", broker=broker, set_as_current=False) as app:
        client = app.broker.queue_client()
        found = 0

        def is_all() -> bool:
            nonlocal found
            found = client.length(queue) or 0
            return found >= returned

        try:
            eventually(is_all, 5)
        except AssertionError:
            pass  # the caller compares
        client.delete(queue)
        client.close()
    return returned, found
