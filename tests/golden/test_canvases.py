"""Where Umbel comes to something else than Celery did, there is a reason for it, in the table and in the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from interop.canvases import golden
from interop.canvases.catalogue import CASES
from interop.canvases.differences import REASONS, reasons_of

PAGE = Path(__file__).parents[2] / "docs" / "design" / "0019-canvases-beside-celery.md"


def test_all_canvases_are_recorded():
    assert len(CASES) > 1500
    for place in golden.PLACES:
        assert list(golden.celery(place)) == list(CASES), "record them: scripts/canvases.py --record"
        assert golden.umbel(place).keys() == CASES.keys()


@pytest.mark.parametrize("place", golden.PLACES)
def test_every_difference_has_a_reason(place):
    celery, umbel = golden.celery(place), golden.umbel(place)
    found = {name: reasons_of(name, celery[name], umbel[name]) for name in golden.differing(celery, umbel)}
    assert not [(name, field) for name, reasons in found.items() for field, title in reasons.items() if title is None]


def test_every_reason_has_a_difference_and_a_section():
    titles = set()
    for place in golden.PLACES:
        celery, umbel = golden.celery(place), golden.umbel(place)
        titles |= {title for name in golden.differing(celery, umbel) for title in reasons_of(name, celery[name], umbel[name]).values()}
    assert titles == {reason.title for reason in REASONS}
    sections = [line.removeprefix("### ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("### ")]
    assert sorted(sections) == sorted(titles)


def test_only_differences_are_in_the_file_of_umbel():
    for place in golden.PLACES:
        celery, umbel = golden.celery(place), golden.umbel(place)
        own = golden.own(place)
        assert [name for name in own if own[name] == celery[name]] == []
        assert golden.differing(celery, umbel) == [name for name in CASES if name in own]
