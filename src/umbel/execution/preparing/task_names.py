"""The commonest first mistake: a script names its tasks after its app, and a worker that imports it names them after its file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

logger: logging.Logger = logging.getLogger("umbel.app")

#: Characters of a name that are looked at: it comes from a message.
_MOST = 200


def hint(name: str, known: Iterable[str]) -> str:
    """Suggest the registered task that may be meant by an unknown name: one with the same last word; empty where there is none.

    Args:
        name: from a message.
        known: the names that are registered.
    """
    last = name[:_MOST].rpartition(".")[2].casefold()
    found = next((each for each in known if each.rpartition(".")[2].casefold() == last), "")
    if not found:
        return ""
    return (
        f"there is {found}: a script that is run names its tasks after its app, a worker that imports it after its file; give both one name"
    )


def main_module() -> str:
    """Name the running program as a worker would that imported it; empty where there is no such file (a prompt, a notebook)."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m package.module
        return str(spec.name).removesuffix(".__main__")
    path = getattr(main, "__file__", None)
    return Path(path).stem if path else ""


def warn_of_main(app: Any, task: Any) -> None:
    """Warn, once for each ``app``, of a ``task`` whose name a worker will not know."""
    run = getattr(task.run, "__func__", task.run)
    if getattr(run, "__module__", "") != "__main__" or vars(app).get("_has_told_of_main"):
        return
    given, _, function = task.name.rpartition(".")
    module = main_module()
    if not module or function != getattr(run, "__name__", "") or given != app.main or given.rpartition(".")[2] == module.rpartition(".")[2]:
        return
    app._has_told_of_main = True  # noqa: SLF001
    logger.warning(
        "This program sends %s, but a worker that imports it (-A %s) has %s.%s: name the app after its module, Umbel(%r), or the task, name=%r",
        task.name, module, module, function, module, task.name,
    )  # fmt: skip
