"""The command ``celery``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from umbel.cli.main import cli, run
from umbel.compat.alias.finder import default_app, install

__all__ = ["cli", "main"]


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run ``umbel``, in which ``import celery`` is ours, and which uses the default app where ``-A`` names none, as Celery's does.

    Args:
        argv: its words, the program's name first; those of this process when not given.
    """
    install()
    sys.exit(run(None if argv is None else list(argv)[1:], default_app("default", set_as_current=False)))
