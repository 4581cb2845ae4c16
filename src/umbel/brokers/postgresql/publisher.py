"""The blocking publisher: group commit.

A message that has been handed over stands in the outbox until a thread takes all that is there and commits it in one transaction. A commit waits for
the disk, about half a millisecond; what comes meanwhile is the next transaction. A call whose budget allows it
(`umbel.brokers.confirms.waiting`) sees to that itself and returns when its message is committed, or waits while another thread commits for both.
In a tight loop the budget ends, and a thread of the publisher's commits what the loop hands over, at most a window of it ahead.

When a connection is lost in a commit, nobody can tell whether it came to pass: the messages are sent again.
"""

from __future__ import annotations

import contextlib
import logging
import operator
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, Final

from umbel.brokers import enlisting
from umbel.brokers.base import BrokerOptions
from umbel.brokers.confirmed_publisher import ConfirmedPublisher
from umbel.brokers.confirms.receipts import WouldBlock
from umbel.brokers.confirms.waiting import WaitBudget
from umbel.brokers.confirms.window import MOST_BYTES
from umbel.brokers.envelope import CompiledStencil, encode
from umbel.brokers.exchanges import Rule, matching
from umbel.brokers.postgresql import rows, topology
from umbel.brokers.postgresql.line import Item, Line, names_in
from umbel.brokers.topology import Destination, Outgoing, Queue, whole
from umbel.clients.postgresql.database import Database
from umbel.clients.postgresql.values import Statement
from umbel.errors import MessageReturned, OperationalError, PublishError
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.message import Call, Message, Stencil

logger: logging.Logger = logging.getLogger("umbel.brokers.postgresql")

#: Messages, and bytes of them, in one transaction.
_BATCH: Final = 500
_BATCH_BYTES: Final = 4 * 1024 * 1024
#: Compiled stencils that are kept; a program has one for each task and route.
_MOST_STENCILS: Final = 4096
#: Seconds that a call which has failed waits for another thread, to take its messages back.
_PATIENCE: Final = 1.0
#: Seconds for which the bindings of an exchange are remembered; and without work after which the committing thread ends.
_ROUTES_FRESH, _IDLE = 1.0, 5.0


class PostgresqlPublisher(ConfirmedPublisher[Item]):
    """Fulfils `umbel.brokers.base.Publisher`."""

    def __init__(self, database: Database, options: BrokerOptions) -> None:
        self._database = database
        self._line = Line(database, self._try_to_connect)
        self._queues: dict[str, Queue] = {}
        self._stencils: dict[Stencil, CompiledStencil] = {}
        super().__init__(options, names_in)

    def forget(self) -> None:
        self._line.drop()
        self._reset()

    def _reset(self) -> None:
        super()._reset()
        #: Whoever holds it uses the connection. It is taken before the publisher's other lock, or without it.
        self._using = threading.Lock()
        #: Handed over and not committed, in order: the same as in the window.
        self._outbox: deque[Item] = deque()
        self._filled = threading.Event()
        self._thread: threading.Thread | None = None
        self._declared: set[str] = set()
        self._routes: dict[str, tuple[float, list[Rule]]] = {}
        self._budget = WaitBudget.of_process(calls=16)

    # publishing

    def _send(self, message: Message, to: Destination, started: float, deadline: float, *, is_confirmed: bool = False) -> None:
        if to.queue is not None:
            self._declare(to.queue, deadline)
        self._hand_over(self._items(message, to, deadline), started, deadline, is_confirmed=is_confirmed)

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        if stencil.exchange:
            self.publish(stencil.fill(call), Destination(stencil.exchange, stencil.routing_key))
            return
        now = time.monotonic()
        self._hand_over([self._filled_in(stencil, call)], now, now + self._options.publish_timeout)

    def _filled_in(self, stencil: Stencil, call: Call) -> Item:
        compiled = self._stencils.get(stencil)
        if compiled is None:
            if len(self._stencils) >= _MOST_STENCILS:
                self._stencils.clear()
            compiled = self._stencils[stencil] = CompiledStencil(stencil)
        return Item((stencil.routing_key, compiled.priority, 0, compiled.fill(call), call.body))

    def _items(self, message: Message, to: Destination, deadline: float) -> list[Item]:
        """The message for each queue that it reaches.

        Raises:
            MessageReturned: it reaches none, and must.
        """
        encoded = encode(message, to.exchange, to.routing_key)
        if not to.exchange:
            return [Item((to.routing_key, *encoded), to.mandatory)]
        found = self._route(to.exchange, to.routing_key, message.headers, deadline)
        if not found and to.mandatory:
            where = f"exchange {to.exchange!r} with routing key {to.routing_key!r}"
            raise MessageReturned(f"no queue for a message to {where} in {self._database.public()}: declare the queue first")
        return [Item((queue, *encoded), False) for queue in found]

    def _route(self, exchange: str, routing_key: str, headers: Mapping[str, Any], deadline: float) -> list[str]:
        known = self._routes.get(exchange)
        if known is None or known[0] < time.monotonic():
            if self._at_once:
                raise WouldBlock
            rules = topology.rules_in(self._run(topology.rules(exchange), deadline))
            known = time.monotonic() + _ROUTES_FRESH, rules
            if rules and not any(rule[1] == "fanout" for rule in rules):  # a worker that is new must not miss what is sent to all
                self._routes[exchange] = known
        return matching(known[1], routing_key, headers)

    def _send_many(self, messages: Iterable[Outgoing]) -> int:
        count = 0
        source = iter(messages)
        while chunk := list(islice(source, _BATCH)):
            count += len(chunk)
            now = time.monotonic()
            deadline = now + self._options.publish_timeout
            items: list[Item] = []
            for outgoing in chunk:
                content, to = outgoing
                if type(content) is Call and isinstance(to, Stencil) and not to.exchange:
                    items.append(self._filled_in(to, content))
                    continue
                message, where = whole(outgoing)
                if where.queue is not None:
                    self._declare(where.queue, deadline)
                items += self._items(message, where, deadline)
            self._hand_over(items, now, deadline, is_last=len(chunk) < _BATCH)
        return count

    def declare(self, queue: Queue) -> None:
        self._declare(queue, time.monotonic() + self._options.publish_timeout)

    def _declare(self, queue: Queue, deadline: float) -> None:
        if queue.name in self._declared:
            return
        self._queues[queue.name] = queue
        if not queue.no_declare and not queue.is_broadcast:
            if self._at_once:
                raise WouldBlock
            self._run(topology.declare(queue), deadline)
            self._routes.clear()
        self._declared.add(queue.name)

    # the outbox

    def _hand_over(self, items: list[Item], started: float, deadline: float, *, is_confirmed: bool = False, is_last: bool = True) -> None:
        """Put messages into the outbox, and see that they are committed.

        Args:
            items: the messages.
            started: when the call began, monotonic seconds.
            deadline: when it gives up, monotonic seconds.
            is_confirmed: the call waits for the answer by itself.
            is_last: of its call, which waits as long as its budget lasts.
        """
        execute = enlisting.current()
        if execute is not None:
            self._write_into(execute, items)
            return
        self._check_reachable(started, deadline)
        if is_last and not is_confirmed and not self._receipts.open and self._budget.allows(started):
            with self._receipts.opened() as receipt:
                self._enter(items, deadline)
            try:
                self._settle(receipt, deadline)
            except PublishError:
                raise
            except OperationalError:
                self._take_back(items)
                raise
            finally:
                now = time.monotonic()
                self._budget.spend(now - started, now)
        else:
            self._enter(items, deadline)
            if not is_confirmed:
                self._see_to_it()

    def _write_into(self, execute: enlisting.Execute, items: Iterable[Item]) -> None:
        """Write messages in the caller's transaction.

        Raises:
            PublishError: they could not be written.
        """
        if self._at_once:
            raise WouldBlock
        for item in items:
            try:
                execute(rows.ENQUEUE, item.row)
            except Exception as error:
                said = " ".join(str(error).split())
                raise PublishError(
                    f"a message could not be written on the given connection (is it in the database {self._database.public()}?): {said}"
                ) from error

    def _enter(self, items: list[Item], deadline: float) -> None:
        """Put messages into the window and the outbox, when there is room.

        Raises:
            OperationalError: there is none in time.
        """
        most = max(0, self._options.window - len(items))
        while True:
            with self._lock:
                if len(self._window) <= most and self._window.bytes < MOST_BYTES:
                    for item in items:
                        self._window.add(item, item.size)
                        self._outbox.append(item)
                    break
                if self._at_once:
                    raise WouldBlock
            left = deadline - time.monotonic()
            if left <= 0:
                raise OperationalError(f"{self._database.public()} has not confirmed {len(self._window)} messages: the window is full")
            self._wait_for_answers(left)
        if ARMED:
            hit("after_write_before_confirm")

    def _take_back(self, items: list[Item]) -> None:
        """Take messages of a call that fails out of the outbox, as far as they are there still and not under way."""
        if not self._using.acquire(timeout=_PATIENCE):
            return
        try:
            with self._lock:
                for item in items if not self._line.asked else ():
                    place = next((place for place, each in enumerate(self._outbox) if each is item), None)
                    if place is not None:
                        del self._outbox[place]
                        self._window.take_where(partial(operator.is_, item))
        finally:
            self._using.release()

    def _check_reachable(self, started: float, deadline: float) -> None:
        """Connect where there is no connection.

        Raises:
            OperationalError: the server cannot be reached.
        """
        if self._line.is_open:
            return
        if self._at_once:
            raise WouldBlock
        with self._in_use(deadline):
            if not self._line.is_open:
                self._failure.raise_since(started)
            self._line.connected(deadline)

    @contextlib.contextmanager
    def _in_use(self, deadline: float) -> Iterator[None]:
        """Use the connection alone.

        Raises:
            OperationalError: another thread uses it for too long.
        """
        if not self._using.acquire(timeout=max(0.1, deadline - time.monotonic())):
            raise OperationalError(f"{self._database.public()} could not be reached in time: another thread is still trying")
        try:
            yield
        finally:
            self._using.release()

    def _run(self, statement: Statement, deadline: float) -> Any:
        """Run a statement of one call, after what has been handed over before.

        Raises:
            OperationalError: the server cannot be reached or refuses.
        """
        with self._in_use(deadline):
            return self._line.run(statement, deadline)

    def _commit(self, deadline: float) -> None:
        """Commit what is in the outbox together, or, where the server refuses one of them, each by itself; `_using` is held.

        What is under way stays in the outbox until it is answered. Who is interrupted, as by a signal, leaves the answer to the next one.

        Raises:
            OperationalError: the server cannot be reached.
        """
        with self._lock:
            left, size = 0, 0
            for item in islice(self._outbox, _BATCH):
                left, size = left + 1, size + item.size
                if size >= _BATCH_BYTES:
                    break
        together = left = max(left, self._line.asked)
        while left > 0:
            with self._lock:
                part = list(islice(self._outbox, self._line.asked or min(together, left)))
            try:
                unknown = self._line.publish(part, deadline)
                if unknown:
                    unknown = self._publish_again(part, unknown, deadline)
            except OperationalError as error:
                if not error.is_permanent or not self._line.is_open:  # who is not let in may be let in again
                    raise
                if len(part) == 1:
                    left -= 1
                    with self._lock:
                        self._outbox.popleft()
                        self._window.refuse_next(PublishError(str(error), permanent=True))
                together = 1
                continue
            left -= len(part)
            with self._lock:
                self._confirm(part, unknown)

    def _publish_again(self, batch: list[Item], unknown: list[str], deadline: float) -> list[str]:
        """Declare again what somebody has deleted meanwhile, and publish what went there; returns what is unknown even so."""
        known = [self._queues[name] for name in unknown if name in self._queues and not self._queues[name].no_declare]
        if not known:
            return unknown
        for queue in known:
            self._line.run(topology.declare(queue), deadline)
        names = {queue.name for queue in known}
        self._line.run(rows.publish([item.row for item in batch if item.row[0] in names]), deadline)
        return [name for name in unknown if name not in names]

    def _confirm(self, batch: list[Item], unknown: list[str]) -> None:
        for item in batch:
            self._outbox.popleft()
            name = item.row[0]
            if unknown and item.is_mandatory and name in unknown:
                text = f"no queue for a message to queue {name!r} in {self._database.public()}: declare the queue first"
                self._window.refuse_next(MessageReturned(text))
            else:
                self._window.confirm_next()

    # answers

    def _take_answers(self, deadline: float) -> str:  # noqa: ARG002 - who waits commits
        return ""

    def _wait_for_answers(self, seconds: float) -> None:
        """Commit, or wait until the thread that commits has done so."""
        deadline = time.monotonic() + seconds
        with self._in_use(deadline):
            if self._outbox:
                self._commit(deadline)

    def _unanswered(self, cause: str) -> OperationalError:  # noqa: ARG002
        return OperationalError(f"{self._database.public()} has not confirmed {len(self._window)} messages in time")

    def _expect_answers(self) -> None:
        self._see_to_it()

    # the thread that commits

    def _see_to_it(self) -> None:
        """Have a thread commit what is in the outbox."""
        if not self._outbox:
            return
        self._filled.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, args=(self._filled,), daemon=True, name="umbel-postgresql-publisher")
                    self._thread.start()

    def _work(self, filled: threading.Event) -> None:
        """Commit again and again, until nothing has come for a while. It never raises: nobody else looks after what is unconfirmed."""
        while filled is self._filled:
            if not filled.wait(_IDLE):
                with self._lock:
                    if not self._outbox and not filled.is_set():
                        self._thread = None
                        return
            filled.clear()
            while self._outbox:
                try:
                    self._wait_for_answers(self._options.publish_timeout)
                except Exception as error:
                    logger.warning("%d messages are unconfirmed: %s", len(self._window), error)
                    time.sleep(1.0)
                self._receipts.tell()

    def _disconnect(self) -> None:
        if self._using.acquire(blocking=False):
            try:
                self._line.drop()
            finally:
                self._using.release()
        self._line = Line(self._database, self._try_to_connect)  # else another thread publishes, and its connection goes with it
        self._declared.clear()
        self._queues.clear()
        self._routes.clear()
        self._thread = None
        self._filled.set()
        self._filled = threading.Event()
