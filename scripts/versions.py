"""Runs the suite on every Python that pyproject.toml names and this machine has: ``make test-all``.

versions.py [--only 3.12,3.13] [-- ARGS for pytest]

Each version has an environment of its own, ``.build/python-VERSION``. A last line for each says how it went. Later versions and those without
the global lock, which the classifiers do not name, are tried where they are found, and do not count for the exit code.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Tried although nothing is promised for them; ``t`` is the build without the global lock.
BEYOND = ("3.14", "3.13t", "3.14t")
_SUMMARY = re.compile(r"^(?:=+ )?((?:\d+ \w+(?:, )?)+) in [\d.]+s")
_ASK = "import sys, sysconfig; print('%d.%d' % sys.version_info[:2] + 't' * bool(sysconfig.get_config_var('Py_GIL_DISABLED')))"


@dataclass(frozen=True)
class Ran:
    """How the suite went on one version."""

    version: str
    claimed: bool
    verdict: str
    detail: str = ""
    seconds: float = 0.0

    def line(self) -> str:
        """The version's line of the summary."""
        time_taken = f"{self.seconds:6.0f} s" if self.seconds else " " * 8
        note = "" if self.claimed else "  (not claimed)"
        return f"Python {self.version:<6} {self.verdict:<10} {time_taken}  {self.detail}{note}".rstrip()


def claimed(pyproject: str) -> tuple[str, ...]:
    """The versions that the classifiers of a pyproject.toml name, such as ``3.12``."""
    classifiers = tomllib.loads(pyproject)["project"]["classifiers"]
    named = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each) for each in classifiers)
    return tuple(match[1] for match in named if match)


def candidates(version: str) -> Iterator[str]:
    """Programs that may be this Python: on the path, of pyenv, of uv, of the launcher; not all of them need exist."""
    name = f"python{version}"
    for folder in os.get_exec_path():
        if (program := Path(folder) / name).exists():
            yield str(program)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    number, threads = version.rstrip("t"), "t" * version.endswith("t")
    installed = [path for path in root.glob(f"versions/{number}.*/bin/python") if path.parts[-3].endswith("t") == bool(threads)]
    yield from map(str, sorted(installed, key=_release, reverse=True))
    if uv := shutil.which("uv"):
        found = subprocess.run([uv, "python", "find", "--no-python-downloads", version], capture_output=True, text=True, check=False)
        yield from found.stdout.split("\n")[:1]
    if shutil.which("py"):
        found = subprocess.run(
            ["py", f"-{version}", "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=False
        )
        yield from found.stdout.split("\n")[:1]


def _release(path: Path) -> tuple[int, ...]:
    """The version in a path of pyenv's, for sorting: 3.12.10 comes after 3.12.9."""
    return tuple(map(int, re.findall(r"\d+", path.parts[-3])))


def find(version: str) -> str | None:
    """A program that runs and is this version; ``None`` when there is none here."""
    return next((each for each in candidates(version) if each and is_version(each, version)), None)


def is_version(program: str, version: str) -> bool:
    """Whether a program is a Python of this version. (One of pyenv's stand-ins may be on the path, and not run.)"""
    try:
        done = subprocess.run([program, "-c", _ASK], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def run(version: str, promised: bool, arguments: Sequence[str]) -> Ran:
    """Run the suite on one version, in its environment, which is made or brought up to date first."""
    program = find(version)
    if program is None:
        return Ran(version, promised, "not found")
    print(f"\n--- Python {version}: {program}", flush=True)
    started = time.monotonic()
    environment = ROOT / ".build" / f"python-{version}"
    made = environment / "ready"
    project = ROOT / "pyproject.toml"
    if not made.exists() or made.stat().st_mtime < project.stat().st_mtime:
        installed = subprocess.run(["sh", "scripts/environment.sh", program, str(environment), "dev"], cwd=ROOT, check=False)
        if installed.returncode:
            return Ran(version, promised, "failed", "its environment cannot be made", time.monotonic() - started)
        made.touch()
    code, summary = tests(environment / "bin" / "python", arguments)
    return Ran(version, promised, "failed" if code else "passed", summary, time.monotonic() - started)


def tests(python: Path, arguments: Sequence[str]) -> tuple[int, str]:
    """Run pytest, with the servers it needs, in an environment: the exit code, and pytest's last line without the time."""
    summary = ""
    command = [str(python), "scripts/check.py", "--tests", *(["--", *arguments] if arguments else [])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                if match := _SUMMARY.match(line):
                    summary = match[1]
            return process.wait(), summary
        except BaseException:
            process.terminate()
            raise


def main(arguments: list[str]) -> int:
    """Run them all; 1 when a claimed version failed, or none was found."""
    only: set[str] = set()
    if arguments[:1] == ["--only"]:
        only, arguments = set(arguments[1].split(",")), arguments[2:]
    arguments = arguments[1:] if arguments[:1] == ["--"] else arguments
    promised = claimed((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [version for version in (*promised, *BEYOND) if not only or version in only]
    ran = [run(version, version in promised, arguments) for version in wanted]
    print()
    for each in ran:
        print(each.line(), flush=True)
    counted = [each.verdict for each in ran if each.claimed]
    return int("failed" in counted or "passed" not in counted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
