import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands, header
from pamqp import frame as pamqp_frame

from umbel.brokers.base import Delivery
from umbel.errors import EncodeError, ProtocolError
from umbel.wire.amqp import events
from umbel.wire.amqp.connection import Connection, Login, State
from umbel.wire.amqp.fastpath import Receiver
from umbel.wire.amqp.methods import method, parse_method, render_method
from umbel.wire.message import MessageLimits

from .streams import frame

START = method(
    commands.Connection.Start,
    version_major=0,
    version_minor=9,
    server_properties={"product": "RabbitMQ"},
    mechanisms="PLAIN AMQPLAIN EXTERNAL",
    locales="en_US",
)
TUNE = method(commands.Connection.Tune, channel_max=2047, frame_max=131072, heartbeat=60)
OPEN_OK = method(commands.Connection.OpenOk)


def connection(**login):
    return Connection(Login(**login), Receiver(MessageLimits(), Delivery))


def opened(**login):
    made = connection(**login)
    for each in (START, TUNE, OPEN_OK):
        made.receive_data(render_method(each, 0))
    made.data_to_send()
    return made


def sent(made):
    data, found = made.data_to_send(), []
    while data:
        size, channel, each = pamqp_frame.unmarshal(data)
        found.append((channel, each))
        data = data[size:]
    return found


def test_the_handshake():
    made = connection(user="u", password="p", vhost="v", heartbeat=10, properties={"connection_name": "me"})
    ((_, first),) = sent(made)
    assert isinstance(first, header.ProtocolHeader)
    assert made.receive_data(render_method(START, 0)) == []
    ((_, start_ok),) = sent(made)
    assert (start_ok.mechanism, start_ok.response, start_ok.client_properties["connection_name"]) == ("PLAIN", "\0u\0p", "me")
    assert start_ok.client_properties["capabilities"]["consumer_cancel_notify"] is True
    assert made.receive_data(render_method(TUNE, 0)) == []
    (_, tune_ok), (_, open_) = sent(made)
    assert (tune_ok.heartbeat, tune_ok.frame_max, open_.virtual_host) == (10, 131072, "v")
    assert made.receive_data(render_method(OPEN_OK, 0)) == [events.Opened({"product": "RabbitMQ"}, 10)]
    assert made.state is State.OPEN


def test_login_methods():
    assert Login(mechanism="EXTERNAL").response() == b""
    assert Login(user="a", password="b", mechanism="AMQPLAIN").response() == b"\x05LOGINS\0\0\0\x01a\x08PASSWORDS\0\0\0\x01b"
    assert "secret" not in repr(Login(password="secret"))
    with pytest.raises(ProtocolError, match=r"GSSAPI.*PLAIN"):
        connection(mechanism="GSSAPI").receive_data(render_method(START, 0))


@pytest.mark.parametrize(
    ("heard", "event"),
    [
        (method(commands.Connection.Blocked, reason="low on memory"), events.Blocked("low on memory")),
        (method(commands.Connection.Unblocked), events.Unblocked()),
        (method(commands.Connection.Close, reply_code=320, reply_text="bye"), events.Closed(320, "bye")),
    ],
)
def test_events_of_the_connection(heard, event):
    assert opened().receive_data(render_method(heard, 0)) == [event]


@pytest.mark.parametrize(
    ("heard", "event"),
    [
        (method(commands.Channel.Close, reply_code=404, reply_text="no"), events.ChannelClosed(1, 404, "no")),
        (method(commands.Basic.Cancel, consumer_tag="t"), events.Cancelled(1, "t")),
        (method(commands.Basic.Nack, delivery_tag=4, multiple=True), events.Refused(1, 4, True)),
    ],
)
def test_events_of_a_channel(heard, event):
    assert opened().receive_data(render_method(heard, 1)) == [event]


def test_replies_are_events():
    (event,) = opened().receive_data(render_method(method(commands.Basic.QosOk), 1))
    assert isinstance(event, events.Replied)
    assert (event.channel, event.method.name) == (1, "Basic.QosOk")


def test_a_close_is_answered():
    made = opened()
    made.receive_data(render_method(method(commands.Channel.Close, reply_code=404, reply_text="no"), 1))
    assert [(channel, each.name) for channel, each in sent(made)] == [(1, "Channel.CloseOk")]
    made.receive_data(render_method(method(commands.Connection.Close, reply_code=320, reply_text="bye"), 0))
    assert [(channel, each.name) for channel, each in sent(made)] == [(0, "Connection.CloseOk")]
    assert made.state is State.CLOSED


def test_our_own_close():
    made = opened()
    made.close()
    assert [each.name for _, each in sent(made)] == ["Connection.Close"]
    assert made.receive_data(render_method(method(commands.Basic.QosOk), 1)) == []
    assert made.receive_data(render_method(method(commands.Connection.CloseOk), 0)) == [events.Closed(200, "closed")]
    assert made.state is State.CLOSED


@pytest.mark.parametrize(
    ("channel", "heard"),
    [(0, TUNE), (0, OPEN_OK), (1, method(commands.Basic.QosOk)), (0, method(commands.Connection.CloseOk))],
    ids=lambda value: getattr(value, "name", value),
)
def test_messages_before_the_handshake(channel, heard):
    made = connection()
    with pytest.raises(ProtocolError):
        made.receive_data(render_method(heard, channel))
    assert made.state is State.CLOSED


def test_another_protocol():
    for greeting in (b"AMQP\x00\x00\x09\x01", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH\r\n"):
        with pytest.raises(ProtocolError):
            connection().receive_data(greeting)


def test_only_clients_send_these():
    with pytest.raises(ProtocolError, match=r"Basic\.Get"):
        opened().receive_data(render_method(method(commands.Basic.Get, queue="q"), 1))
    with pytest.raises(ProtocolError, match="unknown method"):
        opened().receive_data(frame(1, b"\x00\x63\x00\x01"))


METHODS = [
    START,
    TUNE,
    OPEN_OK,
    method(commands.Channel.Close, reply_text="x"),
    method(commands.Queue.DeclareOk, queue="q", message_count=1),
]


@given(st.sampled_from(METHODS), st.integers(0, 2), st.binary(max_size=40), st.integers(0, 60), st.booleans())
@settings(max_examples=500)
def test_damaged_methods_only_break_the_protocol(each, channel, noise, cut, is_open):
    payload = render_method(each, channel)[7:-1]
    made = opened() if is_open else connection()
    try:
        made.receive_data(frame(1, payload[:cut] + noise, channel))
    except ProtocolError:
        assert made.state is State.CLOSED


def test_methods_are_rendered_as_pamqp_does():
    for each in (
        commands.Queue.Declare(queue="q", durable=True, auto_delete=True),
        commands.Exchange.Declare(exchange="e", exchange_type="topic", durable=True),
        commands.Basic.Qos(0, 5, True),
        commands.Basic.Consume(queue="q", consumer_tag="c"),
        commands.Connection.StartOk({"a": "b"}, "PLAIN", "\0a\0b"),
        commands.Exchange.Bind(destination="a", source="b"),
    ):
        assert render_method(each, 1) == pamqp_frame.marshal(each, 1)


def test_names_that_brokers_allow():
    rendered = render_method(method(commands.Queue.Declare, queue="my queue ☃"), 1)
    assert parse_method(rendered[7:-1]).queue == "my queue ☃"
    with pytest.raises(EncodeError, match="255"):
        render_method(method(commands.Queue.Declare, queue="q" * 256), 1)
