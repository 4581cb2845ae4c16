"""`Below`: shows a program below a path, whether a reverse proxy takes that path off or leaves it."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class Below:
    """A program below a path.

    Args:
        app: the program.
        root: the path, without a slash at its end; empty is none.
    """

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if self._root and scope["type"] == "http":
            path = scope["path"]
            is_whole = path == self._root or path.startswith(f"{self._root}/")
            scope = {**scope, "root_path": self._root, "path": path if is_whole else self._root + path}
        await self._app(scope, receive, send)
