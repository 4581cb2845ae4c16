"""``make demo``: the hot-topics example on the embedded broker, from nothing to a table in well under a minute.

No server is needed: broker and results are one SQLite file under ``.build``.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from rich.box import ROUNDED, SIMPLE_HEAD
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1] / ".build" / "hot_topics"
DATABASE = f"sqlite:///{HOME / 'demo.db'}"
LOG = HOME / "worker.log"
#: Seconds without any sign of life from the worker.
PATIENCE = 60.0

console = Console(highlight=False)


class Tracker:
    """Progress of several things: bars on a terminal, a line for each end elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bars = (
            Progress(
                SpinnerColumn(finished_text="[green]✓"),
                TextColumn("{task.description}"),
                BarColumn(bar_width=26, complete_style="green", finished_style="green"),
                TextColumn("{task.completed:>7,.0f} [dim]{task.fields[unit]}"),
                TimeElapsedColumn(),
                console=console,
            )
            if console.is_terminal
            else None
        )
        self._ids: dict[str, Any] = {}
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        console.print(f"\n[bold]{self._title}[/]")
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, name: str, done: int, total: int, unit: str) -> None:
        """One of them has come this far."""
        if self._bars is not None:
            if name not in self._ids:
                self._ids[name] = self._bars.add_task(name, total=total, unit=unit)
            self._bars.update(self._ids[name], completed=done, total=total)
        elif done >= total and name not in self._ids:
            self._ids[name] = True
            console.print(f"  {name}  {total:,} {unit}  {time.monotonic() - self._started:.1f} s")


def write_chats() -> None:
    """Invent the chat logs."""
    from chat import LINES, PARTS, write

    with Tracker("1  Inventing what players said on two days") as tracker:
        for part in PARTS:
            tracker.show(label(part.day, part.levels), 0, LINES, "lines")
        for part in PARTS:
            write(part, HOME / "data")
            tracker.show(label(part.day, part.levels), LINES, LINES, "lines")


def label(day: str, levels: str) -> str:
    """A file, as the screen names it."""
    return f"{day[:4]}-{day[4:6]}-{day[6:]}  levels {levels:<7}"


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, as you would start it."""
    command = "umbel -A main worker -n celery_test -c 4 -l info -Q celery_test"
    console.print(f"\n[bold]2  Starting a worker[/]\n  [dim]$[/] {command}")
    arguments = [sys.executable, "-m", "umbel", *command.split()[1:], "--quiet", "-f", str(LOG)]
    process = subprocess.Popen(arguments, cwd=HERE, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def count(process: subprocess.Popen[bytes]) -> dict[str, list[dict[str, Any]]]:
    """Send the chord, watch its four members, and return what its body makes of them."""
    from chat import LINES, PARTS
    from tasks import make_model, make_result_str

    from umbel import chord, group

    whole = chord(group(make_result_str.s(part.day, part.levels) for part in PARTS))(make_model.s())
    results = dict(zip([label(part.day, part.levels) for part in PARTS], whole.parent.results, strict=True))
    last = None
    seen = time.monotonic()
    with Tracker("3  Four tasks segment the lines with jieba and count the words") as tracker:
        for name in results:
            tracker.show(name, 0, LINES, "lines")
        while True:
            states = {name: (result.state, result.progress) for name, result in results.items()}
            for name, (state, progress) in states.items():
                if state == "SUCCESS":
                    tracker.show(name, LINES, LINES, "lines")
                elif progress is not None:
                    tracker.show(name, progress.current, LINES, "lines")
            if all(state in {"SUCCESS", "FAILURE"} for state, _ in states.values()):
                break
            check(process, seen)
            if states != last:
                last, seen = states, time.monotonic()
            time.sleep(0.1)  # one look at all four, as often as a person sees a bar move
    console.print("\n[bold]4  The chord's body ranks them[/]")
    ranking: dict[str, list[dict[str, Any]]] = whole.get(timeout=60)
    return ranking


def check(process: subprocess.Popen[bytes], seen: float) -> None:
    """Give up when the worker has."""
    if process.poll() is not None or time.monotonic() - seen > PATIENCE:
        lines = LOG.read_text(errors="replace").splitlines()[-12:] if LOG.exists() else []
        console.print("\n[red]The worker has stopped.[/] Its last lines:", *lines, sep="\n  ", markup=True)
        sys.exit(1)


def show_topics(ranking: dict[str, list[dict[str, Any]]]) -> None:
    """The table."""
    most = max(topic["score"] for topics in ranking.values() for topic in topics)
    tables = []
    for day, topics in ranking.items():
        table = Table(box=SIMPLE_HEAD, title=f"{day[:4]}-{day[4:6]}-{day[6:]}", title_style="bold", title_justify="left", pad_edge=False)
        table.add_column("topic", width=8)
        table.add_column("heat", width=16)
        table.add_column("said", justify="right", width=8)
        table.add_column("× other day", justify="right")
        for topic in topics:
            heat = "█" * max(1, round(topic["score"] / most * 16))
            table.add_row(topic["word"], f"[red]{heat}[/]", f"{topic['count']:,}", f"{topic['times']:.0f}")
        tables.append(table)
    console.print("\n[bold]Hot topics[/]\n")
    if console.width >= 110:
        side_by_side = Table.grid(padding=(0, 6))
        side_by_side.add_row(*tables)
        console.print(side_by_side)
    else:
        console.print(*tables, sep="\n")


def close(lines: int, seconds: float) -> None:
    """What happened, and what to type next."""
    umbel = shorter(Path(sys.executable).parent / "umbel")
    commands = (
        (f"{umbel} demo", "watch a killed task come back"),
        (f"less {shorter(LOG)}", "what the worker said"),
        (f"less {shorter(HERE / 'README.md')}", "the same on RabbitMQ and Redis"),
    )
    longest = max(len(command) for command, _ in commands)
    next_steps = "\n".join(f"[dim]$[/] {command.ljust(longest)}  [dim]{meaning}[/]" for command, meaning in commands)
    console.print(
        Panel(
            f"{lines:,} lines of chat were segmented and counted by four processes,\n"
            f"then ranked by a fifth task, in [bold]{seconds:.1f} s[/]. No server was needed:\n"
            f"broker and results were one SQLite file.\n\n{next_steps}",
            box=ROUNDED,
            border_style="green",
            title="[bold]What just happened[/]",
            title_align="left",
            expand=False,
            padding=(1, 2),
        )
    )


def shorter(path: Path) -> str:
    """A path as seen from here, if that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)


def main() -> None:
    """The whole show."""
    if importlib.util.find_spec("jieba") is None:
        sys.exit("This demo segments Chinese with jieba, which is not installed: pip install 'umbel[demo]'. (umbel demo needs nothing.)")
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    # The environment goes over what main.py says, for this program and for the worker.
    os.environ.update(CELERY_BROKER_URL=DATABASE, CELERY_RESULT_BACKEND=DATABASE, HOT_TOPICS_DATA=str(HOME / "data"))
    sys.path.insert(0, str(HERE))
    import main as hot_topics
    from chat import LINES, PARTS

    write_chats()
    started = time.monotonic()
    with worker() as process:
        ranking = count(process)
        seconds = time.monotonic() - started
    show_topics(ranking)
    close(LINES * len(PARTS), seconds)
    hot_topics.app.close()


def _quietly(show: Callable[[], None]) -> int:
    try:
        show()
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(_quietly(main))
