"""Tests that are coroutines, without a plug-in for them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


def on_loop(test: Callable[P, Coroutine[Any, Any, None]], timeout: float = 60.0) -> Callable[P, None]:
    """Let a coroutine function be a test: it runs on an event loop of its own.

    Args:
        test: the coroutine function.
        timeout: seconds, after which it fails.
    """

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), timeout))

    return run
