"""Coroutines as tests."""

from __future__ import annotations

import asyncio

import pytest

from umbel.testing import on_loop


def test_a_coroutine_runs_to_its_end_on_a_loop_of_its_own():
    seen = []

    @on_loop
    async def story(x, *, y):
        seen.append((x, y, asyncio.get_running_loop().is_running()))

    story(1, y=2)
    story(3, y=4)
    assert seen == [(1, 2, True), (3, 4, True)]
    assert story.__name__ == "story"


def test_a_failure_is_the_tests():
    @on_loop
    async def story():
        raise AssertionError("no")

    with pytest.raises(AssertionError, match="no"):
        story()
