"""The hot path of receiving: frames → deliveries and confirms, hand-written and flat; every other frame goes to pamqp.

One pass over each received chunk. A frame is looked at only when all of it is there (`Receiver.receive` keeps the rest), so nothing below
deals with half a frame. ``benchmarks/bench_amqp_codec.py`` shows what each step costs: a plain Celery task message (19 headers) must
stay under 11 µs from bytes to delivery.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class
from typing import Final, Generic, TypeVar

from umbel.errors import ProtocolError
from umbel.wire.amqp.content import CLASS_BASIC, Content, parse_content
from umbel.wire.amqp.fields import U16, U32, U64, Limits, name_of
from umbel.wire.amqp.header_cache import HeaderCache
from umbel.wire.attempts import attempts_in

D = TypeVar("D")

BASIC_DELIVER: Final = 0x003C003C
BASIC_RETURN: Final = 0x003C0032
BASIC_GET_OK: Final = 0x003C0047
BASIC_ACK: Final = 0x003C0050
CONFIRM_SELECT_OK: Final = 0x0055000B
_FRAME = Struct(">BHI").unpack_from

#: Largest frame before the peers have agreed on one (RabbitMQ's default).
DEFAULT_FRAME_MAX: Final = 131072
#: A body of up to so many times the limit is kept, for the dead letter; of a longer one nothing is.
_KEPT: Final = 4


class Incoming:
    """A message that is being received: its method came, its header or body not yet.

    Args:
        method: the payload of its method's frame.
    """

    __slots__ = ("content", "method", "missing", "parts", "skipped")

    def __init__(self, method: bytes) -> None:
        #: Payload of the method frame (deliver, return or get-ok).
        self.method: bytes = method
        self.content: Content | None = None
        #: Bytes of body that are still to come.
        self.missing: int = 0
        #: The body is too long to be kept.
        self.skipped: bool = False
        self.parts: list[bytes] = []


class Receiver(Generic[D]):
    """Turns received bytes into deliveries (made by ``make``), confirms and slow frames.

    Args:
        limits: what a message may weigh.
        make: makes a delivery of (body, headers, content_type, content_encoding, properties, tag, epoch, queue, exchange, routing_key,
            redelivered, attempts, flaw).
        attempts: name of the header that counts attempts.
    """

    def __init__(self, limits: Limits, make: Callable[..., D], attempts: str = "") -> None:
        self.frame_max = DEFAULT_FRAME_MAX
        #: The epoch that deliveries get.
        self.epoch = 0
        #: Consumer tag → queue.
        self.queues: dict[bytes, str] = {}
        #: What came since the shell last took it.
        self.deliveries: list[D] = []
        #: (channel, delivery tag, multiple) of positive confirms.
        self.confirms: list[tuple[int, int, int]] = []
        #: How many answers to repeated confirm.selects have come (see `umbel.brokers.amqp.backlog`); ``None`` while they are ordinary replies.
        self.marks: int | None = None
        #: (channel, payload) of method frames for the slow path, and (channel, method payload, content, body) of returns and get-oks.
        self.slow: list[tuple[int, bytes, Content | None, bytes]] = []
        self._limits = limits
        self._make = make
        self._attempts = attempts
        self._header_cache = HeaderCache()
        self._incoming: dict[int, Incoming] = {}
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 8

    def receive(self, data: bytes) -> None:
        """Take a chunk of bytes, ``data``, from the peer.

        Raises:
            ProtocolError: it breaks the framing; the connection cannot be used any more.
        """
        if self._have:
            # A large frame comes in many chunks: join them once, not chunk by chunk.
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._parts)
            self._parts.clear()
            self._have = 0
        at = self._frames(data)
        rest = len(data) - at
        if rest:
            self._parts.append(data[at:] if at else data)
            self._have = rest
            self._need = 8 if rest < 7 else 8 + U32(data, at + 3)[0]

    def _frames(self, data: bytes) -> int:  # noqa: C901, PLR0912 - flat, because calls cost more than the work
        """Handle the whole frames in a chunk; returns where the first partial one starts."""
        at, end, most = 0, len(data), self.frame_max
        incoming = self._incoming
        while end - at >= 8:
            # 1 method, 2 content header, 3 body, 8 heartbeat; 0xCE ends a frame. As numbers: this runs for every frame.
            kind, channel, size = _FRAME(data, at)
            stop = at + 7 + size
            if size + 8 > most:
                raise ProtocolError(f"the broker sent a frame of {size + 8} bytes; the limit agreed on is {most}")
            if stop >= end:
                break
            if data[stop] != 0xCE:
                raise ProtocolError("the broker sent a frame without its end mark")
            at += 7
            if kind == 1:
                if size < 4:
                    raise ProtocolError("the broker sent a method frame without a method")
                self._method(channel, data[at:stop])
            elif kind == 2:
                message = incoming.get(channel)
                if message is None or message.content is not None:
                    raise ProtocolError("the broker sent a content header that belongs to no message")
                self._header(channel, message, data, at, stop)
            elif kind == 3:
                message = incoming.get(channel)
                if message is None or message.content is None:
                    raise ProtocolError("the broker sent a body that belongs to no message")
                missing = message.missing - size
                if missing < 0:
                    raise ProtocolError("the broker sent more body than it announced")
                message.missing = missing
                if not message.skipped:
                    message.parts.append(data[at:stop])
                if not missing:
                    del incoming[channel]
                    self._complete(channel, message)
            elif kind != 8:
                raise ProtocolError(f"the broker sent a frame of the unknown type {kind}")
            at = stop + 1
        if end - at == 7 and _FRAME(data, at)[2] + 8 > most:
            raise ProtocolError("the broker announced a frame larger than agreed on")
        return at

    def _method(self, channel: int, payload: bytes) -> None:
        (index,) = U32(payload, 0)
        if channel in self._incoming and index >> 16 == CLASS_BASIC:
            raise ProtocolError("the broker began a message inside another one")
        if index in (BASIC_DELIVER, BASIC_RETURN, BASIC_GET_OK):
            self._incoming[channel] = Incoming(payload)
        elif index == BASIC_ACK:
            if len(payload) != 13:
                raise ProtocolError("the broker sent a confirm of the wrong length")
            self.confirms.append((channel, U64(payload, 4)[0], payload[12] & 1))
        elif index == CONFIRM_SELECT_OK and self.marks is not None:
            self.marks += 1
        else:
            self.slow.append((channel, payload, None, b""))

    def _header(self, channel: int, message: Incoming, data: bytes, at: int, end: int) -> None:
        if end - at < 14 or U16(data, at)[0] != CLASS_BASIC:
            raise ProtocolError("the broker sent a content header that is not one of a message")
        message.content = parse_content(data, at, end, self._limits, self._header_cache.parse)
        message.missing = size = U64(data, at + 4)[0]
        message.skipped = size > self._limits.body * _KEPT
        if not message.missing:
            del self._incoming[channel]
            self._complete(channel, message)

    def _complete(self, channel: int, message: Incoming) -> None:
        method, parts = message.method, message.parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if U32(method, 0)[0] != BASIC_DELIVER:
            self.slow.append((channel, method, message.content, body))
            return
        try:
            at = 5 + method[4]
            queue = self.queues.get(method[5:at])
            (tag,) = U64(method, at)
            redelivered = method[at + 8] != 0
            stop = at + 10 + method[at + 9]
            exchange = name_of(method[at + 10 : stop])
            routing_key = name_of(method[stop + 1 : stop + 1 + method[stop]])
        except (StructError, IndexError, ValueError) as error:
            raise ProtocolError(f"the broker sent a malformed delivery: {error}") from error
        content_type, content_encoding, headers, properties, flaw = message.content  # type: ignore[misc]
        if queue is None:
            queue = routing_key
        attempts = headers.get(self._attempts, 0)
        if attempts and (attempts := attempts_in(attempts)):
            # It was published anew to raise the count: a new message to the broker, but not to the worker.
            redelivered = True
        self.deliveries.append(
            self._make(
                body,
                headers,
                content_type,
                content_encoding,
                properties,
                tag,
                self.epoch,
                queue,
                exchange,
                routing_key,
                redelivered,
                attempts or 0,
                flaw,
            )
        )

    def forget_channel(self, channel: int) -> None:
        """Drop what was being received on ``channel``, which is closed."""
        self._incoming.pop(channel, None)

    def take_deliveries(self) -> list[D]:
        """The deliveries since the last call."""
        taken, self.deliveries = self.deliveries, []
        return taken
