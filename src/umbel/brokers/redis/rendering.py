"""Messages → commands that put them into their lists."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from typing import NamedTuple

from umbel.brokers.redis.topology import Table
from umbel.brokers.topology import Destination
from umbel.errors import MessageReturned
from umbel.wire.message import Call, Message, Stencil
from umbel.wire.redis import envelope
from umbel.wire.redis.channels import Channels
from umbel.wire.redis.keys import Keys
from umbel.wire.redis.resp import pack_all

#: A command in a publisher's window: (list, envelope), or `None` for one whose reply says nothing about a message.
Item = tuple[bytes, bytes] | None

#: Stencils whose templates are kept; an app has one for each task, and one more for each set of options of it.
_MOST_TEMPLATES = 4096


class Compiled(NamedTuple):
    """A compiled stencil: its envelopes, the command up to the envelope's length, the list."""

    template: envelope.CompiledStencil
    head: bytes
    key: bytes


class Renderer:
    """Renders the messages of one publisher.

    Args:
        keys: the names.
        channels: of kombu's fanout exchanges.
        table: finds the bindings of an exchange.
    """

    def __init__(self, keys: Keys, channels: Channels, table: Callable[[str], Table]) -> None:
        self._keys = keys
        self._channels = channels
        self._table = table
        self._templates: dict[Stencil, Compiled] = {}
        self.new_tags()

    def new_tags(self) -> None:
        """Begin a new run of delivery tags: ten random bytes and a count, in the shape of a UUID. A forked process needs its own."""
        noise = os.urandom(10).hex()
        self._tag_head = f"{noise[:8]}-{noise[8:12]}-4{noise[12:15]}-a{noise[15:18]}-"
        # next() of this is one step for all threads.
        self._tag_numbers = itertools.count(1)

    def tag(self) -> str:
        """A delivery tag that nobody else has."""
        return f"{self._tag_head}{next(self._tag_numbers):012x}"

    def compile(self, stencil: Stencil) -> Compiled | None:
        """The compiled form of a stencil; ``None`` when its messages have to be routed one by one."""
        compiled = self._templates.get(stencil)
        if compiled is None and not stencil.exchange:
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            key = self._keys.list_for(stencil.routing_key, stencil.properties.get("priority")).encode()
            head = b"*3\r\n$5\r\nLPUSH\r\n$%d\r\n%b\r\n$" % (len(key), key)
            compiled = self._templates[stencil] = Compiled(envelope.CompiledStencil(stencil), head, key)
        return compiled

    def fill(self, compiled: Compiled, call: Call) -> tuple[bytes, tuple[bytes, bytes]]:
        """The command of one call, packed, and what it carries.

        Args:
            compiled: its stencil.
            call: what fills it.
        """
        template, head, key = compiled
        raw = template.render(call, self.tag())
        return b"%b%d\r\n%b\r\n" % (head, len(raw), raw), (key, raw)

    def render(self, message: Message, to: Destination) -> tuple[bytes, list[Item]]:
        """The commands, packed, and what each of them carries.

        Raises:
            MessageReturned: no queue is bound to the address.
        """
        tag = self.tag()
        raw = envelope.render(message, to.exchange, to.routing_key, tag)
        priority = message.properties.get("priority")
        if not to.exchange:
            key = self._keys.list_for(to.routing_key, priority).encode()
            return b"*3\r\n$5\r\nLPUSH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(raw), raw), [(key, raw)]
        table = self._table(to.exchange)
        items: list[Item] = [(self._keys.list_for(queue, priority).encode(), raw) for queue in table.route(to.routing_key, message.headers)]
        commands: list[tuple[bytes | str, ...]] = [("LPUSH", *item) for item in items if item is not None]
        if table.is_fanout:  # for kombu's consumers
            listed = Message(
                message.body, message.headers, message.content_type, message.content_encoding, {**message.properties, envelope.LISTED: True}
            )
            sent = envelope.render(listed, to.exchange, to.routing_key, tag)
            commands.append(("PUBLISH", self._channels.name(to.exchange, to.routing_key), sent))
            items.append(None)
        if not commands and to.mandatory:
            raise MessageReturned(f"no queue is bound to exchange {to.exchange!r} with routing key {to.routing_key!r}")
        return pack_all(commands), items


def names_of(raw: bytes) -> tuple[str, str]:
    """The task and the id of a rendered message, empty where it has none."""
    headers = json.loads(raw).get("headers") or {}
    return str(headers.get("task") or ""), str(headers.get("id") or "")
