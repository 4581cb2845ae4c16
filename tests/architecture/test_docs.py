"""What the pages say is true: commands exist, links lead somewhere, generated pages are current."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from umbel.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
_WITH_VALUE = {"-A", "--app", "-b", "--broker", "--workdir", "--config", "--result-backend"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def typed_lines(page: Path) -> list[str]:
    """Lines that readers are told to type."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def command_of(words: list[str]) -> str | None:
    """The command in ``umbel …``, shared options passed over."""
    rest = iter(words[1:])
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return word
    return None


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_exist(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in typed_lines(page):
        words = shlex.split(line, comments=True)
        if words[:1] == ["umbel"]:
            assert command_of(words) in {*COMMANDS, None}, line
        if words[:1] == ["make"] and len(words) > 1:
            assert words[1] in targets, line


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_that_are_named_exist(page):
    words = re.findall(r"`([\w/]+\.py)(?:::[\w:]+)?`", page.read_text(encoding="utf-8"))
    there = [path.as_posix() for folder in ("src", "tests", "scripts", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")]
    words = [word for word in words if not word.startswith("t/integration/")]  # of Celery's suite, which is fetched when it is run
    assert not [word for word in words if not any(path.endswith(f"/{word}") for path in there)]


def test_generated_pages_are_current():
    command = [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_the_book_is_built_strictly(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert (tmp_path / "site" / "reference" / "commands.html").exists()


def test_the_page_of_options_has_every_option():
    from umbel.app.sending.options import PublishOptions
    from umbel.app.task.options import TaskOptions

    of_tasks, of_calls = (ROOT / "docs" / "reference" / "options.md").read_text(encoding="utf-8").split("## Of a call")
    options = {name for name in TaskOptions.__annotations__ if name not in {"app", "bound"}}
    assert not {name for name in options if f"`{name}`" not in of_tasks}
    assert not {field.name for field in dataclasses.fields(PublishOptions) if f"`{field.name}`" not in of_calls}


def test_the_readme_program_is_a_program(tmp_path):
    block = re.search(r"```python\n(# tasks\.py.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    namespace = {"__name__": "tasks"}
    exec(compile(block[1], "README.md", "exec"), namespace)
    assert namespace["add"](30, 42) == 72
    assert namespace["add"].name == "tasks.add"
