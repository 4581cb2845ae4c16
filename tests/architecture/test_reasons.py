"""Reasons of dead letters: in one enum, in the guide, and nowhere else as a word of their own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from umbel.reasons import DeadReason

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "umbel"
GUIDE = ROOT / "docs" / "guide" / "dead-letters.md"
#: Where such a word names another thing: an option of a task, a method.
OTHER_MEANINGS = {
    ("time_limit", "app/sending/options.py"),
    ("time_limit", "app/tasks.py"),
    ("time_limit", "cli/commands/worker.py"),
    ("time_limit", "execution/policy.py"),
    ("time_limit", "execution/request.py"),
    ("time_limit", "planned.py"),
    ("refused", "brokers/receipts.py"),
}


def test_the_guide_lists_every_reason_once_and_no_other():
    listed = re.findall(r"^\| `(\w+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [reason.value for reason in DeadReason]


def test_no_reason_is_written_as_a_literal():
    words = {reason.value for reason in DeadReason}
    found = set()
    for path in SOURCE.rglob("*.py"):
        if path != SOURCE / "reasons.py":
            constants = (node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant))
            found |= {(value, path.relative_to(SOURCE).as_posix()) for value in constants if isinstance(value, str) and value in words}
    assert found == OTHER_MEANINGS


def test_dead_letters_have_one_word():
    other = re.compile(r"\b(bury|buries|buried|grave|graveyard|morgue|revive[sd]?)\b", re.IGNORECASE)
    pages = [path for folder in ("src", "docs") for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".lua", ".sql", ".md"}]
    assert not [f"{path.relative_to(ROOT)}: {word[0]}" for path in pages for word in other.finditer(path.read_text(encoding="utf-8"))]
