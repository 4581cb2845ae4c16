"""All canvases by name."""

from __future__ import annotations

from interop.canvases import callbacks, failures, forms, replacing, shapes, stamps
from interop.canvases.case import Case

CASES: dict[str, Case] = {}
for part in (shapes, callbacks, failures, replacing, stamps, forms):
    for name, case in part.cases():
        assert name not in CASES, name
        CASES[name] = case

#: Some of each kind, for a look whether Celery still does what was recorded.
SAMPLE = [name for place, name in enumerate(CASES) if place % 11 == 0]
