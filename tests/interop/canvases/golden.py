"""What was recorded: ``tests/golden/canvases_celery.json`` and, where Umbel comes to something else, ``canvases_umbel.json``.

Each file has a part for Redis, and one for what is different with RabbitMQ as the broker; an outcome a line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "golden"
PLACES = ("redis", "rabbitmq")
Outcomes = Mapping[str, Any]


def celery(place: str) -> dict[str, Any]:
    """What Celery came to: name → outcome.

    Args:
        place: ``redis`` or ``rabbitmq``.
    """
    return _merged(_read("celery"), place)


def umbel(place: str) -> dict[str, Any]:
    """What Umbel has to come to.

    Args:
        place: ``redis`` or ``rabbitmq``.
    """
    return {**celery(place), **own(place)}


def own(place: str) -> dict[str, Any]:
    """What Umbel comes to where that is not what Celery does.

    Args:
        place: ``redis`` or ``rabbitmq``.
    """
    return _merged(_read("umbel"), place)


def write(celery_found: Mapping[str, Outcomes], umbel_found: Mapping[str, Outcomes]) -> None:
    """Write both files.

    Args:
        celery_found: outcomes by place, of all canvases.
        umbel_found: likewise.
    """
    _write("celery", {"redis": celery_found["redis"], "rabbitmq": _other(celery_found["rabbitmq"], celery_found["redis"])})
    own = _other(umbel_found["redis"], celery_found["redis"])
    _write("umbel", {"redis": own, "rabbitmq": _other(umbel_found["rabbitmq"], {**celery_found["rabbitmq"], **own})})


def differing(first: Outcomes, second: Outcomes) -> list[str]:
    """Names of outcomes that are not the same.

    Args:
        first: by name.
        second: by name.
    """
    return [name for name in {**first, **second} if first.get(name) != second.get(name)]


def _merged(found: Mapping[str, dict[str, Any]], place: str) -> dict[str, Any]:
    return {**found["redis"], **(found["rabbitmq"] if place == "rabbitmq" else {})}


def _other(found: Outcomes, known: Outcomes) -> dict[str, Any]:
    return {name: outcome for name, outcome in found.items() if known.get(name) != outcome}


def _path(library: str) -> Path:
    return FOLDER / f"canvases_{library}.json"


def _read(library: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(_path(library).read_text(encoding="utf-8"))
    return found


def _write(library: str, parts: Mapping[str, Outcomes]) -> None:
    texts = []
    for place, outcomes in parts.items():
        lines = [f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(outcome, ensure_ascii=False)}" for name, outcome in outcomes.items()]
        texts.append(f"{json.dumps(place)}: {{\n" + ",\n".join(lines) + "\n}")
    _path(library).write_text("{" + ",\n".join(texts) + "}\n", encoding="utf-8")
