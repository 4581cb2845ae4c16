"""All canvases of the catalogue come to what was recorded: to what real Celery came to, but for the differences that are listed."""

from __future__ import annotations

import pytest

from interop.canvases import golden
from interop.canvases.running import outcomes
from system.conftest import database


@pytest.mark.slow
@pytest.mark.redis
def test_canvases_come_to_what_was_recorded(request, tmp_path):
    found = outcomes("umbel", database(request, 5), database(request, 6), tmp_path)
    expected = golden.umbel("redis")
    different = {name: {"recorded": expected[name], "found": found[name]} for name in golden.differing(expected, found)}
    assert different == {}, "see docs/design/0019-canvases-beside-celery.md; scripts/canvases.py --side umbel tells more"
