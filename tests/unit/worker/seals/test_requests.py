"""Remote control that is signed: what is refused."""

from __future__ import annotations

import pytest

from umbel.control.mailbox import MailboxOptions
from umbel.control.requests import Request, render_request
from umbel.errors import BadSignature, Outdated, Replayed, Unsigned
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Delivery
from umbel.wire.signing import SEAL
from umbel.wire.signing.keys import EncryptionKey, KeyRing, SecretKey
from umbel.wire.signing.seals import seal
from umbel.worker.seals.requests import SealedRequests

RING = KeyRing(keys={"k": SecretKey(b"k" * 32)}, signing="k", encryption_keys={"e": EncryptionKey(b"e" * 32)}, encrypting="e")
OPTIONS = MailboxOptions(ring=RING, requires_seal=True)


def request(age=0.0, exchange="celery.pidbox", name="n"):
    sealed = seal(render_request(Request(method="ping"), 0), exchange, "", RING, SYSTEM.now() - age, name, b"n" * 12)
    return Delivery(sealed.body, sealed.headers, sealed.content_type, sealed.content_encoding, sealed.properties, 1, 1, "mailbox", "", "")


def test_a_signed_request_passes_once_and_is_decrypted():
    seals = SealedRequests(OPTIONS)
    asked = request()
    seals.check(asked)
    assert b'"ping"' in asked.body
    assert asked.content_type == "application/json"
    with pytest.raises(Replayed):
        seals.check(request())
    seals.check(request(name="other"))


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (request(age=10.0, name="before the worker began"), Outdated),
        (request(age=1000.0), Outdated),
        (request(exchange="other.pidbox"), BadSignature),
        (request(exchange=""), BadSignature),
    ],
)
def test_what_is_old_or_for_another_fleet_is_refused(refused, error):
    with pytest.raises(error):
        SealedRequests(OPTIONS).check(refused)


def test_what_is_not_signed_is_refused_where_it_must_be():
    unsigned = request()
    del unsigned.headers[SEAL]
    with pytest.raises(Unsigned):
        SealedRequests(OPTIONS).check(unsigned)
    SealedRequests(MailboxOptions(ring=RING)).check(unsigned)
    SealedRequests(MailboxOptions()).check(unsigned)
