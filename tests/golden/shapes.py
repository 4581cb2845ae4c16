"""The structure of a reply: its fields and kinds of values, without the values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: Objects whose fields are names of tasks or settings, or ids.
FREE = ("total", "conf", "query_task")


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """What is of another structure, as text. Lists are compared by their first values; a value may be missing (null) on either side."""
    if ours is None or theirs is None:
        return
    if isinstance(ours, bool) or isinstance(theirs, bool) or type(ours) is not type(theirs):
        if type(ours) is not type(theirs) and not (_is_number(ours) and _is_number(theirs)):
            yield f"{path}: {type(ours).__name__}, not {type(theirs).__name__}"
    elif isinstance(ours, dict):
        if path.rpartition(".")[2] in FREE:
            values = [*ours.values()][:1] + [*theirs.values()][:1]
            if len(values) == 2 and not path.endswith("conf"):
                yield from differences(*values, f"{path}.*")
            return
        yield from (f"{path}.{name}: missing" for name in theirs.keys() - ours.keys())
        yield from (f"{path}.{name}: is no field" for name in ours.keys() - theirs.keys())
        for name in sorted(ours.keys() & theirs.keys()):
            yield from differences(ours[name], theirs[name], f"{path}.{name}")
    elif isinstance(ours, list) and ours and theirs and not path.endswith(".args"):
        yield from differences(ours[0], theirs[0], f"{path}[0]")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
