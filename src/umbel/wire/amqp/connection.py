"""One AMQP connection without I/O: bytes in, events out, bytes to send.

::

    AWAITING_START ─Start→ AWAITING_TUNE ─Tune→ AWAITING_OPEN ─OpenOk→ OPEN ─close()→ CLOSING ─CloseOk→ CLOSED
                                                   any state ─Close→ CLOSED

The broker's word is authoritative: whatever it sends is either in the table of its state or breaks the protocol. The connection does not
know the time; heartbeats are the shell's, which sends `HEARTBEAT` and counts silences. Channels have no states here beyond what
assembling messages needs: a shell opens one, and after `ChannelClosed` opens it again.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from pamqp import base, commands

from umbel.errors import ProtocolError
from umbel.wire.amqp import events
from umbel.wire.amqp.content import Content
from umbel.wire.amqp.fastpath import DEFAULT_FRAME_MAX, Receiver
from umbel.wire.amqp.fields import render_table
from umbel.wire.amqp.methods import PROTOCOL_HEADER, method, parse_method, render_method

D = TypeVar("D")
Method = base.Frame


class State(enum.Enum):
    """The stages in the life of a connection."""

    AWAITING_START = "awaiting start"
    AWAITING_TUNE = "awaiting tune"
    AWAITING_OPEN = "awaiting open"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


#: (state, what the broker sends on channel 0) → state. ``Close``, ``Blocked`` and ``Unblocked`` may come in every state but CLOSED.
TRANSITIONS: Final[Mapping[tuple[State, type[Method]], State]] = {
    (State.AWAITING_START, commands.Connection.Start): State.AWAITING_TUNE,
    (State.AWAITING_TUNE, commands.Connection.Secure): State.AWAITING_TUNE,
    (State.AWAITING_TUNE, commands.Connection.Tune): State.AWAITING_OPEN,
    (State.AWAITING_OPEN, commands.Connection.OpenOk): State.OPEN,
    (State.CLOSING, commands.Connection.CloseOk): State.CLOSED,
}

#: What a broker may send on a channel in answer to us.
REPLIES: Final = frozenset(
    {
        commands.Channel.OpenOk,
        commands.Channel.CloseOk,
        commands.Channel.FlowOk,
        commands.Exchange.DeclareOk,
        commands.Exchange.DeleteOk,
        commands.Exchange.BindOk,
        commands.Exchange.UnbindOk,
        commands.Queue.DeclareOk,
        commands.Queue.BindOk,
        commands.Queue.UnbindOk,
        commands.Queue.PurgeOk,
        commands.Queue.DeleteOk,
        commands.Basic.QosOk,
        commands.Basic.ConsumeOk,
        commands.Basic.CancelOk,
        commands.Basic.GetEmpty,
        commands.Basic.RecoverOk,
        commands.Confirm.SelectOk,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Credentials and limits that the client brings to the handshake."""

    user: str = "guest"
    password: str = field(default="guest", repr=False)
    vhost: str = "/"
    #: PLAIN, AMQPLAIN or EXTERNAL.
    mechanism: str = "PLAIN"
    #: Seconds; 0 is off. The smaller of ours and the broker's counts.
    heartbeat: int = 0
    frame_max: int = DEFAULT_FRAME_MAX
    channel_max: int = 2047
    #: Shown by the broker: product, connection_name, …
    properties: Mapping[str, Any] = field(default_factory=dict)

    def response(self) -> bytes:
        """The answer to the broker's challenge."""
        if self.mechanism == "EXTERNAL":
            return b""
        if self.mechanism == "AMQPLAIN":
            return render_table({"LOGIN": self.user, "PASSWORD": self.password})[4:]
        return f"\0{self.user}\0{self.password}".encode()


_CAPABILITIES: Final = {
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "authentication_failure_close": True,
    "publisher_confirms": True,
    "basic.nack": True,
}


class Connection(Generic[D]):
    """The state machine; one for each socket. Shells append to `outgoing` what they have rendered themselves.

    Args:
        login: credentials and limits for the handshake.
        receiver: takes deliveries and confirms.
    """

    def __init__(self, login: Login, receiver: Receiver[D]) -> None:
        self.state: State = State.AWAITING_START
        self.receiver = receiver
        #: Bytes agreed on for one frame.
        self.frame_max: int = login.frame_max
        self.outgoing: list[bytes] = [PROTOCOL_HEADER]
        self._login = login
        self._server: Mapping[str, Any] = {}
        self._heartbeat = 0

    @property
    def server(self) -> Mapping[str, Any]:
        """The broker's properties, from its greeting."""
        return self._server

    @property
    def server_version(self) -> str:
        """The version that the broker gives, ``4.1.2`` for one; empty when it gives none."""
        return str(self._server.get("version") or "")

    def data_to_send(self) -> bytes:
        """Return the bytes to write to the peer, once."""
        if not self.outgoing:
            return b""
        data = b"".join(self.outgoing)
        self.outgoing.clear()
        return data

    def send(self, frame: Method, channel: int) -> None:
        """Queue a method for sending.

        Args:
            frame: the method, as pamqp's object.
            channel: number of the channel; 0 is the connection's own.
        """
        self.outgoing.append(render_method(frame, channel))

    def close(self, code: int = 200, text: str = "bye") -> None:
        """Ask the broker to end the connection.

        Args:
            code: reply code; 200 means that nothing is wrong.
            text: reply text, for the broker's log.
        """
        if self.state is not State.CLOSED:
            self.send(method(commands.Connection.Close, reply_code=code, reply_text=text, class_id=0, method_id=0), 0)
            self.state = State.CLOSING

    def receive_data(self, data: bytes) -> list[events.Event]:
        """Take ``data`` from the peer; returns the events, while deliveries and confirms pile up in the receiver.

        Raises:
            ProtocolError: the peer breaks the protocol; the connection is closed.
        """
        receiver = self.receiver
        try:
            receiver.receive(data)
            if not receiver.slow:
                if self.state is not State.OPEN and (receiver.deliveries or receiver.confirms) and self.state is not State.CLOSING:
                    raise ProtocolError("the broker sent a message before the handshake was done")
                return []
            found: list[events.Event] = []
            slow, receiver.slow = receiver.slow, []
            for channel, payload, content, body in slow:
                event = self._handle(channel, payload, content, body)
                if event is not None:
                    found.append(event)
        except ProtocolError:
            self.state = State.CLOSED
            raise
        return found

    def _handle(self, channel: int, payload: bytes, content: Content | None, body: bytes) -> events.Event | None:
        frame = parse_method(payload)
        if channel == 0:
            return self._on_connection(frame)
        if self.state is State.CLOSING:
            return None
        if self.state is not State.OPEN:
            raise ProtocolError(f"the broker sent {frame.name} before the handshake was done")
        if type(frame) in REPLIES:
            return events.Replied(channel, frame)
        return self._on_channel(channel, frame, content, body)

    def _on_channel(self, channel: int, frame: Method, content: Content | None, body: bytes) -> events.Event | None:
        if isinstance(frame, commands.Channel.Close):
            self.receiver.forget_channel(channel)
            self.send(method(commands.Channel.CloseOk), channel)
            return events.ChannelClosed(channel, frame.reply_code or 0, frame.reply_text)
        if isinstance(frame, commands.Basic.Nack):
            return events.Refused(channel, frame.delivery_tag or 0, bool(frame.multiple))
        if isinstance(frame, commands.Basic.Cancel):
            if not frame.nowait:
                self.send(method(commands.Basic.CancelOk, consumer_tag=frame.consumer_tag), channel)
            return events.Cancelled(channel, frame.consumer_tag or "")
        if isinstance(frame, commands.Channel.Flow):
            self.send(method(commands.Channel.FlowOk, active=frame.active), channel)
            return None
        if isinstance(frame, commands.Basic.Return) and content is not None:
            return events.Returned(
                channel, frame.reply_code or 0, frame.reply_text, frame.exchange or "", frame.routing_key or "", content, body
            )
        if isinstance(frame, commands.Basic.GetOk) and content is not None:
            return events.Got(
                channel, frame.delivery_tag or 0, bool(frame.redelivered), frame.exchange or "", frame.routing_key or "", content, body
            )
        raise ProtocolError(f"the broker sent {frame.name}, which only clients send")

    def _on_connection(self, frame: Method) -> events.Event | None:
        if isinstance(frame, commands.Connection.Close):
            self.send(method(commands.Connection.CloseOk), 0)
            self.state = State.CLOSED
            return events.Closed(frame.reply_code or 0, frame.reply_text)
        if isinstance(frame, commands.Connection.Blocked):
            return events.Blocked(frame.reason)
        if isinstance(frame, commands.Connection.Unblocked):
            return events.Unblocked()
        following = TRANSITIONS.get((self.state, type(frame)))
        if following is None:
            raise ProtocolError(f"the broker sent {frame.name} while the connection was {self.state.value}")
        event = self._step(frame)
        self.state = following
        return event

    def _step(self, frame: Method) -> events.Event | None:
        """Answer one method of the handshake."""
        login = self._login
        if isinstance(frame, commands.Connection.Start):
            self._start(frame)
        elif isinstance(frame, commands.Connection.Secure):
            self.send(method(commands.Connection.SecureOk, response=login.response()), 0)
        elif isinstance(frame, commands.Connection.Tune):
            self.frame_max = max(4096, min(login.frame_max, frame.frame_max or login.frame_max))
            self.receiver.frame_max = self.frame_max
            self._heartbeat = min(login.heartbeat, frame.heartbeat or login.heartbeat)
            channels = min(login.channel_max, frame.channel_max or login.channel_max)
            self.send(
                method(commands.Connection.TuneOk, channel_max=channels, frame_max=self.frame_max, heartbeat=self._heartbeat),
                0,
            )
            self.send(method(commands.Connection.Open, virtual_host=login.vhost), 0)
        elif isinstance(frame, commands.Connection.OpenOk):
            return events.Opened(self._server, self._heartbeat)
        else:
            return events.Closed(200, "closed")
        return None

    def _start(self, frame: commands.Connection.Start) -> None:
        login = self._login
        self._server = dict(frame.server_properties or {})
        offered = str(frame.mechanisms or "").split()
        if login.mechanism not in offered:
            raise ProtocolError(f"the broker does not offer the login method {login.mechanism}; it offers {', '.join(offered)}")
        properties = {"product": "Umbel", "platform": "Python", "capabilities": _CAPABILITIES, **login.properties}
        self.send(
            method(
                commands.Connection.StartOk,
                client_properties=properties,
                mechanism=login.mechanism,
                response=login.response(),
                locale="en_US",
            ),
            0,
        )
