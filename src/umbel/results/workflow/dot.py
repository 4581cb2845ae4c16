"""Parts of graphs for Graphviz: quoted words, colours of states."""

from __future__ import annotations

from typing import Final

from umbel import states

_COLORS: Final = {
    states.SUCCESS: "palegreen",
    states.FAILURE: "salmon",
    states.REVOKED: "salmon",
    states.PENDING: "gray92",
    states.RETRY: "khaki",
    states.EXPIRED: "gray75",
    states.UNKNOWN: "gray75",
    states.IGNORED: "gray75",
}


def quoted(text: object) -> str:
    """Quote a word of the language; a line break in it breaks the label.

    Args:
        text: any.
    """
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\n", "\\n") + '"'


def color(state: str) -> str:
    """Return the colour of a state: that of running tasks for STARTED and states of one's own.

    Args:
        state: of a task.
    """
    return _COLORS.get(state, "lightskyblue")
