"""The plan that the members of one group share: calls of one task that differ in their arguments, ids and places only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from umbel.app.sending.options import PublishOptions
from umbel.app.sending.plans import plans_of
from umbel.app.sending.publishing import Plan
from umbel.messages import v2
from umbel.messages.model import Embed
from umbel.messages.preview import preview
from umbel.wire.message import Call

#: Options that all members of a group share; ``group_id`` tells most groups apart, and is looked at first.
_SHARED: Final = ("group_id", "reply_to", "chord", "add_to_parent", "queue", "exchange", "routing_key", "priority", "serializer")
_ALL: Final = frozenset(("task_id", "group_index", "root_id", "parent_id", *_SHARED))
#: So many members are planned one by one, before a plan for the others is worth its price.
_FEW: Final = 8
#: Places that AMQP writes in 32 bits.
_MOST_PLACES: Final = 1 << 31
#: A named tuple's own constructor takes twice as long.
_new = tuple.__new__


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """The plan of a group's members that are calls of one task. What has the same name in a `Plan` means the same."""

    plan: Plan
    options: PublishOptions
    #: The end of their bodies, which names their chord; empty where they have none.
    tail: bytes

    @property
    def stencil(self) -> Any:
        """See `Plan`."""
        return self.plan.stencil

    @property
    def to(self) -> Any:
        """See `Plan`."""
        return self.plan.to

    @property
    def delivery(self) -> Any:
        """See `Plan`."""
        return self.plan.delivery

    @property
    def ignored(self) -> bool:
        """See `Plan`."""
        return self.plan.ignored

    #: See `Plan`.
    unique: ClassVar[None] = None

    def render(self, own: Mapping[str, Any], parent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Render what goes into the holes of the stencil.

        Args:
            own: options of the member.
            parent: the request of the task that sends it, if any.
            args: positional arguments.
            kwargs: keyword arguments.

        Raises:
            EncodeError: the arguments cannot be written.
        """
        task_id, root_id, parent_id = own["task_id"], own.get("root_id"), own.get("parent_id")
        if parent is not None:
            root_id, parent_id = root_id or parent.root_id, parent_id or parent.id
        body = v2.body(args, kwargs, serializer=self.plan.serializer, tail=self.tail)[2]
        kwargsrepr = preview(kwargs) if kwargs else "{}"
        return _new(Call, (task_id, root_id or task_id, parent_id, preview(args), kwargsrepr, body, own["group_index"]))


class MemberPlans:
    """Finds the plan of a group's members among the calls of one bulk, where they mostly follow each other.

    Args:
        plan: plans the calls of a task with these options, see `Outbox.plan`.
    """

    def __init__(self, plan: Callable[[Any, PublishOptions], Plan | None]) -> None:
        self._plan_calls = plan
        self._key: tuple[Any, ...] | None = None
        self._seen = 0
        self._plan: MemberPlan | None = None

    def find(self, task: Any, given: Mapping[str, Any]) -> MemberPlan | None:
        """Find the plan of one call; ``None``: it is to be planned by itself.

        Args:
            task: the task object.
            given: the call's options.
        """
        index = given.get("group_index")
        if type(index) is not int or not 0 <= index < _MOST_PLACES or not given.keys() <= _ALL or not given.get("task_id"):
            return None
        key = (task, *map(given.get, _SHARED))
        if key != self._key:
            self._key, self._seen, self._plan = key, 0, None
        self._seen += 1
        if self._seen == _FEW:
            self._plan = self._make(task, given)
        return self._plan

    def _make(self, task: Any, given: Mapping[str, Any]) -> MemberPlan | None:
        if not plans_of(task).is_plain:
            return None
        options = PublishOptions.parse({name: given[name] for name in _SHARED if name in given})
        plan = self._plan_calls(task, options)
        if plan is None or (options.chord and plan.serializer != "json"):
            return None
        return MemberPlan(plan, options, v2.tail(Embed(chord=options.chord)) if options.chord else b"")
