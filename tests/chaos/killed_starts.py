"""Scenario "leaving": workers of both pools are killed with all their processes, at any moment of their start, and one more is started."""

from __future__ import annotations

import random
import signal
import tempfile
import time
from pathlib import Path

from chaos.scenario import Arena, Outcome, Site
from system.processes import named_shared_memory

#: Seconds from the start of a worker to its death; most are ready by then.
_LONGEST = 1.5


def run(site: Site, *, kills: int = 200, seed: int = 0) -> Outcome:
    """Count what is left in a temporary directory of their own, and of the names that they had in shared memory."""
    chance = random.Random(seed)
    arena = Arena(site.place)
    outcome = Outcome(f"leaving on {site.place.name}: {kills} killed, seed {seed}")
    names: set[str] = set()
    ready = 0
    try:
        with tempfile.TemporaryDirectory(prefix="umbel-chaos-") as temp:
            env = {"TMPDIR": temp}
            for number in range(kills):
                pool = ("-P", "solo") if number % 4 == 3 else ("-c", "2")
                worker = arena.worker(*pool, ready=False, env=env)
                if number % 2:
                    worker.wait_ready()
                else:
                    time.sleep(chance.uniform(0, _LONGEST))
                ready += any("ready" in line for line in worker.log)
                worker.kill_group(signal.SIGSTOP)
                names |= named_shared_memory(worker.members())
                arena.kill(worker)
            last = arena.worker("-c", "2", env=env)
            left = [path.name for path in Path(temp).iterdir()]
            assert last.stop() == 0, last.text()
            after = [path.name for path in Path(temp).iterdir()]
        outcome.lines = [f"{ready} of {kills} were ready when they were killed"]
        outcome.none("in the temporary directory after one start", left)
        outcome.none("in the temporary directory after that one's stop", after)
        outcome.none("in shared memory", [name for name in names if Path(name).exists()])
    finally:
        arena.close()
    return outcome
