"""The picture of the house is drawn from the imports there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_picture_of_the_house_is_current():
    script = Path(__file__).parents[2] / "scripts" / "house.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False)
    assert done.returncode == 0, "run: python scripts/house.py"
