"""Write the reference page of settings from the table: ``python -m umbel.app.config.reference docs/reference/settings.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from umbel.app.config import schema, sources
from umbel.app.config.setting import UNSET, Setting

_HEAD = """\
# Settings

This page is written from the table in `src/umbel/app/config/tables` by `python -m umbel.app.config.reference`.

Set them by `app.conf.name = value`, `app.conf.update(...)`, `app.config_from_object("module")`, or as arguments of `Umbel(...)`.
Old names, from Celery 3, work too; a module may not mix both. An unknown name is an error that suggests the right one.

With `config_from_object("module", namespace="CELERY")`, every setting in the module begins with `CELERY_`, and others are left alone.

These environment variables are read, too; the first that is set counts, and `UMBEL_` stands before `CELERY_`:
{variables}.
From the strongest: what is assigned (`app.conf.x = …`, `changes=`, the command line), these variables, arguments of `Umbel(...)`, the configuration
module, `app.add_defaults(...)`, the defaults below. So `CELERY_BROKER_URL` outranks `Umbel(broker=...)`.

*Compat* settings are read and kept, so that a Celery project's configuration loads, and change nothing.
"""


def page() -> str:
    """The whole page, Markdown."""
    variables = ", ".join(f"`{variable}`" for names in sources.ENVIRONMENT.values() for variable in names)
    return "\n".join([_HEAD.replace("{variables}", variables), *_sections()]).rstrip() + "\n"


def _sections() -> Iterator[str]:
    for namespace, rows in schema.NAMESPACES.items():
        yield f"## {namespace.capitalize()}\n"
        yield "| setting | default | takes | meaning | old names |"
        yield "|---|---|---|---|---|"
        for row in rows:
            yield f"| `{row.name}` | {_code(row.default)} | {row.kind.name} | {_meaning(row)} | {', '.join(f'`{old}`' for old in row.old)} |"
        yield ""


def _meaning(row: Setting) -> str:
    notes = []
    if row.own:
        notes.append("Umbel's own.")
    if row.celery is not UNSET:
        notes.append(f"Celery's default: {_code(row.celery)}.")
    if not row.used:
        notes.append("*Compat.*")
    return " ".join([row.meaning, *notes])


def _code(value: Any) -> str:
    return (
        f"`{value!r}`".replace("|", "\\|") if not (isinstance(value, str) and "(" in value and ")" in value and "%" not in value) else value
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
