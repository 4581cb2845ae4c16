import re
import subprocess
import sys
from pathlib import Path

import pytest

API = Path(__file__).with_name("api.py")
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_type_checker_accepts_what_is_right_and_only_that(tmp_path):
    expected = {
        (number, found[1])
        for number, line in enumerate(API.read_text(encoding="utf-8").splitlines(), 1)
        if (found := re.search(r"# error: ([\w-]+)$", line))
    }
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent", "--cache-dir", str(tmp_path), str(API)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    found = {(int(number), code) for number, code in re.findall(r"api\.py:(\d+): error: .*\[([\w-]+)\]", ran.stdout)}
    assert found == expected, ran.stdout + ran.stderr
