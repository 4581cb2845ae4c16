"""Measures Umbel on this machine and prints a table.

    python benchmarks/run.py [throughput publishing …] [--n 20000] [--rounds 1] [--broker rabbitmq redis postgresql sqlite] [--peers] [--json FILE]

Without names, all but ``growth`` and ``tables`` run. With ``--peers`` Celery, Dramatiq, Huey and Taskiq stand beside us where they can do the same; they are installed once,
from the package index, into environments under ``.build``.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent))

from staging import Setting, median

BENCHMARKS = (
    "throughput",
    "publishing",
    "round_trips",
    "starting",
    "mixing",
    "mixed_load",
    "bodies",
    "many_queues",
    "workflows",
    "events",
    "monitoring",
    "pools",
    "pinging",
    "waking",
    "growth",
    "tables",
)
#: What a run without names leaves out: it takes long, or is about one broker.
NAMED = ("growth", "tables")
ALL = ("rabbitmq", "redis", "postgresql", "sqlite")
#: Which of them are run without and with results.
WITH_RESULTS = {"throughput": (False, True)}
#: library → (environment, packages, brokers, benchmarks)
PEERS = {
    "celery": (
        "celery-venv",
        ["celery[redis]==5.7.0", "hiredis", "msgpack", "pyyaml", "zstandard", "brotli", "backports.zstd"],
        ("rabbitmq", "redis"),
        BENCHMARKS,
    ),
    "dramatiq": ("peers-venv", ["dramatiq[rabbitmq,redis]", "huey", "hiredis"], ("rabbitmq", "redis"), ("throughput", "publishing")),
    "huey": ("peers-venv", ["dramatiq[rabbitmq,redis]", "huey", "hiredis"], ("redis", "sqlite"), ("throughput", "publishing")),
    "taskiq": ("taskiq-venv", ["taskiq<0.13", "taskiq-redis==1.0.9", "hiredis", "uvloop"], ("redis",), ("throughput", "publishing")),
}


def peers(benchmark: str, brokers: list[str]) -> list[Setting]:
    """Who can run this benchmark on these brokers."""
    return [
        Setting(broker, library=library, python=_interpreter(environment, packages))
        for library, (environment, packages, able, benchmarks) in PEERS.items()
        for broker in brokers
        if broker in able and benchmark in benchmarks
    ]


@functools.cache
def _made(folder: Path, packages: tuple[str, ...]) -> str:
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
        (folder / "ready").touch()
    return str(python)


def _interpreter(environment: str, packages: list[str]) -> str:
    return _made(Path(__file__).resolve().parents[1] / ".build" / environment, tuple(packages))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[name for name in BENCHMARKS if name not in NAMED], help=", ".join(BENCHMARKS))
    parser.add_argument("--n", type=int, default=20_000, help="tasks")
    parser.add_argument("--rounds", type=int, default=1, help="repeat and keep the median of each figure")
    parser.add_argument("--broker", nargs="*", default=list(ALL), choices=ALL)
    parser.add_argument("--peers", action="store_true", help="measure Celery, Dramatiq, Huey and Taskiq too")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    settings = [Setting(broker) for broker in given.broker]
    everything, console, good = {}, Console(width=None if sys.stdout.isatty() else 150), True
    for name in given.names:
        rows = {}
        for setting in settings + (peers(name, given.broker) if given.peers else []):
            for results in WITH_RESULTS.get(name, (False,)) if setting.library in ("umbel", "celery") else (False,):
                contender = replace(setting, results=results)
                rows[contender.name] = _measure(name, contender, given.n, given.rounds)
        good = good and not any("error" in row for row in rows.values())
        everything[name] = rows
        _show(console, name, rows)
    if given.json:
        given.json.write_text(json.dumps(everything, indent=1))
    return 0 if good else 1


def _measure(name: str, setting: Setting, count: int, rounds: int) -> dict:
    benchmark = importlib.import_module(name)
    runs = []
    for _ in range(rounds):
        try:
            runs.append(benchmark.run(setting, count // 2 if setting.library == "celery" else count))
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"[:300]}
    return {key: median([run[key] for run in runs if key in run]) for key in runs[0]}


def _show(console: Console, name: str, rows: dict[str, dict]) -> None:
    table = Table(title=name.replace("_", " "), title_justify="left")
    columns = list(dict.fromkeys(key for row in rows.values() for key in row if key != "error"))
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    for contender, row in rows.items():
        table.add_row(contender, *(f"{row[column]:,}" if column in row else "" for column in columns))
    console.print(table)
    for contender, row in rows.items():
        if "error" in row:
            console.print(f"{contender}: {row['error']}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
