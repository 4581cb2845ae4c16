"""The backlog of RabbitMQ behind a publisher: what would be lost if the publishing process ended now. Pure.

Bytes in the kernel's hands are not yet a message in a queue. When a connection ends, RabbitMQ stops its channel's process, and with it goes
what that process has not routed yet; and a process that ends by ``os._exit``, ``exec`` or a signal ends its connection at once.
So a publishing call returns only when its message is known to be routed. *Marks* tell: a repeated confirm.select, which a channel
answers in its turn and, unlike a confirm, without waiting for a disk. When the budget of waiting is spent (`umbel.brokers.confirms.waiting`), only the
window of unconfirmed messages bounds what is under way, until the loop of calls ends or pauses.
"""

from __future__ import annotations

from collections import deque

from umbel.brokers.confirms.waiting import WaitBudget


class Backlog:
    """Counts messages, by number, that are written and not known to be routed.

    Args:
        budget: how long calls may wait.
    """

    __slots__ = ("_marks", "budget", "routed")

    def __init__(self, budget: WaitBudget) -> None:
        self.budget: WaitBudget = budget
        self._marks: deque[int] = deque()
        #: All messages up to this number are routed.
        self.routed: int = 0

    def wants_mark(self, number: int, now: float) -> bool:
        """Report whether a mark belongs behind this message.

        Args:
            number: of the message that is about to be written.
            now: monotonic seconds.
        """
        if not self.budget.allows(now):
            return False
        self._marks.append(number)
        return True

    def answered(self, count: int) -> None:
        """So many marks have come back."""
        marks = self._marks
        for _ in range(min(count, len(marks))):
            self.routed = marks.popleft()

    def is_behind(self, number: int) -> bool:
        """Report whether a call should wait before it returns."""
        return bool(self._marks) and number > self.routed and not self.budget.is_spent

    def restart(self, number: int) -> None:
        """A new channel: old marks will not come back."""
        self._marks.clear()
        self.routed = number
