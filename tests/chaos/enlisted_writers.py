"""Scenario "transactions": writers send tasks in transactions of their own, half of which are rolled back, and are killed; what is committed runs, and nothing else.

Run as a program it is one writer.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from chaos.scenario import Arena, Outcome, Site

_TABLE = "CREATE TABLE IF NOT EXISTS chaos_orders (number integer, task uuid PRIMARY KEY)"


def run(site: Site, *, transactions: int = 1000, writers: int = 4, kills: int = 20, seed: int = 0) -> Outcome:
    """Let writers do some transactions while a worker runs, and kill a writer again and again.

    Args:
        transactions: to begin; those of killed writers are not begun again.
    """
    import psycopg

    arena = Arena(site.place)
    outcome = Outcome(f"transactions on {site.place.name}: {transactions}, {kills} writers killed, seed {seed}")
    chance = random.Random(seed)
    crew: list[subprocess.Popen[bytes]] = []
    try:
        with psycopg.connect(site.place.broker, autocommit=True) as connection:
            connection.execute(_TABLE)
            arena.worker("-c", "2")
            crew = [_writer(arena, transactions // writers, seed + number) for number in range(writers)]
            killed = 0
            while any(writer.poll() is None for writer in crew):
                time.sleep(0.02 + 0.05 * chance.random())
                (count,) = connection.execute("SELECT count(*) FROM chaos_orders").fetchone()
                place = chance.randrange(writers)
                if killed < kills and count > 3 * killed and crew[place].poll() is None:
                    left = _kill(crew[place], arena)
                    killed += 1
                    crew[place] = _writer(arena, left, seed + 100 * killed)
            committed = {str(task) for (task,) in connection.execute("SELECT task FROM chaos_orders")}
        assert all(writer.returncode == 0 for writer in crew), [writer.returncode for writer in crew]
        arena.watch.wait(
            lambda entries: committed <= {entry["id"] for entry in entries if entry["kind"] == "end"}, 60, "all that was committed"
        )
        arena.come_to_rest(30)
        ran = [entry["id"] for entry in arena.watch.update() if entry["kind"] == "end"]
        begun = len((arena.folder / "begun").read_bytes())
        outcome.lines = [f"begun {begun}, committed {len(committed)}, ran {len(ran)}, writers killed {killed}"]
        outcome.check("writers killed", killed, f"{kills}", killed == kills)
        outcome.check(
            "transactions that were not committed",
            begun - len(committed),
            f"> {transactions // 3}",
            begun - len(committed) > transactions // 3,
        )
        outcome.none("committed and did not run", committed - set(ran))
        outcome.none("ran and was not committed", set(ran) - committed)
        outcome.none("ran twice", len(ran) - len(set(ran)))
        outcome.none("stuck", [f"{place} {count}" for place, count in arena.at_rest().items() if count])
    finally:
        for writer in crew:
            writer.kill()
            writer.wait(10)
        arena.close()
    return outcome


def _writer(arena: Arena, count: int, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, str(count), str(seed), str(arena.folder)]
    return subprocess.Popen(command, env=arena.environment(), start_new_session=True)


def _kill(writer: subprocess.Popen[bytes], arena: Arena) -> int:
    """SIGKILL to one writer; returns how many transactions it would have begun."""
    os.killpg(writer.pid, signal.SIGKILL)
    writer.wait(10)
    done = (arena.folder / f"writer-{writer.pid}").read_bytes() if (arena.folder / f"writer-{writer.pid}").exists() else b""
    return max(1, int(writer.args[2]) - len(done))  # type: ignore[index]


def write(count: int, seed: int, folder: Path) -> None:
    """Begin so many transactions; about half are committed."""
    import psycopg

    from system.workload import app

    chance = random.Random(seed)
    mark = app.tasks["mark"]
    with psycopg.connect(os.environ["BROKER"]) as connection, (folder / "begun").open("ab", 0) as begun:
        with (folder / f"writer-{os.getpid()}").open("ab", 0) as mine:
            for number in range(count):
                task = uuid.uuid4()
                begun.write(b".")
                mine.write(b".")
                connection.execute("INSERT INTO chaos_orders VALUES (%s, %s)", (number, task))
                mark.using(connection).apply_async((number,), task_id=str(task))
                time.sleep(0.004 * chance.random())
                if chance.random() < 0.5:
                    connection.commit()
                else:
                    connection.rollback()


if __name__ == "__main__":
    write(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
