"""``--reload``: when a file of the app changes, the process starts again with the new code; code that cannot be loaded leaves the old one running."""

from __future__ import annotations

import logging
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds between two looks at the files; and for which they must have stayed as they are, because editors write several files in turn.
_LOOK: Final = 0.5
_QUIET: Final = 0.3
#: Seconds that the new code has to load.
_PATIENCE: Final = 120.0
#: Lines of an error that the log shows.
_LINES: Final = 3
_PACKAGE: Final = Path(__file__).parents[2]


class Reloader:
    """Looks at files, in a thread of its own, until the code has changed and can be loaded.

    Args:
        files: the files that count, found anew for each look.
        check: says what is wrong with the new code; empty when it can be loaded.
        reload: called once, then.
    """

    def __init__(self, files: Callable[[], Iterable[Path]], check: Callable[[], str], reload: Callable[[], object]) -> None:
        self._files = files
        self._check = check
        self._reload = reload
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="umbel-reload", daemon=True)
        self._known: Mapping[Path, tuple[int, int]] = {}

    def start(self) -> None:
        """Begin to look."""
        self._known = self.stamps()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def _run(self) -> None:
        known = self._known
        while not self._ended.wait(_LOOK):
            found = self.stamps()
            changed = sorted(str(path) for path in found.keys() | known.keys() if path in known and found.get(path) != known[path])
            known = {**found, **{path: stamp for path, stamp in known.items() if path not in found}}
            if changed and self._is_taken(changed):
                return

    def _is_taken(self, changed: list[str]) -> bool:
        """Take what has ``changed``, if it can be loaded; returns whether it was."""
        before = self.stamps()
        while not self._ended.wait(_QUIET) and (now := self.stamps()) != before:
            before = now
        if self._ended.is_set():
            return True
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        wrong = self._check()
        if wrong:
            logger.error("%s%s changed, and cannot be loaded; the old code goes on:\n%s", changed[0], more, wrong)
            return False
        logger.warning("%s%s changed.", changed[0], more)
        self._reload()
        return True

    def stamps(self) -> Mapping[Path, tuple[int, int]]:
        """Return when each file was written, and its size. A file that is being replaced is left out."""
        found = {}
        for path in self._files():
            try:
                stat = path.stat()
            except OSError:
                continue
            found[path] = stat.st_mtime_ns, stat.st_size
        return found


def source_files() -> set[Path]:
    """Find the files of the modules that are imported here, but for Python's own, those of installed packages, and this package's."""
    installed = {
        Path(path).resolve() for name, path in sysconfig.get_paths().items() if name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    found = set()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py"):
            path = Path(file).resolve()
            if not any(path.is_relative_to(folder) for folder in (*installed, _PACKAGE)):
                found.add(path)
    return found


def loads(app: str, workdir: str | None) -> str:
    """Load an app in a process that is thrown away; returns the end of its error, empty when there is none.

    Args:
        app: ``module:attribute``.
        workdir: as given to this process.
    """
    command = [sys.executable, "-m", "umbel", "-A", app, *(["--workdir", workdir] if workdir else []), "report", "--json"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return f"it has not loaded within {_PATIENCE:g} s"
    if done.returncode == 0:
        return ""
    return "\n".join(done.stderr.strip().splitlines()[-_LINES:]) or f"exit code {done.returncode}"
