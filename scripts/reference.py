"""Write the pages that are made from the program: ``python scripts/reference.py``; with ``--check``, say which are not current.

docs/reference/settings.md  every setting
docs/reference/commands.md  every command and its help
docs/reference/names.md     every name that `umbel` exports
docs/llms.txt               every page of the book in a line, for programs that read
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
_WIDTH = 100
_WHAT = "A distributed task queue for Python. It speaks Celery's interface, command line and messages, loses nothing, and is fast."


def commands() -> str:
    """Return the page of commands."""
    from umbel.cli.main import cli

    head = "# Commands\n\nThis page is written from the program by `python scripts/reference.py`. Each command explains itself with `--help`.\n"
    return head + "".join(_command(cli, "umbel", None))


def _command(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent, terminal_width=_WIDTH, max_content_width=_WIDTH)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"\n{'###' if name.count(' ') > 1 else '##'} `{name}`\n\n```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from _command(found, f"{name} {child}", context)


def names() -> str:
    """Return the page of names that `umbel` exports."""
    import umbel

    parts = [
        "# Names to import\n\nThis page is written from docstrings by `python scripts/reference.py`: what `from umbel import …` gives.\n"
    ]
    for name in umbel.__all__:
        if not name.startswith("__"):
            parts += _name(name, getattr(umbel, name))
    return "\n".join(parts) + "\n"


def _name(name: str, value: Any) -> Iterator[str]:
    yield f"## `{name}`\n"
    yield _text(inspect.getdoc(value) if inspect.isclass(value) or callable(value) else None)
    if not inspect.isclass(value):
        return
    for member, function in sorted(vars(value).items()):
        plain = getattr(function, "__func__", function)
        if not member.startswith("_") and (inspect.isfunction(plain) or isinstance(function, property)) and inspect.getdoc(function):
            yield f"### `{name}.{member}{'()' if inspect.isfunction(plain) else ''}`\n"
            yield _text(inspect.getdoc(function))


def _text(doc: str | None) -> str:
    """Markdown of a docstring: its lists of arguments and errors become lists."""
    found: list[str] = []
    for line in (doc or "").splitlines():
        if re.fullmatch(r"(Args|Raises|Returns|Yields):", line):
            found += [f"*{line[:-1].replace('Args', 'Arguments')}*", ""]
        elif match := re.match(r"    (\*{0,2}\w[\w., *]*): (.*)", line):
            found.append(f"- `{match[1]}`: {match[2]}")
        else:
            found.append(line)
    return "\n".join(found) + "\n"


def overview() -> str:
    """Return the page for programs that read."""
    lines = ["# Umbel", "", f"> {_WHAT}", ""]
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        title = text.partition("\n")[0].lstrip("# ")
        first = next((each for each in text.split("\n\n")[1:] if re.match(r"[A-Z`*]", each)), "")
        sentence = " ".join(first.split()).partition(". ")[0].rstrip(".:")
        lines.append(f"- [{title}]({page.relative_to(DOCS).as_posix()}){f': {sentence}' if sentence else ''}")
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, Any]:
    """Return what writes each page; the last of them lists all."""
    from umbel.app.config.reference import page

    reference = DOCS / "reference"
    return {
        reference / "settings.md": page,
        reference / "commands.md": commands,
        reference / "names.md": names,
        DOCS / "llms.txt": overview,
    }


def main(arguments: list[str]) -> int:
    """Write them, or compare."""
    if arguments == ["--check"]:
        old = [path.relative_to(ROOT) for path, write in pages().items() if path.read_text(encoding="utf-8") != write()]
        print("".join(f"{path} is not current: run make docs\n" for path in old), end="")
        return 1 if old else 0
    for path, write in pages().items():
        path.write_text(write(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    os.environ["COLUMNS"] = str(_WIDTH)
    sys.exit(main(sys.argv[1:]))
