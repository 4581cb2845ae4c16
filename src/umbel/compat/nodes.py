"""``celery.apps.multi.Node``: the command line of one worker of several."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from umbel.compat.legacy.nodenames import node_format


class Node:
    """A worker, as words of a command line.

    Args:
        name: of the worker.
        cmd: the command.
        append: goes at its end.
        options: option → value.
        extra_args: more words.
    """

    def __init__(
        self,
        name: str,
        cmd: str | None = None,
        append: str | None = None,
        options: Mapping[str, Any] | None = None,
        extra_args: str | Iterable[str] | None = None,
    ) -> None:
        self.name = name
        self.cmd: str = cmd or f"{sys.executable} -m celery worker --detach"
        self.append: str = append or ""
        self.extra_args = extra_args or ""
        self.options = {"--pidfile": "/var/run/celery/%n.pid", "--logfile": "/var/log/celery/%n%I.log", **(options or {})}

    @property
    def argv(self) -> tuple[str, ...]:
        """The words."""
        own = (f"{option}={self._filled(value)}" for option, value in self.options.items())
        return (*self.cmd.split(" "), "-n", self.name, *own)

    def _filled(self, value: Any) -> str:
        return node_format(str(value), self.name, N="", i="%i", I="%I")

    def getopt(self, *alt: str) -> Any:
        """Return the value of an option.

        Args:
            alt: its spellings.

        Raises:
            KeyError: it is not given.
        """
        for each in alt:
            if each in self.options:
                return self.options[each]
        raise KeyError(alt[0])
