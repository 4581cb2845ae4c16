"""A program below a path."""

from __future__ import annotations

import asyncio

import pytest

from umbel.dashboard.web.below import Below


@pytest.mark.parametrize(
    ("root", "asked", "path", "root_path"),
    [
        ("/umbel", "/umbel/tasks", "/umbel/tasks", "/umbel"),  # the proxy leaves it
        ("/umbel", "/tasks", "/umbel/tasks", "/umbel"),  # the proxy takes it off
        ("/umbel", "/umbels/tasks", "/umbel/umbels/tasks", "/umbel"),
        ("/umbel", "/", "/umbel/", "/umbel"),
        ("", "/tasks", "/tasks", ""),
    ],
)
def test_paths(root, asked, path, root_path):
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["path"], scope["root_path"]))

    asyncio.run(Below(app, root)({"type": "http", "path": asked, "root_path": ""}, None, None))
    assert seen == [(path, root_path)]
