"""Everything that ``make test`` does: format, lint, types, layers, then the tests with the servers they need. Ends with pytest's own last line.

check.py             all of it
check.py --static    without the tests
check.py --tests     the tests alone
check.py -- ARGS     arguments for pytest, which then runs in one process; --tests may stand before them
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from servers import servers

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

#: Most tests wait for other processes: all of them together keep one processor busy for a third of the time that they take.
PARALLEL = ("-n", str(min(8, 2 * (os.cpu_count() or 1))), "--dist", "worksteal")

STATIC = (
    ("ruff check", [str(BIN / "ruff"), "check", "--quiet", "."]),
    ("ruff format", [str(BIN / "ruff"), "format", "--check", "--quiet", "."]),
    ("mypy", [str(BIN / "mypy"), "--no-error-summary"]),
    ("import-linter", [str(BIN / "lint-imports"), "--no-cache"]),
)


def main(arguments: list[str]) -> int:
    """Run the checks; the exit code of the first that fails, or of pytest."""
    os.chdir(ROOT)
    # A cancelled CI run ends by SIGTERM: leave by the door, so that private servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    only_static, only_tests = arguments[:1] == ["--static"], arguments[:1] == ["--tests"]
    arguments = arguments[1:] if only_tests else arguments
    with contextlib.nullcontext() if only_static else celery() as celery_made:
        failed = [name for name, command in STATIC if not only_tests and not passes(name, command)]
        if failed:
            print(f"Not clean: {', '.join(failed)}.", flush=True)
            return 1
        if only_static:
            return 0
        celery_made.wait()
    return run_tests(arguments[1:] if arguments[:1] == ["--"] else list(PARALLEL))


@contextlib.contextmanager
def celery() -> Iterator[subprocess.Popen[bytes]]:
    """Make the environment with real Celery, which takes a while, beside other things. Should that fail, the tests that need it say why."""
    command = [sys.executable, "-c", "from interop.pairing import celery_python; celery_python()"]
    with subprocess.Popen(command, cwd=ROOT / "tests", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def passes(name: str, command: list[str]) -> bool:
    """Run one check; say how it went in one line, and what it said only if it failed."""
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    verdict = "ok" if done.returncode == 0 else "FAILED"
    print(f"{name:<14} {verdict:<7} {time.monotonic() - started:5.1f} s", flush=True)
    if done.returncode != 0:
        print((done.stdout + done.stderr).rstrip(), flush=True)
    return done.returncode == 0


def run_tests(arguments: list[str]) -> int:
    """Run pytest with the servers there are."""
    strict = os.environ.get("CI", "").lower() in ("1", "true", "yes")
    with servers() as (environment, found, missing):
        for line in found:
            print(line, flush=True)
        if missing:
            print(f"Left out: the tests that need {' and '.join(missing)} (neither running nor installed here).", flush=True)
            if strict:
                print("CI=true: nothing may be left out.", flush=True)
                return 1
        leave_out = " and ".join(f"not {name.lower()}" for name in missing)
        command = [sys.executable, "-m", "pytest", *(["-m", leave_out] if leave_out else []), *arguments]
        with subprocess.Popen(command, env={**os.environ, **environment}) as process:
            try:
                return process.wait()
            except BaseException:
                process.terminate()
                raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
