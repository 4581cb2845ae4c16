"""Bodies signed as Celery's serializer ``auth`` signs them (5.7). Pure, but for the library that computes signatures.

A body is the base64 of five parts, with the bytes 0 and 1 between them: the signer and the signature, each in base64 again; content type, content
encoding and the bytes of what is signed. The signer is the certificate's issuer, its values with spaces between them, and the serial number. The
signature is RSA-PSS with MGF1 over the same digest and the longest salt. Only the body is signed: headers are not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from umbel.errors import BadSignature, ImproperlyConfigured, SecurityError

#: The serializer's name and content type, which it shares with raw bytes.
NAME: Final = "auth"
CONTENT_TYPE: Final = "application/data"
_BETWEEN: Final = b"\x00\x01"
_PARTS: Final = 5


class SignedBody(NamedTuple):
    """The parts of a signed body."""

    signer: str
    signature: bytes
    content_type: str
    content_encoding: str
    body: bytes


def pack(parts: SignedBody) -> str:
    """Write a signed body from its ``parts``."""
    signer, signature = base64.b64encode(parts.signer.encode()), base64.b64encode(parts.signature)
    joined = _BETWEEN.join((signer, signature, parts.content_type.encode(), parts.content_encoding.encode(), parts.body))
    return base64.b64encode(joined).decode()


def unpack(data: str | bytes) -> SignedBody:
    """Read the parts of a signed body; nothing is verified.

    Args:
        data: as received.

    Raises:
        BadSignature: it is none.
    """
    try:
        found = base64.b64decode(data, validate=True).split(_BETWEEN, _PARTS - 1)
        if len(found) == _PARTS:
            signer, signature = (base64.b64decode(part, validate=True) for part in found[:2])
            return SignedBody(signer.decode(), signature, found[2].decode(), found[3].decode(), found[4])
    except (binascii.Error, ValueError):
        pass
    raise BadSignature("The body is not signed as the serializer 'auth' signs it.")


class Certificate:
    """A certificate, by which signatures are verified. Its names are Celery's.

    Args:
        cert: in PEM.

    Raises:
        SecurityError: it is none, or its key is not RSA.
    """

    def __init__(self, cert: str | bytes) -> None:
        x509, rsa = _parts("x509"), _parts("hazmat.primitives.asymmetric.rsa")
        try:
            self._cert = x509.load_pem_x509_certificate(_bytes(cert))
        except (ValueError, TypeError) as error:
            raise SecurityError(f"Invalid certificate: {error}") from error
        self._public = self._cert.public_key()
        if not isinstance(self._public, rsa.RSAPublicKey):
            raise SecurityError("Invalid certificate: the serializer 'auth' needs one with an RSA key")

    def get_serial_number(self) -> int:
        """Return the serial number."""
        number: int = self._cert.serial_number
        return number

    def get_issuer(self) -> str:
        """Return the values of the issuer's name."""
        return " ".join(str(each.value) for each in self._cert.issuer)

    def get_id(self) -> str:
        """Return the name under which it signs: issuer and serial number."""
        return f"{self.get_issuer()} {self.get_serial_number()}"

    def is_over(self, now: Any) -> bool:
        """Report whether its time is over at the aware datetime ``now``."""
        over: bool = now >= self._cert.not_valid_after_utc
        return over

    def verify(self, data: bytes, signature: bytes, digest: Any) -> None:
        """Verify.

        Args:
            data: that is signed.
            signature: of it.
            digest: a hash of ``cryptography``, or its name.

        Raises:
            SecurityError: it is not.
        """
        padding = _parts("hazmat.primitives.asymmetric.padding")
        digest = digest_named(digest) if isinstance(digest, str) else digest
        pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.MAX_LENGTH)
        try:
            self._public.verify(signature, _bytes(data), pss, digest)
        except _parts("exceptions").InvalidSignature:
            raise SecurityError("Bad signature: it was made with another key, or the data has been changed") from None


class PrivateKey:
    """A private RSA key, by which is signed. Its names are Celery's.

    Args:
        key: in PEM.
        password: of the key, if it has one.

    Raises:
        SecurityError: it is none, or has another password.
    """

    def __init__(self, key: str | bytes, password: str | bytes | None = None) -> None:
        loading, rsa = _parts("hazmat.primitives.serialization"), _parts("hazmat.primitives.asymmetric.rsa")
        try:
            found = loading.load_pem_private_key(_bytes(key), None if password is None else _bytes(password))
        except (ValueError, TypeError) as error:
            raise SecurityError(f"Invalid private key: {error}") from error
        if not isinstance(found, rsa.RSAPrivateKey):
            raise SecurityError("Invalid private key: the serializer 'auth' needs an RSA key")
        self._key = found

    def sign(self, data: bytes, digest: Any) -> bytes:
        """Sign.

        Args:
            data: to be signed.
            digest: a hash of ``cryptography``, or its name.
        """
        padding = _parts("hazmat.primitives.asymmetric.padding")
        digest = digest_named(digest) if isinstance(digest, str) else digest
        pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.MAX_LENGTH)
        signature: bytes = self._key.sign(_bytes(data), pss, digest)
        return signature


def digest_named(name: str) -> Any:
    """Find a digest.

    Args:
        name: such as ``sha256``.

    Raises:
        ImproperlyConfigured: there is none.
    """
    hashes = _parts("hazmat.primitives.hashes")
    found = getattr(hashes, name.upper(), None)
    if found is None or not issubclass(found, hashes.HashAlgorithm):
        raise ImproperlyConfigured(f"security_digest: there is no digest {name!r}; sha256 is the usual one")
    return found()


class SecureSerializer:
    """The serializer: signs what another one has written, verifies before another one reads.

    Args:
        key: that signs.
        cert: whose signer this program is.
        cert_store: the certificates that are trusted: ``store[signer]``.
        digest: a hash of ``cryptography``, or its name.
        serializer: that writes.
        loads: reads: (bytes, content type, content encoding).
        dumps: writes: (value, serializer) → content type, content encoding, bytes.
    """

    def __init__(
        self,
        key: PrivateKey,
        cert: Certificate,
        cert_store: Any,
        digest: Any = "sha256",
        serializer: str = "json",
        *,
        loads: Callable[[bytes, str, str], Any],
        dumps: Callable[[Any, str], tuple[str, str, bytes]],
    ) -> None:
        self._key, self._cert, self._store = key, cert, cert_store
        self._digest = digest_named(digest) if isinstance(digest, str) else digest
        self._serializer, self._loads, self._dumps = serializer, loads, dumps

    def serialize(self, data: Any) -> str:
        """Write and sign ``data``."""
        kind, encoding, body = self._dumps(data, self._serializer)
        return pack(SignedBody(self._cert.get_id(), self._key.sign(body, self._digest), kind, encoding, body))

    def deserialize(self, data: str | bytes) -> Any:
        """Verify and read ``data``.

        Raises:
            BadSignature: it is not signed by somebody who is trusted, or has been changed.
            DecodeError: it is, and cannot be read.
        """
        signer, signature, kind, encoding, body = unpack(data)
        try:
            self._store[signer].verify(body, signature, self._digest)
        except SecurityError as error:
            raise BadSignature(str(error)) from None
        return self._loads(body, kind, encoding)


def _bytes(given: str | bytes) -> bytes:
    return given.encode() if isinstance(given, str) else given


def _parts(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"cryptography.{module}")
    except ImportError as exc:
        raise ImproperlyConfigured("the serializer 'auth' needs cryptography: pip install 'umbel[auth]'") from exc
