"""The picture: a corner of the Mandelbrot set, cut into tiles that can be computed apart. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final

#: Characters; each shows two pixels, one above the other.
COLUMNS, ROWS = 72, 22
TILE_COLUMNS, TILE_ROWS = 6, 2
ACROSS, DOWN = COLUMNS // TILE_COLUMNS, ROWS // TILE_ROWS
TILES: Final = ACROSS * DOWN

_WIDTH = 0.006
_STEP = _WIDTH / COLUMNS
_LEFT, _TOP = -0.743643887 - _WIDTH / 2, 0.131825904 + _STEP * ROWS
_MOST = 1000
#: Where brightness begins and ends; it grows with the logarithm.
_DARKEST, _LIGHTEST = 0.026, 0.45
#: Samples of each pixel, squared.
_SAMPLES = 12

_SHADES: Final = " .:-=+*#%@"

Tile = list[list[float]]


def compute(tile: int) -> Tile:
    """Compute the brightness, 0 to 1, of each pixel of the tile number ``tile``: rows of pixels."""
    row, column = divmod(tile, ACROSS)
    return [[_pixel(column * TILE_COLUMNS + x, row * TILE_ROWS * 2 + y) for x in range(TILE_COLUMNS)] for y in range(TILE_ROWS * 2)]


def _pixel(x: int, y: int) -> float:
    total = 0
    for i in range(_SAMPLES):
        for j in range(_SAMPLES):
            total += _escape(complex(_LEFT + (x + i / _SAMPLES) * _STEP, _TOP - (y + j / _SAMPLES) * _STEP))
    return round(total / (_SAMPLES * _SAMPLES * _MOST), 4)


def _escape(c: complex) -> int:
    z = 0j
    for step in range(_MOST):
        z = z * z + c
        if z.real * z.real + z.imag * z.imag > 4.0:
            return step
    return _MOST


class Canvas:
    """The picture as far as it is drawn."""

    def __init__(self) -> None:
        self._pixels: list[list[float | None]] = [[None] * COLUMNS for _ in range(ROWS * 2)]

    def put(self, tile: int, values: Sequence[Sequence[float]]) -> None:
        """Put the pixels of a finished tile in: its number ``tile`` and its ``values``, rows of brightness."""
        row, column = divmod(tile, ACROSS)
        for y, line in enumerate(values):
            start = column * TILE_COLUMNS
            self._pixels[row * TILE_ROWS * 2 + y][start : start + len(line)] = line

    def cells(self) -> list[list[tuple[float | None, float | None]]]:
        """Yield for each character its upper and lower pixel; ``None`` where nothing is drawn yet."""
        return [list(zip(self._pixels[2 * row], self._pixels[2 * row + 1], strict=True)) for row in range(ROWS)]

    def plain(self) -> str:
        """The picture in letters."""
        return "\n".join("".join(_letter(upper, lower) for upper, lower in row).rstrip() for row in self.cells())


def _letter(upper: float | None, lower: float | None) -> str:
    if upper is None or lower is None:
        return " "
    return _SHADES[min(len(_SHADES) - 1, int(_bright((upper + lower) / 2) * len(_SHADES)))]


def _bright(value: float) -> float:
    return min(1.0, max(0.0, math.log(max(value, _DARKEST) / _DARKEST) / math.log(_LIGHTEST / _DARKEST)))


def color(value: float) -> str:
    """Return the brightness ``value`` as ``#rrggbb``: dark green over leaf green to white, the colours of the plant; what never escapes is black."""
    if value > 0.98:
        return "#0b1410"
    bright = _bright(value)
    stops = ((0.0, (13, 38, 28)), (0.45, (46, 139, 87)), (0.75, (180, 220, 120)), (1.0, (255, 250, 235)))
    for (low, start), (high, end) in itertools.pairwise(stops):
        if bright <= high:
            part = (bright - low) / (high - low)
            return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(start, end, strict=True))
    return "#fffaeb"
