"""Runs the integration suite that Celery is released with against Umbel: ``make conformance``.

conformance.py [--broker redis|rabbitmq] [--port 6391] [--vhost NAME] [--limit MINUTES] [--once] [-k EXPRESSION] [FILE ...]

The suite is fetched from the package index into ``.build`` and never committed. It runs in an environment of its own, ``.build/conformance-venv``, in which Umbel
is ``celery`` (``packages/umbel-as-celery``) and the real one is not installed; on a Redis of its own, which is started if none answers at the port. The ids that
pass on Celery itself are in ``tests/conformance``. Those that do not pass here, each with the reason, are listed in ``docs/celery-suite.md``; any other failure is one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
VERSION = "5.7.0"
SUITE = BUILD / f"celery-{VERSION}-suite"
VENV = BUILD / "conformance-venv"
LISTS = ROOT / "tests" / "conformance"
PAGE = ROOT / "docs" / "celery-suite.md"
#: What the suite needs besides Umbel. Not pytest-celery, which brings the real Celery.
NEEDS = (
    "pytest", "pytest-timeout", "pytest-rerunfailures", "pytest-subtests", "pytest-click", "pytest-order", "django", "psutil", "cryptography", "freezegun",
    "tblib", "redis", "pydantic", "sqlalchemy", "billiard", "kombu", "python-dateutil",
)  # fmt: skip
#: They need services of a cloud, or are not of the suite's own ids.
LEFT_OUT = ("test_backend.py",)
#: Test files in the order in which they are run: the long one first.
FIRST = ("test_canvas.py", "test_tasks.py")


def main() -> int:
    """Run the suite; returns the exit code: 1 when an id fails that is not listed as failing."""
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with us
    fetch_suite()
    make_environment()
    with redis(chosen.port):
        outcomes = run(chosen)
    return tell(outcomes, chosen)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", help="names of test files, such as test_canvas.py; all when not given")
    parser.add_argument("--broker", choices=("redis", "rabbitmq"), default="redis")
    parser.add_argument("--port", type=int, default=6391, help="of the Redis")
    parser.add_argument("--vhost", default="conformance", help="of RabbitMQ, which must exist")
    parser.add_argument("--limit", type=float, default=30, help="minutes for one file")
    parser.add_argument("--once", action="store_true", help="do not run a test again that the suite itself marks as flaky")
    parser.add_argument("-k", dest="expression", default="", help="as pytest's")
    return parser.parse_args()


# what is needed


def fetch_suite() -> None:
    """Fetch Celery's source distribution and keep its tests."""
    if (SUITE / "t").exists():
        return
    print(f"Fetching the tests of Celery {VERSION} …", flush=True)
    folder = BUILD / "celery-sdist"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, f"celery=={VERSION}"]
    subprocess.run(command, check=True)
    SUITE.mkdir(parents=True, exist_ok=True)
    wanted = re.compile(r"celery-[^/]+/(t/.*|pyproject\.toml)")
    with tarfile.open(next(folder.glob("celery-*.tar.gz"))) as archive:
        for member in archive.getmembers():
            if member.isfile() and (match := wanted.fullmatch(member.name)):
                member.name = match[1]
                archive.extract(member, SUITE, filter="data")


def make_environment() -> None:
    """Make the environment, or install Umbel in it anew when what it needs has changed."""
    stamp, wanted = VENV / ".conformance", "\n".join(NEEDS)
    python = VENV / "bin" / "python"
    if not python.exists():
        print(f"Making {VENV.relative_to(ROOT)} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    if not stamp.exists() or stamp.read_text() != wanted:
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, "-e", ROOT], check=True)
        subprocess.run([*install, ROOT / "packages" / "umbel-as-celery", *NEEDS], check=True)
        stamp.write_text(wanted)
    found = subprocess.run([python, "-c", "import importlib.metadata as m; m.version('celery')"], capture_output=True, check=False)
    if found.returncode == 0:
        raise SystemExit(f"The real Celery is installed in {VENV}: remove that folder.")


@contextlib.contextmanager
def redis(port: int) -> Iterator[None]:
    """Have a Redis at ``port``: the one that answers, or one that ends with the block."""
    with socket.socket() as probe:
        if probe.connect_ex(("localhost", port)) == 0:
            yield
            return
    server = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--dir", BUILD], stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("localhost", port)) == 0:
                    break
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait()


# the run


def run(chosen: argparse.Namespace) -> dict[str, str]:
    """Run the files one by one; returns what became of each test, by id."""
    files = [SUITE / "t" / "integration" / name for name in chosen.files] or test_files()
    outcomes: dict[str, str] = {}
    for file in files:
        began = time.monotonic()
        found, note = run_file(file, chosen)
        outcomes.update(found)
        counted = ", ".join(f"{number} {word}" for word, number in sorted(Counter(found.values()).items()))
        print(f"{file.name:<45} {time.monotonic() - began:6.0f} s  {counted or 'nothing'}{note}", flush=True)
    return outcomes


def test_files() -> list[Path]:
    """The suite's files, the long ones first."""
    found = [path for path in (SUITE / "t" / "integration").glob("test_*.py") if path.name not in LEFT_OUT]
    return sorted(found, key=lambda path: (FIRST.index(path.name) if path.name in FIRST else len(FIRST), path.name))


def run_file(file: Path, chosen: argparse.Namespace) -> tuple[dict[str, str], str]:
    """Run one file in a process of its own; returns the outcomes so far, and a remark where it was ended."""
    folder = logs(chosen)
    folder.mkdir(parents=True, exist_ok=True)
    written, log = folder / f"{file.stem}.jsonl", folder / f"{file.stem}.log"
    written.unlink(missing_ok=True)
    plugins = ["-p", "no:celery", "-p", "no:docker_tools", "-p", "celery.contrib.pytest", "-p", "recording", "-p", "no:cacheprovider"]
    command = [VENV / "bin" / "python", "-m", "pytest", *plugins, file, "-q", "-rA", "--timeout=300"]
    command += ["-p", "no:rerunfailures"] if chosen.once else []
    command += ["-k", chosen.expression] if chosen.expression else []
    note = ""
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=SUITE, env=environment(chosen, written), stdout=out, stderr=out, start_new_session=True)
        try:
            process.wait(chosen.limit * 60)
        except subprocess.TimeoutExpired:
            note = f"  ended after {chosen.limit:g} minutes"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    lines = written.read_text(encoding="utf-8").splitlines() if written.exists() else []
    return {name: outcome for name, outcome, _ in map(json.loads, lines)}, note


def environment(chosen: argparse.Namespace, written: Path) -> dict[str, str]:
    """The environment of the suite's processes."""
    store = f"redis://localhost:{chosen.port}/0"
    broker = store if chosen.broker == "redis" else f"pyamqp://guest:guest@localhost:5672/{chosen.vhost}"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("CELERY_", "UMBEL_"))},
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(LISTS),
        "CONFORMANCE_OUTCOMES": str(written),
        "TEST_BROKER": broker,
        "TEST_BACKEND": store,
        "REDIS_HOST": "localhost",
        "REDIS_PORT": str(chosen.port),
    }


def logs(chosen: argparse.Namespace) -> Path:
    """The folder of the run's logs and outcomes: two runs may go side by side, on two ports."""
    return BUILD / "conformance" / f"{chosen.broker}-{chosen.port}"


# the table


def tell(outcomes: Mapping[str, str], chosen: argparse.Namespace) -> int:
    """Print how the listed ids have done; returns the exit code."""
    listed = (LISTS / f"{chosen.broker}.txt").read_text(encoding="utf-8").splitlines()
    wanted = [name for name in listed if not chosen.files or file_of(name) in chosen.files]
    if chosen.expression:
        wanted = [name for name in wanted if name in outcomes]
    known = reasons(PAGE.read_text(encoding="utf-8") if PAGE.exists() else "")
    failing = [name for name in wanted if outcomes.get(name) != "passed"]
    unexpected = [name for name in failing if name not in known]
    print(f"\n{'file':<45} {'ids':>5} {'pass':>5} {'fail':>5} {'listed':>7}")
    for file in dict.fromkeys(map(file_of, wanted)):
        print_row(file, [name for name in wanted if file_of(name) == file], outcomes, known)
    print_row("all", wanted, outcomes, known)
    for name in unexpected:
        print(f"  {outcomes.get(name, 'not run'):<8} {name}")
    cured = [name for name in known if outcomes.get(name) == "passed" and name in wanted]
    for name in cured:
        print(f"  passes, though {PAGE.name} lists it: {name}")
    print(f"\nLogs: {logs(chosen).relative_to(ROOT)}")
    return 1 if unexpected else 0


def print_row(label: str, names: Sequence[str], outcomes: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Print one line of the table."""
    passed = sum(outcomes.get(name) == "passed" for name in names)
    excused = sum(outcomes.get(name) != "passed" and name in known for name in names)
    print(f"{label:<45} {len(names):>5} {passed:>5} {len(names) - passed:>5} {excused:>7}")


def file_of(name: str) -> str:
    """The name of the file of a test's id."""
    return name.partition("::")[0].rpartition("/")[2]


def reasons(page: str) -> dict[str, str]:
    """The ids that a page lists as failing, each with its reason: rows of tables that begin with an id."""
    rows = re.findall(r"^\| `(t/integration/[^`]+)` \| (.+?) \|$", page, re.MULTILINE)
    return dict(rows)


if __name__ == "__main__":
    if shutil.which("redis-server") is None:
        raise SystemExit("redis-server is not installed.")
    sys.exit(main())
