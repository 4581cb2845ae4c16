"""Report how many of the public names have types that are written down, as pyright counts them: ``python scripts/type_completeness.py [--gaps] [--least PERCENT]``.

``umbel`` is asked about from a folder of its own, because pyright finds no package that is installed in place.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "umbel"
LEAST = 95.0
#: A type that is not written down because another one is not: no gap of its own.
_FOLLOWS = "partially unknown"


def measure() -> dict[str, Any]:
    """Return what ``pyright --verifytypes`` reports."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "umbel").symlink_to(PACKAGE)
        command = [
            sys.executable,
            "-m",
            "pyright",
            "--verifytypes",
            "umbel",
            "--ignoreexternal",
            "--outputjson",
            "--pythonpath",
            sys.executable,
        ]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": folder}, check=False)
    found: dict[str, Any] = json.loads(ran.stdout)["typeCompleteness"]
    return found


def gaps(report: dict[str, Any]) -> list[str]:
    """List the names whose own types are missing, with pyright's reason.

    Args:
        report: of `measure`.
    """
    lines = []
    for symbol in report["symbols"]:
        if symbol["isExported"] and not symbol["isTypeKnown"]:
            reasons = [each["message"].split("\n")[-1].strip() for each in symbol["diagnostics"] if _FOLLOWS not in each["message"]]
            lines += [f"{symbol['name']}: {reason}" for reason in reasons if not reason.startswith("No docstring")]
    return sorted(set(lines))


def main() -> int:
    """Report; returns 1 where it is less than asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gaps", action="store_true", help="list the names, too")
    parser.add_argument("--least", type=float, default=LEAST, metavar="PERCENT", help=f"fail below this; {LEAST} when not given")
    options = parser.parse_args()
    report = measure()
    if options.gaps:
        print(*gaps(report), sep="\n")
    counts, score = report["exportedSymbolCounts"], 100 * report["completenessScore"]
    print(f"{score:.1f} % of {sum(counts.values())} names; {counts['withAmbiguousType']} ambiguous, {counts['withUnknownType']} unknown")
    return int(score < options.least)


if __name__ == "__main__":
    sys.exit(main())
