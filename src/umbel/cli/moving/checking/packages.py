"""Packages that extend Celery, where a project says that it needs them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from umbel.cli.moving.checking.findings import Finding, Verdict
from umbel.cli.moving.checking.reading import files, relative

_MUST, _DIFFERS, _WORKS = Verdict.MUST_CHANGE, Verdict.DIFFERS, Verdict.WORKS
#: As docs/third-party.md tells it.
KNOWN: Final[dict[str, tuple[Verdict, str]]] = {
    "celery": (_DIFFERS, "It may stay (UMBEL_AS_CELERY=1), or go (umbel-as-celery): docs/guide/moving-from-celery.md"),
    "kombu": (_WORKS, "It may stay: its Queue and Exchange are taken"),
    "django-celery-results": (_MUST, "Its store is not loaded: use sqlite:, redis: or another result store"),
    "django-celery-beat": (_WORKS, "One beat at a time, as with Celery"),
    "celery-redbeat": (_WORKS, "Umbel's own schedule may be in Redis, too, with any number of beats"),
    "celery-singleton": (_WORKS, "Umbel has unique tasks of its own"),
    "celery-once": (_WORKS, "Umbel has unique tasks of its own"),
    "celery-batches": (_MUST, "It reaches into Celery's worker: use @app.task(batch_size=…)"),
    "sentry-sdk": (_DIFFERS, "Its CeleryIntegration patches Celery's worker: use umbel[sentry]"),
    "opentelemetry-instrumentation-celery": (_DIFFERS, "umbel[opentelemetry] does this"),
    "flower": (_WORKS, "Beside Umbel's workers, in an environment with Celery"),
}
_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def check_packages(project: Path) -> Iterator[Finding]:
    """Look at what a project requires: in requirements files and in ``pyproject.toml``.

    Args:
        project: a folder.
    """
    if project.is_file():
        return
    for path in files(project, (".txt", ".in", "pyproject.toml")):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if path.name == "pyproject.toml":
            required = _of_project(text)
        elif "requirements" in path.relative_to(project).as_posix():
            required = [(line, number) for number, line in enumerate(text.splitlines(), 1)]
        else:
            continue
        for line, number in required:
            found = _NAME.match(line)
            name = re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""
            if name in KNOWN:
                verdict, advice = KNOWN[name]
                yield Finding(relative(path, project), number, verdict, name, advice)


def _of_project(text: str) -> list[tuple[str, int]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return []
    project, poetry = document.get("project") or {}, (document.get("tool") or {}).get("poetry") or {}
    found = [str(each) for each in project.get("dependencies") or ()]
    for extra in (project.get("optional-dependencies") or {}).values():
        found += [str(each) for each in extra]
    found += [str(name) for name in poetry.get("dependencies") or ()]
    return [(each, 0) for each in found]
