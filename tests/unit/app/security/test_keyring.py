"""From settings to a key ring."""

from __future__ import annotations

import base64

import pytest

from umbel import Umbel
from umbel.errors import ImproperlyConfigured

KEY = f"hmac-sha256:{base64.b64encode(b'k' * 32).decode()}"
PUBLIC = f"ed25519-public:{base64.b64encode(b'k' * 32).decode()}"
AES = f"aes-256-gcm:{base64.b64encode(b'k' * 32).decode()}"


def ring(**settings):
    return Umbel("t", changes=settings, set_as_current=False).connections.key_ring


def test_the_first_key_that_can_signs_unless_one_is_named(monkeypatch, tmp_path):
    assert ring() is None
    monkeypatch.setenv("SHOP_KEY", KEY)
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    keys = {"theirs": PUBLIC, "one": KEY, "two": "env:SHOP_KEY", "three": f"file:{file}"}
    found = ring(message_keys=keys)
    assert (found.signing, list(found.keys), found.encrypting) == ("one", list(keys), "")
    assert ring(message_keys=keys, message_key="three").signing == "three"
    assert ring(message_keys={"theirs": PUBLIC}).signing == ""
    assert ring(message_keys=keys, message_encryption_keys={"e": AES, "f": AES}).encrypting == "e"
    assert ring(message_keys=keys, message_encryption_keys={"e": AES, "f": AES}, message_encryption_key="f").encrypting == "f"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"message_encryption_keys": {"e": AES}}, "needs message_keys"),
        ({"message_keys": {"a": KEY}, "message_key": "b"}, "message_key is 'b', and message_keys has a"),
        ({"message_keys": {"a": KEY, "b": PUBLIC}, "message_key": "b"}, "a public key, which cannot sign"),
        ({"message_keys": {"a": KEY}, "message_encryption_key": "e"}, "message_encryption_key is 'e'"),
        ({"message_keys": {"a": "env:NOT_THERE"}}, "in the environment as NOT_THERE, where there is nothing"),
        ({"message_keys": {"a": "file:/not/there"}}, "cannot be read from /not/there"),
        ({"message_keys": {"a": 5}}, "must be text"),
    ],
)
def test_what_makes_no_sense_is_told(settings, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        ring(**settings)


def test_keys_are_shown_nowhere():
    app = Umbel("t", changes={"message_keys": {"one": KEY}, "message_encryption_keys": {"e": AES}}, set_as_current=False)
    assert "a2tra2tr" not in app.bugreport()
    assert "a2tra2tr" not in app.conf.humanize(with_defaults=True, censored=True)


def test_protocol_1_cannot_be_signed():
    app = Umbel("t", broker="memory://", changes={"message_keys": {"one": KEY}, "task_protocol": 1}, set_as_current=False)
    with pytest.raises(ImproperlyConfigured, match="protocol 1"):
        app.send_task("t")
