"""Messages of a rate limit that wait in the broker's delayed store: when each comes back."""

from __future__ import annotations

from umbel.worker.gates.base import Asked, Later

#: Seconds from its turn above which a message does not wait for its turn in the delayed store, but comes back to be asked again.
FAR = 60.0
#: Seconds between two of those that come back, at most.
RETURN = 0.01
#: Seconds for which a message goes to the delayed store, at least.
LEAST_AWAY = 1.0


class Away:
    """Those of one limit that this worker has sent away."""

    __slots__ = ("last_far", "last_turn")

    def __init__(self) -> None:
        #: When the last of those that wait for their turn has it, as far as that can be foreseen.
        self.last_turn: float = 0.0
        #: When the last of those that are far from it comes back.
        self.last_far: float = 0.0

    def later(self, turn: float, spacing: float, asked: Asked) -> Later:
        """Send a message away, behind those that were sent away before.

        Args:
            turn: seconds until its turn, if nobody were away.
            spacing: seconds between two turns.
            asked: the message.
        """
        turn = max(asked.now + turn, self.last_turn + spacing)
        if turn - asked.now <= FAR:
            self.last_turn = turn
            return Later(max(LEAST_AWAY, turn - asked.now - asked.near / 2))
        self.last_far = max(asked.now + FAR, self.last_far + min(RETURN, spacing / 2))
        return Later(self.last_far - asked.now)
