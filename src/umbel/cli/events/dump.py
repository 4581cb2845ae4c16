"""``umbel events --dump``: a line for each event, as it comes."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping
from typing import Any, Final

from umbel.cli.output import Output, as_json
from umbel.events.parsing import is_time
from umbel.events.state import Recent
from umbel.runtime.logs import escape

#: Ids of tasks whose names are remembered: only the first events of a task tell it.
_NAMES: Final = 10_000
#: Fields that stand at the beginning of a line, or say nothing to a person.
_APART: Final = frozenset({"hostname", "type", "timestamp", "uuid", "name", "utcoffset", "pid", "clock", "local_received"})


class Dump:
    """Prints events.

    Args:
        output: of the command line.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._names: Recent[str] = Recent(_NAMES)

    def print(self, event: Mapping[str, Any]) -> None:
        """Print one.

        Args:
            event: its fields.
        """
        self._output.line(as_json(event) if self._output.as_json else self.line_of(event))
        sys.stdout.flush()  # a pipe shows it at once, too

    def line_of(self, event: Mapping[str, Any]) -> str:
        """Write an event as a line: when, whose, its type, the task, its other fields.

        Args:
            event: its fields.
        """
        parts = [_when(event.get("timestamp")), _text(event.get("hostname")), _text(event.get("type"))]
        uuid = event.get("uuid")
        if isinstance(uuid, str):
            name = event.get("name")
            if isinstance(name, str):
                self._names.add(uuid, name)
            parts.append(f"{_text(self._names.get(uuid, '?'))}[{_text(uuid)}]")
        parts += [f"{_text(key)}={_text(value)}" for key, value in event.items() if key not in _APART and value is not None]
        return "  ".join(parts[:4]) + ("  " + " ".join(parts[4:]) if len(parts) > 4 else "")


def _text(value: Any) -> str:
    return escape(value if isinstance(value, str) else str(value))


def _when(timestamp: Any) -> str:
    """Local time, as in log lines."""
    if not is_time(timestamp):
        return "–"
    return dt.datetime.fromtimestamp(timestamp).isoformat(" ", "milliseconds")  # noqa: DTZ006 - people read their own time
