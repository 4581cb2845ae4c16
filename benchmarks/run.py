"""Measures Umbel on this machine and prints a table.

    python benchmarks/run.py [throughput publishing …] [--n 20000] [--rounds 1] [--broker rabbitmq redis sqlite] [--celery PYTHON] [--json FILE]

Without names, all but ``growth`` run. With ``--celery`` (an interpreter that has Celery 5.7; the interop tests make one under ``.build``) its rows stand beside ours.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent))

from staging import Setting, median

BENCHMARKS = ("throughput", "publishing", "round_trips", "starting", "mixing", "bodies", "many_queues", "growth")
#: Which of them are run without and with results.
WITH_RESULTS = {"throughput": (False, True)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[name for name in BENCHMARKS if name != "growth"], help=", ".join(BENCHMARKS))
    parser.add_argument("--n", type=int, default=20_000, help="tasks")
    parser.add_argument("--rounds", type=int, default=1, help="repeat and keep the median of each figure")
    parser.add_argument("--broker", nargs="*", default=["rabbitmq", "redis", "sqlite"], choices=["rabbitmq", "redis", "sqlite"])
    parser.add_argument("--celery", nargs="?", const=str(Path(__file__).resolve().parents[1] / ".build/celery-venv/bin/python"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    settings = [Setting(broker) for broker in given.broker]
    if given.celery:
        settings += [Setting(broker, library="celery", python=given.celery) for broker in given.broker if broker != "sqlite"]
    everything, console, good = {}, Console(), True
    for name in given.names:
        rows = {}
        for setting in settings:
            for results in WITH_RESULTS.get(name, (False,)):
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
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for contender, row in rows.items():
        table.add_row(
            contender,
            *(f"{row[column]:,}" if isinstance(row.get(column), (int, float)) else str(row.get(column, "")) for column in columns),
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
