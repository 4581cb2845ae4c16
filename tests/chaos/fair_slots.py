"""Scenario "fair": a long task holds its child, and nothing else."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from chaos.scenario import Arena, Outcome, Site
from system.processes import open_gate


def run(site: Site, *, short: float = 0.01, burst: int = 300, most: float = 0.05) -> Outcome:
    """A burst with a long task in its midst, then single tasks beside it; two children.

    Args:
        short: seconds of the short ones; the long one runs until all others have ended.
        most: seconds that one of these may wait.
    """
    arena = Arena(site.place)
    outcome = Outcome(f"fair on {site.place.name}: a long task among {short * 1000:g} ms")
    folder = tempfile.TemporaryDirectory()
    gate = Path(folder.name, "gate")
    os.mkfifo(gate)
    try:
        arena.worker("-c", "2")
        for _ in range(burst):  # let it run deep: children are kept ahead while tasks are short
            arena.submit("mark")
        shorts = [arena.submit("nap", short) for _ in range(burst // 3)]
        slow = arena.submit("wait_for", str(gate))
        shorts += [arena.submit("nap", short) for _ in range(burst)]
        arena.flush_client()
        begun = arena.await_runs(slow)[0]["t"]
        for task_id in shorts:
            arena.await_runs(task_id, kind="end", timeout=30)
        ends = sorted(arena.runs(task_id, "end")[0]["t"] for task_id in shorts)
        starts = sorted(arena.runs(task_id)[0]["t"] for task_id in shorts)
        behind = [at for at in starts if at >= begun]
        gaps = [later - earlier for earlier, later in zip([begun, *behind], behind, strict=False)]
        outcome.lines.append(
            f"{len(behind)} short tasks began beside the long one, the last ended {ends[-1] - begun:.2f} s after its start"
        )
        outcome.at_most("longest pause between short tasks", max(gaps, default=0.0), short + most, " s")
        singles = [_single(arena, short) for _ in range(40)]
        outcome.lines.append(f"single tasks start after {sorted(singles)[20] * 1000:.1f} ms (median), {max(singles) * 1000:.1f} ms at most")
        outcome.none("ends of the long task", arena.runs(slow, "end"))
        open_gate(gate)
        arena.await_runs(slow, kind="end")
        outcome.at_most("longest wait of a single short task", max(singles), most, " s")
    finally:
        arena.close()
        folder.cleanup()
    return outcome


def _single(arena: Arena, short: float) -> float:
    published = time.time()
    task_id = arena.submit("nap", short)
    start = arena.await_runs(task_id, kind="end") and arena.runs(task_id)[0]
    return start["t"] - published
