"""The workers, looked over by asking them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from umbel.clients.finding import Finding, judge

#: Replies of one command: a mapping of node → reply for each worker.
Replies = Sequence[Mapping[str, Any]]


def check(pings: Replies, tasks: Mapping[str, Sequence[str]], software: Mapping[str, str], own: Sequence[str]) -> Iterator[Finding]:
    """Look workers over.

    Args:
        pings: their replies to ``ping``, one for each worker, also where two have one name.
        tasks: the names of tasks that each knows.
        software: what each says it is: name and version.
        own: names of this app's tasks.
    """
    good, warning, error = judge("workers")
    names = Counter(node for reply in pings for node in reply)
    if not names:
        yield warning("no worker answers", "start one: umbel -A … worker; it answers unless worker_enable_remote_control is off")
        return
    yield good(f"{sum(names.values())} answer")
    for node, times in sorted(names.items()):
        if times > 1:
            yield error(
                f"{times} workers are called {node}: commands and events of one are taken for the other's",
                "give each a name of its own, with -n",
            )
    versions = Counter(software.values())
    if len(versions) > 1:
        yield warning(
            f"they run different versions: {', '.join(f'{name} ({count})' for name, count in versions.most_common())}", "bring them to one"
        )
    for node, known in sorted(tasks.items()):
        lacking = sorted({*own} - {*known})
        if lacking:
            shown = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
            yield warning(
                f"{node} does not know {shown}",
                "it runs older code, or does not import that module: start it again, or see to it that such tasks go to others",
            )
