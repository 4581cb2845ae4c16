"""Names for types that several floors share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeAlias, TypeVar

#: The parameters of a task's function.
P = ParamSpec("P")
#: What a task's function returns.
R = TypeVar("R")

#: A point in time or a distance from now: seconds, a date with or without zone, or ISO 8601 text.
When: TypeAlias = "float | datetime | timedelta | str"
#: A signature as it travels: ``{"task", "args", "kwargs", "options", "subtask_type", "immutable"}``.
SignatureDict: TypeAlias = Mapping[str, Any]
#: Any function.
AnyFunction: TypeAlias = Callable[..., Any]
