"""``umbel demo``: start a worker, have it draw, kill one of its processes, and show that nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from umbel.cli.options import Command, WholeNumber
from umbel.cli.output import Output, count

#: Seconds without a new tile after which the worker is taken for dead.
_PATIENCE = 30.0
_WORKER = ("-A", "umbel.cli.demo.tasks", "worker", "-l", "info")


@click.command(cls=Command)
@click.option("-c", "--concurrency", type=WholeNumber(1, 64), default=4, metavar="N", help="Child processes. Default: 4.")
@click.option("--dashboard", is_flag=True, help="A shop that is busy in place of the picture, and the dashboard in front of it.")
@click.pass_context
def command(context: click.Context, concurrency: int, dashboard: bool) -> None:
    """Watch a worker draw a picture, one tile a task, with nothing but this package.

    Half-way one of its processes is killed by force. The task that it was running comes back by itself.
    """
    output = Output.of(context)
    with tempfile.TemporaryDirectory(prefix="umbel-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        database = f"sqlite:///{folder / 'demo.db'}"
        os.environ.update(UMBEL_BROKER_URL=database, UMBEL_RESULT_BACKEND=database, UMBEL_DEMO_FOLDER=str(folder))
        if dashboard:
            from umbel.cli.demo import living

            context.exit(living.run(folder, concurrency, output))
        (folder / "trap").touch()
        context.exit(_show(folder, concurrency, output))


def _show(folder: Path, concurrency: int, output: Output) -> int:
    from umbel.cli.demo import picture
    from umbel.cli.demo.screen import screen
    from umbel.cli.demo.tasks import app, draw

    output.line(f"\n{output.paint('A picture, one tile a task', bold=True)}, drawn by a worker with {concurrency} processes.\n")
    where = output.paint(f"broker and results: {folder / 'demo.db'}", dim=True)
    output.line(f"{output.paint('$', dim=True)} umbel worker -c {concurrency}    {where}\n")
    fatal = picture.TILES // 2
    store = app.store
    assert store is not None
    started = time.monotonic()
    with _worker(folder, concurrency) as process, screen(color=output.color) as view:
        pending = {str(draw.delay(tile, fatal=tile == fatal).id): tile for tile in _order()}
        seen = time.monotonic()
        while pending:
            records = store.fetch(list(pending))
            for task_id, record in records.items():
                if record.status == "SUCCESS":
                    view.draw(pending.pop(task_id), record.result)
                    seen = time.monotonic()
            view.killed = not (folder / "trap").exists()
            view.recovered = view.killed and fatal not in pending.values()
            view.refresh(time.monotonic() - started)
            if process.poll() is not None or time.monotonic() - seen > _PATIENCE:
                view.stop()
                return _explain(folder, output)
            time.sleep(0.05)
    app.close()
    _closing(output, time.monotonic() - started, concurrency)
    return 0


def _order() -> Sequence[int]:
    """The tiles from the middle outwards, which is nicer to watch than rows."""
    from umbel.cli.demo.picture import ACROSS, DOWN, TILES

    def distance(tile: int) -> float:
        row, column = divmod(tile, ACROSS)
        return (row - DOWN / 2) ** 2 * 4 + (column - ACROSS / 2) ** 2

    return sorted(range(TILES), key=distance)


@contextmanager
def _worker(folder: Path, concurrency: int) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [sys.executable, "-m", "umbel", *_WORKER, "--quiet", "-c", str(concurrency), "-f", str(folder / "worker.log")]
    with (folder / "worker.out").open("wb") as file:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _explain(folder: Path, output: Output) -> int:
    lines: list[str] = []
    for name in ("worker.out", "worker.log"):
        if (folder / name).exists():
            lines += (folder / name).read_text(errors="replace").splitlines()[-8:]
    click.echo(output.paint("The worker has stopped working. Its last lines:", fg="red"), err=True)
    click.echo("\n".join(lines), err=True)
    return 1


def _closing(output: Output, seconds: float, concurrency: int) -> None:
    from umbel.cli.demo.picture import TILES

    rows: list[tuple[str, Any]] = [
        ("tasks", f"{count(TILES, 'tile')} drawn by {concurrency} processes in {seconds:.1f} s"),
        ("killed", "1 process, by kill -9, in the middle of a task"),
        ("lost", "nothing: its task was given to another process"),
        ("servers", "none: broker and results were one SQLite file"),
    ]
    output.line()
    for name, text in rows:
        output.line(f"  {output.paint(name.ljust(8), fg='green')} {text}")
    output.line(f"\n  {output.paint('Now yours.', bold=True)} Save this as tasks.py:\n")
    for line in _TASKS.splitlines():
        output.line(f"      {output.paint(line, fg='cyan')}" if line else "")
    output.line(f"\n  {output.paint('and type', bold=True)}\n")
    for line, meaning in _NEXT:
        output.line(f"      {output.paint('$', dim=True)} {line.ljust(54)}{output.paint(meaning, dim=True)}")
    output.line()


_TASKS = """\
from umbel import Umbel
app = Umbel("tasks")

@app.task
def add(x, y):
    return x + y"""

_NEXT = (
    ("umbel -A tasks worker -l info", "in one terminal"),
    ("umbel -A tasks call tasks.add -a '[30, 42]' --wait", "in another"),
    ("umbel -A tasks queues", "what waits"),
)
