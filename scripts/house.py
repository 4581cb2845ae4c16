"""Draws the floors of the house from the real imports: docs/design/house.md.

house.py            writes the page
house.py --check    exits with 1 when it is not as the imports are now
"""

from __future__ import annotations

import sys
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "design" / "house.md"
_HEAD = """# The house

Drawn by `python scripts/house.py` from the imports as they are; a test compares. An arrow says *imports*. Where a floor imports another one through a third, only the
longer way is drawn. Nothing imports upwards, and nothing goes in a circle ([the list of floors](../../pyproject.toml), `tool.importlinter`).

"""


def floors() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Floor → what it consists of; floor → the floors that it imports."""
    graph = grimp.build_graph("umbel", cache_dir=None)
    parts: dict[str, set[str]] = {}
    imports: dict[str, set[str]] = {}
    for module in graph.modules:
        _, *names = module.split(".")
        if not names or names[0].startswith("_"):
            continue
        inside = parts.setdefault(names[0], set())
        if len(names) > 1 and (len(names) > 2 or graph.find_children(module)):
            inside.add(names[1])
        for other in graph.find_modules_directly_imported_by(module):
            _, *others = other.split(".")
            if others and others[0] != names[0] and not others[0].startswith("_"):
                imports.setdefault(names[0], set()).add(others[0])
    return parts, imports


def reach(imports: dict[str, set[str]], start: str) -> set[str]:
    """All floors below one."""
    found: set[str] = set()
    left = list(imports.get(start, ()))
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += imports.get(one, ())
    return found


def page() -> str:
    """The page's text."""
    parts, imports = floors()
    lines = ["```mermaid", "flowchart TD"]
    for name, inside in sorted(parts.items()):
        text = f"<b>{name}</b>" + (f"<br>{', '.join(sorted(inside))}" if inside else "")
        lines.append(f'    {name}["{text}"]')
    for name, below in sorted(imports.items()):
        longer = set().union(*(reach(imports, other) for other in below))
        lines += [f"    {name} --> {other}" for other in sorted(below - longer)]
    return _HEAD + "\n".join([*lines, "```"]) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the page; returns the exit code."""
    text = page()
    if arguments == ["--check"]:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
