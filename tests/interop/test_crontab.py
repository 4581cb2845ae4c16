"""Our crontab against real Celery's, on random expressions, times and zones."""

from __future__ import annotations

import json
import os
import random
import subprocess
from datetime import datetime
from zoneinfo import ZoneInfo

from interop.pairing import celery_python
from system.processes import TESTS
from umbel.schedules import ParseException, crontab
from umbel.schedules.zones import at, instants

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Africa/Casablanca",
)
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def count() -> int:
    """``UMBEL_INTEROP_CRONTABS`` (100000 for the full measure), else 3000."""
    return int(os.environ.get("UMBEL_INTEROP_CRONTABS", "3000"))


def field(source: random.Random, least: int, most: int, names: tuple[str, ...] = ()) -> str | int | list[int]:
    """One field, in one of the forms that Celery takes."""

    def number() -> int:
        return source.randint(least, most)

    def word(value: int) -> str:
        return names[value - least] if names and source.random() < 0.4 else str(value)

    def part() -> str:
        step = f"/{source.randint(1, most + 2)}" if source.random() < 0.5 else ""
        kind = source.random()
        if kind < 0.25:
            return f"*{step}"
        if kind < 0.6:
            return f"{word(number())}-{word(number())}{step}"
        return word(number())

    kind = source.random()
    if kind < 0.3:
        return "*"
    if kind < 0.4:
        return number()
    if kind < 0.5:
        return sorted({number() for _ in range(source.randint(1, 5))})
    return ",".join(part() for _ in range(source.choice((1, 1, 1, 2, 3))))


def triple(source: random.Random) -> dict[str, object]:
    fields = {
        "minute": field(source, 0, 59),
        "hour": field(source, 0, 23),
        "day_of_week": field(source, 0, 6, DAYS) if source.random() < 0.6 else "*",
        "day_of_month": field(source, 1, 31) if source.random() < 0.6 else "*",
        "month_of_year": field(source, 1, 12, MONTHS) if source.random() < 0.5 else "*",
    }
    return {"fields": fields, "after": source.randint(1_500_000_000, 2_000_000_000), "zone": source.choice(ZONES)}


def asked(triples: list[dict[str, object]]) -> list[str]:
    done = subprocess.run(
        [str(celery_python()), "-m", "interop.crontab_side"],
        input="\n".join(map(json.dumps, triples)),
        capture_output=True,
        text=True,
        check=False,
        cwd=TESTS,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def is_near_a_change(after: float, slot: float, zone: ZoneInfo) -> bool:
    """Whether clocks are changed around one of the two, where ours is meant to differ."""
    return any(at(when - 90_000, zone).utcoffset() != at(when + 90_000, zone).utcoffset() for when in (after, slot))


def next_of(given: dict[str, object], zone: ZoneInfo) -> float | None:
    try:
        return crontab(**given["fields"], timezone=zone).next_after(given["after"])
    except ParseException:  # a day that never comes
        return None


def test_crontab_is_that_of_celery():
    seed = int(os.environ.get("UMBEL_INTEROP_SEED", "1"))
    source = random.Random(seed)
    triples = [triple(source) for _ in range(count())]
    differences, near, never = [], 0, 0
    for given, theirs in zip(triples, asked(triples), strict=True):
        zone = ZoneInfo(given["zone"])
        ours = next_of(given, zone)
        if theirs == "never" or ours is None:
            # Celery gives up after some years; what it does find, we find too.
            never += 1
            if theirs != "never":
                differences.append((given, theirs, ours))
            continue
        if is_near_a_change(given["after"], ours, zone) or not instants(datetime.fromisoformat(theirs), zone):
            near += 1
            continue
        wall = at(ours, zone).replace(tzinfo=None, fold=0)
        if wall.isoformat() != theirs:
            differences.append((given, theirs, wall.isoformat()))
    assert not differences[:5], f"{len(differences)} of {len(triples)} differ"
    assert near < len(triples) * 0.1
    assert never < len(triples) * 0.1
    print(f"{len(triples)} triples, {near} beside a change of clocks, {never} that never come, 0 differences")
