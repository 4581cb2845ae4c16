"""The examples of users' code under `examples`: ``# error: CODE`` marks the lines that must not pass, with mypy's code; all others must, in both checkers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted(Path(__file__).with_name("examples").glob("*.py"))
ROOT = Path(__file__).parents[2]
MARK = re.compile(r"# error: ([\w-]+)$")

#: (file, line) → mypy's code.
EXPECTED = {
    (path.name, number): found[1]
    for path in EXAMPLES
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    if (found := MARK.search(line))
}


def checked(*command):
    return subprocess.run([sys.executable, "-m", *command, *map(str, EXAMPLES)], capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.slow
def test_mypy_accepts_what_is_right_and_only_that(tmp_path):
    ran = checked("mypy", "--strict", "--no-error-summary", "--follow-imports=silent", "--cache-dir", str(tmp_path))
    found = {(name, int(line)): code for name, line, code in re.findall(r"(\w+\.py):(\d+): error: .*\[([\w-]+)\]", ran.stdout)}
    assert found == EXPECTED, ran.stdout + ran.stderr


@pytest.mark.slow
def test_so_does_pyright():
    ran = checked("pyright", "--outputjson", "--pythonpath", sys.executable)
    errors = [each for each in json.loads(ran.stdout)["generalDiagnostics"] if each["severity"] == "error"]
    found = {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in errors}
    assert found == set(EXPECTED), json.dumps(errors, indent=1)


def test_there_are_eighty_examples_and_more():
    text = "".join(path.read_text(encoding="utf-8") for path in EXAMPLES)
    assert text.count("assert_type(") + len(EXPECTED) > 80
