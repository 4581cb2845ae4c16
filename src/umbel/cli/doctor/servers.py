"""The broker and the result store, looked over by using them."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Final

from umbel.brokers.base import Broker
from umbel.brokers.topology import Destination, Queue
from umbel.clients.finding import Finding, HasCheckup, judge
from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Message

#: Seconds for which a queue may live that is left behind.
_EXPIRES: Final = 60.0


def look_over(thing: object, url: str, subject: str) -> tuple[list[Finding], bool]:
    """Have a broker or a store look its server over; returns what it found, and whether it could be reached.

    Args:
        thing: the broker or store.
        url: of it, without the password.
        subject: of the findings.
    """
    good, _, error = judge(subject)
    if not isinstance(thing, HasCheckup):
        return [good(f"{url}: nothing more is known of it")], True
    try:
        return list(thing.checkup(subject)), True
    except (OperationalError, ImproperlyConfigured) as problem:
        return [error(str(problem), f"see to it that {url} can be reached from here, and lets this user in")], False


def send_round(broker: Broker) -> Iterator[Finding]:
    """Send a message to a queue of its own, wait for the broker's confirm, and take it out again.

    Args:
        broker: to be tried.
    """
    good, _, error = judge("broker")
    name = f"umbel-doctor-{uuid.uuid4().hex}"
    try:
        with contextlib.closing(broker.queue_client()) as client:
            client.declare(Queue(name, None, name, durable=False, expires=_EXPIRES))
            try:
                asked = SYSTEM.monotonic()
                broker.publisher().publish(Message(b"[]", {"id": name, "task": name}), Destination("", name), confirm=True)
                took = SYSTEM.monotonic() - asked
                delivery = client.get(name)
                if delivery is None or not client.ack(delivery):
                    yield error(
                        "a message that was confirmed could not be taken out again", "ask for help: umbel report says what is installed"
                    )
                    return
            finally:
                client.delete(name)
    except (OperationalError, ImproperlyConfigured) as problem:
        yield error(f"no message goes through: {problem}", "let this user declare, write to and read queues")
        return
    yield good(f"a message goes through and is confirmed in {1000 * took:.1f} ms")


def check_queues(broker: Broker, names: Iterable[str], read: Iterable[str] | None) -> Iterator[Finding]:
    """Look for queues that nobody empties.

    Args:
        broker: has the queues.
        names: of the app's queues.
        read: queues that workers read; ``None``: no worker has said.
    """
    good, warning, _ = judge("queues")
    found: list[Finding] = []
    try:
        with contextlib.closing(broker.queue_client()) as client:
            for name in names:
                waiting, dead = client.length(name) or 0, client.length(f"{name}.dead") or 0
                if waiting and read is not None and name not in set(read):
                    found.append(
                        warning(
                            f"{waiting:,} message{'' if waiting == 1 else 's'} wait{'s' if waiting == 1 else ''} in {name}, which no worker reads",
                            f"start a worker with -Q {name}",
                        )
                    )
                if dead:
                    found.append(
                        warning(
                            f"{dead:,} dead letter{'' if dead == 1 else 's'} of {name}",
                            "umbel dead list says why; umbel dead replay sends them again",
                        )
                    )
    except OperationalError:
        return  # the broker's own findings have said it
    yield from found or [good("nothing waits that nobody reads, and there are no dead letters")]


def url_of(thing: Any) -> str:
    """Return the URL of a broker or store, without the password.

    Args:
        thing: the broker or store.
    """
    return str(thing.public_url())
