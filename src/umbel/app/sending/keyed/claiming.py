"""Claims of unique calls: keys are taken before messages leave, and a call whose key is held becomes the handle of the one that has it.

A key is taken for half a minute first, and held for its time when the broker has the message: so a sender that dies in between keeps nobody waiting for long.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from umbel.app.sending.keyed.unique import CLAIMED, RAISE, THROTTLE, UniqueCall
from umbel.errors import DuplicateCall, ImproperlyConfigured, OperationalError
from umbel.leases.base import Lease, LeaseStore
from umbel.messages.task_keys import FINISH, KEYS, NEWER, lease_name, parse
from umbel.messages.timing import timestamp
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Message

logger: logging.Logger = logging.getLogger("umbel.app")

#: A call on its way, as the outbox renders it: its handle, its plan, its content.
Rendered = tuple[Any, Any, Any]
#: A unique call: its key, and its id.
Keyed = tuple[UniqueCall, str]


class HasLeases(Protocol):
    """An app, as far as its leases go."""

    @property
    def leases(self) -> LeaseStore:
        """Keeps unique keys."""


class Claims:
    """Takes keys for the calls of one app.

    Args:
        leases: finds the lease store.
    """

    def __init__(self, leases: Callable[[], LeaseStore]) -> None:
        self._leases = leases

    def take(self, rendered: Sequence[Rendered], handle_of: Callable[[str, str], Any], held: list[Keyed]) -> list[Rendered]:
        """Take the keys of calls that are about to leave. One whose key is held is to stay: it has another's handle, and no content.

        Args:
            rendered: calls.
            handle_of: makes the handle of a task: id, name.
            held: what has been taken is added here.

        Raises:
            DuplicateCall: the key of a call that wants to know is held. No key was taken.
            ImproperlyConfigured: there is no lease store.
            OperationalError: it cannot be reached.
        """
        keyed = [(place, plan.unique, handle.id) for place, (handle, plan, _) in enumerate(rendered) if plan.unique is not None]
        # A throttled key is held for its time from now on, whatever becomes of the message.
        asked = [call.lease(task_id, call.seconds if call.on_conflict == THROTTLE else CLAIMED) for _, call, task_id in keyed]
        grants = self._leases().acquire(asked)
        taken: list[Keyed] = []
        found = list(rendered)
        duplicate: DuplicateCall | None = None
        for (place, call, task_id), grant in zip(keyed, grants, strict=True):
            if grant.is_held:
                taken.append((call, task_id))
            elif call.on_conflict == RAISE:
                text = f"a call of {call.task} with the same unique key waits or runs already: {grant.other}"
                duplicate = duplicate or DuplicateCall(text, task_id=grant.other)
            elif not call.is_promised:
                found[place] = handle_of(grant.other, call.task), rendered[place][1], None
        if duplicate is not None:
            self.give_up(taken)
            raise duplicate
        held += taken
        return found

    def keep(self, held: Sequence[Keyed]) -> None:
        """Hold the keys of calls that are with the broker now, each for its time. Where that cannot be done they are free in half a minute.

        Args:
            held: by `take`.
        """
        try:
            self._leases().renew([call.lease(task_id, call.seconds) for call, task_id in held])
        except OperationalError as error:
            logger.warning("The unique keys of %d calls that were sent are held for %g s only: %s", len(held), CLAIMED, error)

    def give_up(self, held: Sequence[Keyed]) -> None:
        """Free the keys of calls that could not be sent; what cannot be reached frees them in half a minute.

        Args:
            held: by `take`.
        """
        try:
            self._leases().release([Lease(call.name, task_id, 0.0) for call, task_id in held])
        except OperationalError as error:
            logger.warning("The unique keys of %d calls that could not be sent are held for %g s: %s", len(held), CLAIMED, error)


def hold_keys(app: HasLeases, messages: Sequence[Message]) -> None:
    """Hold the keys of messages that follow a task and are about to be published. They are sent whoever has their keys, and wait for them in a worker.

    Args:
        app: whose lease store is asked.
        messages: some of them have keys.
    """
    leases = [lease for message in messages if (lease := lease_of(message, SYSTEM.now())) is not None]
    try:
        if leases:
            app.leases.acquire(leases)
    except (OperationalError, ImproperlyConfigured) as error:
        logger.warning("The unique keys of what follows a task are not held before it runs: %s", error)


def lease_of(message: Message, now: float) -> Lease | None:
    """Find the lease that a message should have while it waits; ``None`` where it needs none.

    Args:
        message: that is about to be published.
        now: seconds since the epoch.
    """
    keys, task_id, task = parse(message.headers.get(KEYS)), message.headers.get("id"), message.headers.get("task")
    is_retry = bool(message.headers.get("retries"))
    if keys is None or not keys.unique or not isinstance(task_id, str) or not isinstance(task, str) or (is_retry and keys.until != FINISH):
        return None  # another attempt has been begun before; and a newer call may have taken its key
    eta = message.headers.get("eta")
    waits = max(0.0, timestamp(eta) - now) if eta else 0.0
    return Lease(lease_name("unique", task, keys.unique), task_id, keys.seconds + waits, takes_over=keys.until == NEWER)
