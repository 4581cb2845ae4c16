"""Names of sealed messages, remembered by all workers together, in the lease store.

A *lease* on a message's name says where it stands:

================ ============================================================================================================
owner            meaning
================ ============================================================================================================
a worker's token it is in this worker's hand, unsettled; renewed, and free some seconds after the worker has died
`SPENT`          it has been settled: whatever comes under this name is a copy. Kept until such a copy would be too old to be taken
nobody           it was never here, or was given back
================ ============================================================================================================

A message that is older than the window is taken only if it was in a worker's hand before it became so: a second name, `known`, says that. It is
written for a message that is in hand for longer than half of the window, or that goes back to the broker for longer than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from umbel.leases.base import Lease
from umbel.messages.timing import timestamp
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Delivery
from umbel.wire.signing.seals import Seal

#: The owner of the name of a message that has been settled.
SPENT: Final = "spent"
_KNOWN: Final = "known"
#: Seconds by which the clocks of machines may differ; and for which it is known that a message was in time.
_SLACK: Final = 300.0
_LONG: Final = 30 * 86400.0
#: Seconds of a lease that only asks whether there is another one.
_GLANCE: Final = 1.0


@dataclass(slots=True)
class Sealed:
    """A message with a good seal, in this worker's hand.

    Args:
        delivery: the message.
        name: under which it is remembered.
        until: when it becomes too old to be taken by a worker that has not seen it, seconds since the epoch.
        is_known: its name is written among those that were in time.
    """

    delivery: Delivery
    name: str
    until: float
    is_known: bool = False

    @classmethod
    def of(cls, delivery: Delivery, seal: Seal, window: float) -> Sealed:
        """Make it of a message that is authentic.

        Args:
            delivery: with an ``eta``, perhaps: its time begins then.
            seal: of this message.
            window: seconds.
        """
        eta, due = delivery.headers.get("eta"), seal.at
        if type(eta) is str:
            due = max(due, timestamp(eta))
        # What was sent to an exchange may lie in several queues, and each has one that may run.
        name = f"seal:{seal.name}:{delivery.queue}" if seal.exchange else f"seal:{seal.name}"
        return cls(delivery, name[:240], due + window)

    def is_old(self, now: float) -> bool:
        """Report whether no worker takes it for the first time any more; ``now`` is seconds since the epoch."""
        return now > self.until

    def hold(self, token: str, seconds: float) -> Lease:
        """The lease of the worker that has it: of its ``token``, for so many ``seconds``."""
        return Lease(self.name, token, seconds)

    def spend(self) -> Lease:
        """The lease that says that it has been settled."""
        return Lease(self.name, SPENT, max(self.until - SYSTEM.now(), 0.0) + _SLACK, takes_over=True)

    def know(self, seconds: float = 0.0) -> Lease:
        """The lease that says that it was in time; at least for so many ``seconds``."""
        return Lease(f"{self.name}:known", _KNOWN, max(seconds, _LONG))

    def glance(self, token: str) -> Lease:
        """The lease that is refused where it is known that the message was in time; ``token`` is the worker's."""
        return Lease(f"{self.name}:known", token, _GLANCE)
