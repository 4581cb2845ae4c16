"""In processes of their own: what malloc has learned stays learned."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
from umbel.runtime.host.machine import return_large_blocks

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if "return" in sys.argv:
    return_large_blocks()
pins, before = [], resident()
for _ in range(4):
    large = bytearray(20 << 20)
    pins.append(bytearray(100_000))  # a small one above keeps the large one's place from going back
    del large
print(resident() - before)
"""


def kept(*words):
    return int(subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, and is about glibc")
def test_large_blocks_go_back():
    assert kept() > 10 << 20
    assert kept("return") < 2 << 20
