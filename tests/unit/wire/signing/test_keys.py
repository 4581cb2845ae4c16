"""Keys: what signs, what verifies, what is none."""

from __future__ import annotations

import base64

import pytest

from umbel.errors import DecodeError, ImproperlyConfigured
from umbel.wire.signing.keys import read_encryption_keys, read_keys


def encoded(size: int, fill: bytes = b"k") -> str:
    return base64.b64encode(fill * size).decode()


SECRET = f"hmac-sha256:{encoded(32)}"
SEED = f"ed25519:{encoded(32)}"


@pytest.mark.parametrize("text", [SECRET, SEED])
def test_what_a_key_signs_it_verifies_to_the_letter(text):
    key = read_keys("message_keys", {"k": text})["k"]
    signature = key.sign(b"data")
    assert key.verify(b"data", signature)
    assert not key.verify(b"other", signature)
    assert not key.verify(b"data", signature.upper())
    assert not any(key.verify(b"data", wrong) for wrong in ("", "x", signature[:-1], signature + "0", "\ud800" * 64, "é"))
    assert key.signs


def test_a_public_key_verifies_what_the_private_one_signs_and_signs_nothing():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(b"k" * 32).public_key().public_bytes_raw()
    both = read_keys("message_keys", {"own": SEED, "theirs": f"ed25519-public:{base64.b64encode(public).decode()}"})
    assert both["theirs"].verify(b"data", both["own"].sign(b"data"))
    assert not both["theirs"].signs
    with pytest.raises(ImproperlyConfigured, match="cannot sign"):
        both["theirs"].sign(b"data")


def test_what_is_encrypted_is_hidden_and_comes_back_with_the_same_key_only():
    keys = read_encryption_keys("message_encryption_keys", {"a": f"aes-256-gcm:{encoded(32)}", "b": f"aes-256-gcm:{encoded(32, b'l')}"})
    hidden = keys["a"].encrypt(b"secret", b"n" * 12)
    assert b"secret" not in hidden
    assert keys["a"].decrypt(hidden) == b"secret"
    for key, data in (("b", hidden), ("a", hidden[:-1]), ("a", b""), ("a", hidden[:12])):
        with pytest.raises(DecodeError, match="cannot be decrypted"):
            keys[key].decrypt(data)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"k": "hmac-sha256:!!"}, "not base64"),
        ({"k": f"hmac-sha256:{encoded(31)}"}, "31 bytes, hmac-sha256 needs 32 or more"),
        ({"k": f"ed25519:{encoded(33)}"}, "33 bytes, ed25519 needs 32"),
        ({"k": encoded(32)}, "begins with hmac-sha256: or ed25519: or ed25519-public:"),
        ({"k": None}, "must be text"),
        ({"a b": SECRET}, "the id of a key"),
        ({"": SECRET}, "the id of a key"),
        ({3: SECRET}, "the id of a key"),
    ],
)
def test_what_is_no_key_is_told_and_never_shown(given, text):
    with pytest.raises(ImproperlyConfigured, match=text) as raised:
        read_keys("message_keys", given)
    assert encoded(31) not in str(raised.value)
