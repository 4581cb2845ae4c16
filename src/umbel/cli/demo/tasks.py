"""The app of the demo: one task that draws one tile. Environment variables name broker and result store."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from umbel.app.app import Umbel
from umbel.cli.demo.picture import Tile, compute

app: Umbel = Umbel("demo")

#: Folder of the demo, and in it the file whose presence means "the next one to see this dies".
FOLDER = "UMBEL_DEMO_FOLDER"
TRAP = "trap"


@app.task(name="demo.draw")
def draw(tile: int, fatal: bool = False) -> Tile:
    """Draw the tile number ``tile``. With ``fatal`` it kills its process, once."""
    if fatal:
        _fall_into(Path(os.environ[FOLDER]) / TRAP)
    return compute(tile)


def _fall_into(trap: Path) -> None:
    try:
        trap.unlink()
    except FileNotFoundError:
        return
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(9)
