"""Keys that sign and verify, and keys that encrypt; and the ring that they hang on. A key's kind is its own: no message can choose another.

=====================  =================================================  ============================
key                    text                                               needs
=====================  =================================================  ============================
`SecretKey`            ``hmac-sha256:`` and 32 bytes or more in base64
`PrivateKey`           ``ed25519:`` and the 32 bytes of the seed          umbel[auth]
`PublicKey`            ``ed25519-public:`` and 32 bytes; verifies only    umbel[auth]
`EncryptionKey`        ``aes-256-gcm:`` and 32 bytes                      umbel[auth]
=====================  =================================================  ============================
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from umbel.errors import DecodeError, ImproperlyConfigured

#: Bytes.
_SECRET, _ED25519, _AES, _NONCE = 32, 32, 32, 12
_HEX: Final = re.compile(r"[0-9a-f]{128}")
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")


class Key(Protocol):
    """A key that verifies, and perhaps signs."""

    #: Whether it can sign.
    signs: bool

    def sign(self, data: bytes) -> str:
        """Return the signature of ``data`` as text, in lower-case hexadecimal digits."""

    def verify(self, data: bytes, signature: str) -> bool:
        """Report whether ``signature`` is that of ``data``, to the letter."""


class SecretKey:
    """HMAC with SHA-256: who can verify can sign.

    Args:
        secret: 32 bytes or more.
    """

    signs = True

    def __init__(self, secret: bytes) -> None:
        self._start = hmac.new(secret, digestmod=hashlib.sha256)

    def sign(self, data: bytes) -> str:
        """Return the code of ``data``."""
        code = self._start.copy()
        code.update(data)
        return code.hexdigest()

    def verify(self, data: bytes, signature: str) -> bool:
        """Compare ``signature`` with that of ``data``, in constant time."""
        return hmac.compare_digest(self.sign(data).encode(), signature.encode(errors="replace"))


class PublicKey:
    """Ed25519, the public half: verifies only.

    Args:
        raw: 32 bytes.
    """

    signs = False

    def __init__(self, raw: bytes) -> None:
        self._key = _cryptography("asymmetric.ed25519").Ed25519PublicKey.from_public_bytes(raw)

    def sign(self, data: bytes) -> str:  # noqa: ARG002 - the interface of keys
        """Refuse to sign ``data``.

        Raises:
            ImproperlyConfigured: always.
        """
        raise ImproperlyConfigured("a public key verifies and cannot sign: message_key must name one that can")

    def verify(self, data: bytes, signature: str) -> bool:
        """Report whether ``signature`` is that of ``data``."""
        from cryptography.exceptions import InvalidSignature

        if _HEX.fullmatch(signature) is None:
            return False
        try:
            self._key.verify(bytes.fromhex(signature), data)
        except InvalidSignature:
            return False
        return True


class PrivateKey(PublicKey):
    """Ed25519, both halves.

    Args:
        seed: 32 bytes.
    """

    signs = True

    def __init__(self, seed: bytes) -> None:
        self._private = _cryptography("asymmetric.ed25519").Ed25519PrivateKey.from_private_bytes(seed)
        self._key = self._private.public_key()

    def sign(self, data: bytes) -> str:
        """Return the signature of ``data``."""
        signature: bytes = self._private.sign(data)
        return signature.hex()


class EncryptionKey:
    """AES-256 in Galois/Counter Mode.

    Args:
        raw: 32 bytes.
    """

    def __init__(self, raw: bytes) -> None:
        self._cipher = _cryptography("ciphers.aead").AESGCM(raw)

    def encrypt(self, data: bytes, nonce: bytes) -> bytes:
        """Encrypt.

        Args:
            data: to be hidden.
            nonce: 12 random bytes, never the same twice; they stand in front of the result.
        """
        hidden: bytes = self._cipher.encrypt(nonce, data, None)
        return nonce + hidden

    def decrypt(self, data: bytes) -> bytes:
        """Read what `encrypt` has made of ``data``.

        Raises:
            DecodeError: it was not made so, with this key.
        """
        from cryptography.exceptions import InvalidTag

        try:
            found: bytes = self._cipher.decrypt(data[:_NONCE], data[_NONCE:], None)
        except (InvalidTag, ValueError):
            raise DecodeError("The body cannot be decrypted: it was encrypted with another key, or has been changed.") from None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """The keys of one app."""

    #: By id: those that are trusted.
    keys: Mapping[str, Key]
    #: The id of the one that signs; empty where there is none.
    signing: str = ""
    encryption_keys: Mapping[str, EncryptionKey] = field(default_factory=dict)
    #: The id of the one that encrypts; empty where nothing is encrypted.
    encrypting: str = ""


def read_keys(setting: str, given: Mapping[str, Any]) -> dict[str, Key]:
    """Read keys that sign and verify.

    Args:
        setting: its name, for errors.
        given: id → text, as in the table above.

    Raises:
        ImproperlyConfigured: one is none; the text of a key is never shown.
    """
    kinds: dict[str, tuple[Callable[[bytes], Key], int, bool]] = {
        "hmac-sha256": (SecretKey, _SECRET, True),
        "ed25519": (PrivateKey, _ED25519, False),
        "ed25519-public": (PublicKey, _ED25519, False),
    }
    return {name: _read(setting, name, text, kinds) for name, text in given.items()}


def read_encryption_keys(setting: str, given: Mapping[str, Any]) -> dict[str, EncryptionKey]:
    """Read keys that encrypt; see `read_keys`.

    Args:
        setting: its name.
        given: id → text.
    """
    kinds: dict[str, tuple[Callable[[bytes], EncryptionKey], int, bool]] = {"aes-256-gcm": (EncryptionKey, _AES, False)}
    return {name: _read(setting, name, text, kinds) for name, text in given.items()}


def _read(setting: str, name: Any, text: Any, kinds: Mapping[str, tuple[Callable[[bytes], Any], int, bool]]) -> Any:
    if not isinstance(name, str) or _ID.fullmatch(name) is None:
        raise ImproperlyConfigured(f"{setting}: the id of a key is 1 to 64 letters, digits, '_', '-' and '.', got {name!a:.80}")
    kind, _, encoded = text.partition(":") if isinstance(text, str) else ("", "", "")
    if kind not in kinds:
        raise ImproperlyConfigured(f"{setting}: key {name!r} must be text that begins with {' or '.join(f'{each}:' for each in kinds)}")
    make, size, or_more = kinds[kind]
    try:
        raw = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ImproperlyConfigured(f"{setting}: key {name!r} is not base64 after {kind}:") from None
    if len(raw) < size or (len(raw) > size and not or_more):
        raise ImproperlyConfigured(f"{setting}: key {name!r} has {len(raw)} bytes, {kind} needs {size}{' or more' if or_more else ''}")
    return make(raw)


def _cryptography(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"cryptography.hazmat.primitives.{module}")
    except ImportError as exc:
        raise ImproperlyConfigured("Ed25519, AES and certificates need cryptography: pip install 'umbel[auth]'") from exc
