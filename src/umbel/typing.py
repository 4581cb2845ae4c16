"""Names for types that several floors share."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ParamSpec, TypeAlias, TypeVar

#: The parameters of a task's function.
P = ParamSpec("P")
#: What a task's function returns.
R = TypeVar("R")

#: A point in time or a distance from now: seconds, a date with or without zone, or ISO 8601 text.
When: TypeAlias = "float | datetime | timedelta | str"
