"""Publishers that sign, and those that pass on."""

from __future__ import annotations

import pytest

from umbel.app.security.sealing import RelayingPublisher, SealingPublisher, sealed
from umbel.brokers.topology import Destination
from umbel.errors import BadSignature
from umbel.messages import v2
from umbel.messages.model import TaskMessage
from umbel.testing.fakes import FakePublisher
from umbel.wire.signing import SEAL
from umbel.wire.signing.keys import EncryptionKey, KeyRing, SecretKey
from umbel.wire.signing.seals import unseal, verify

RING = KeyRing(keys={"k": SecretKey(b"k" * 32)}, signing="k", encryption_keys={"e": EncryptionKey(b"e" * 32)}, encrypting="e")
THERE = Destination("", "there")


def message():
    return v2.render(TaskMessage(task="t", id="1", args=["x"], kwargs={}))


def test_everything_is_signed_for_where_it_goes_and_the_callers_message_stays_as_it_is():
    inner = FakePublisher()
    publisher, plain = SealingPublisher(inner, RING), message()
    publisher.publish(plain, THERE)
    publisher.publish_many([(plain, THERE), (plain, Destination("news", "a"))])
    assert SEAL not in plain.headers
    seals = [verify(each, None, RING) for each, _ in inner.sent]
    assert [seal.exchange for seal in seals] == ["", "", "news"]
    assert len({seal.name for seal in seals}) == 3


def test_what_was_signed_is_signed_again_only_if_it_was_not_changed():
    first = sealed(message(), "", "here", RING)
    second = sealed(first, "", "there", RING)
    assert verify(second, "there", RING).name != verify(first, "here", RING).name
    assert unseal(second, RING).body == message().body
    first.headers["task"] = "u"
    with pytest.raises(BadSignature):
        sealed(first, "", "there", RING)


@pytest.mark.parametrize("anew", [False, True])
def test_a_relay_signs_what_is_authentic_and_nothing_else(anew):
    inner = FakePublisher()
    relay, good, forged, unsigned = RelayingPublisher(inner, RING, anew=anew), *(sealed(message(), "", "here", RING) for _ in range(3))
    forged.headers["task"] = "u"
    del unsigned.headers[SEAL]
    relay.publish_many([(each, THERE) for each in (good, forged, unsigned)], confirm=True)
    moved, *others = [each for each, _ in inner.sent]
    assert others == [forged, unsigned]
    before, after = verify(good, "here", RING), verify(moved, "there", RING)
    assert ((before.name, before.at) == (after.name, after.at)) is not anew
