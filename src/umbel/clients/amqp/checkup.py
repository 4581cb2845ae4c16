"""Facts that an AMQP broker tells of itself in its greeting, and that matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from umbel.clients.finding import Finding, judge

#: Capabilities that are used here, and what is lost without each.
_NEEDED: Final = {
    "publisher_confirms": "what is sent is not confirmed, and may be lost",
    "basic.nack": "what it cannot take is not told",
    "consumer_cancel_notify": "a worker does not learn that its queue was deleted",
}


def check(server: Mapping[str, Any], subject: str) -> Iterator[Finding]:
    """Look a broker over.

    Args:
        server: its properties.
        subject: of the findings.
    """
    good, _, error = judge(subject)
    product, version = str(server.get("product", "a broker")), str(server.get("version", "?"))
    yield good(f"{product} {version} lets us in")
    can = server.get("capabilities")
    can = can if isinstance(can, Mapping) else {}
    lacking = [name for name in _NEEDED if not can.get(name)]
    for name in lacking:
        yield error(f"it does not offer {name}: {_NEEDED[name]}", "use RabbitMQ, or another broker that has it")
    if not lacking:
        yield good("it confirms what is sent")
