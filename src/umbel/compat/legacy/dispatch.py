"""``celery.utils.dispatch``: signals of a project's own."""

from __future__ import annotations

from collections.abc import Iterable

from umbel import hooks


class Signal(hooks.Signal):
    """A signal that is made as Celery's are: nothing has to be said.

    Args:
        providing_args: names of the keywords that receivers get; for readers.
        use_caching: Celery's; without effect.
        name: for messages.
    """

    __slots__ = ()

    def __init__(
        self,
        providing_args: Iterable[str] | None = None,
        use_caching: bool = False,  # noqa: ARG002 - Celery's
        name: str | None = None,
    ) -> None:
        super().__init__(name or "unnamed", *(providing_args or ()))
