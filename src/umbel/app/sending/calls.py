"""`TaskCall`: one call of a task that is to be published, as `Outbox.publish` takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

#: No options.
NOTHING: Final[Mapping[str, Any]] = {}


class TaskCall(NamedTuple):
    """One call: which task, with what, how."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    #: Calling options by name, see `umbel.app.sending.options.PublishOptions`.
    options: Mapping[str, Any] = NOTHING
    #: The task object: its arguments are checked here, and it runs here under ``task_always_eager``. ``None``: called by name, as by ``send_task``.
    task: Any = None
