"""Celery's way to sign messages: a private key, a certificate, a folder of certificates that are trusted."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from umbel.errors import ImproperlyConfigured, SecurityError
from umbel.runtime.clock import SYSTEM
from umbel.wire import serializers
from umbel.wire.signing.auth import CONTENT_TYPE, NAME, Certificate, PrivateKey, SecureSerializer

_MISSING: Final = (
    "signing needs a private key, its certificate and the certificates that are trusted: "
    "set security_key, security_certificate and security_cert_store, or give them to setup_security()"
)


class CertStore:
    """Certificates by signer."""

    def __init__(self) -> None:
        self._certs: dict[str, Certificate] = {}

    def itercerts(self) -> Iterator[Certificate]:
        """Iterate over them."""
        return iter(self._certs.values())

    def add_cert(self, cert: Certificate) -> None:
        """Trust one more.

        Args:
            cert: that is trusted.

        Raises:
            SecurityError: another one signs under the same name.
        """
        if cert.get_id() in self._certs:
            raise SecurityError(f"two certificates have the issuer and serial number {cert.get_id()!r}")
        self._certs[cert.get_id()] = cert

    def __getitem__(self, signer: str) -> Certificate:
        """The certificate of a ``signer``, if it is still good.

        Raises:
            SecurityError: it is not, or there is none.
        """
        found = self._certs.get(signer)
        if found is None:
            raise SecurityError(f"Unknown certificate: {signer!r:.200}")
        if found.is_over(datetime.fromtimestamp(SYSTEM.now(), UTC)):
            raise SecurityError(f"Expired certificate: {signer!r:.200}")
        return found


class FSCertStore(CertStore):
    """Certificates from files.

    Args:
        path: a folder, or a pattern of files.

    Raises:
        SecurityError: one is none, or its time is over.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        pattern = str(Path(path) / "*") if Path(path).is_dir() else path
        for name in sorted(glob.glob(pattern)):  # noqa: PTH207 - the setting is a pattern, perhaps from the root
            cert = Certificate(Path(name).read_bytes())
            if cert.is_over(datetime.fromtimestamp(SYSTEM.now(), UTC)):
                raise SecurityError(f"Expired certificate: {name}")
            self.add_cert(cert)


def register_auth(
    key: str | None = None,
    key_password: str | bytes | None = None,
    cert: str | None = None,
    store: str | None = None,
    digest: str = "sha256",
    serializer: str = "json",
    allowed: Iterable[str] = (),
) -> None:
    """Register the serializer ``auth`` in this process.

    Args:
        key: the private key, in PEM.
        key_password: of the key.
        cert: the certificate, in PEM.
        store: a folder, or a pattern of files, of certificates that are trusted.
        digest: of signatures.
        serializer: that writes what is signed, and may read it.
        allowed: more serializers that may read what somebody has signed.

    Raises:
        ImproperlyConfigured: one of the first four is missing, or cryptography is.
        SecurityError: a key or certificate is none.
    """
    if not (key and cert and store):
        raise ImproperlyConfigured(_MISSING)
    parts = (PrivateKey(key, key_password), Certificate(cert), FSCertStore(store), digest, serializer)
    accept = serializers.content_types({serializer, *allowed} - {NAME})
    for table in (serializers.registry, serializers.plain):
        _register(table, parts, accept)


def _register(table: serializers.Serializers, parts: tuple[Any, ...], accept: frozenset[str]) -> None:
    def loads(body: bytes, content_type: str, content_encoding: str) -> Any:
        return table.loads(body, content_type, content_encoding, accept)

    secure = SecureSerializer(*parts, loads=loads, dumps=table.dumps)
    table.register(NAME, secure.serialize, secure.deserialize, CONTENT_TYPE, "utf-8")


def setup(
    conf: Any,
    allowed_serializers: Iterable[str] | None,
    key: str | None,
    key_password: str | bytes | None,
    cert: str | None,
    store: str | None,
    digest: str | None,
    serializer: str,
) -> None:
    """Register the serializer ``auth`` by an app's settings; see `Umbel.setup_security`.

    Args:
        conf: the settings.
        allowed_serializers: more that may read what somebody has signed.
        key: file of the private key.
        key_password: of the key.
        cert: file of the certificate.
        store: a folder, or a pattern of files, of certificates that are trusted.
        digest: of signatures.
        serializer: that writes what is signed.
    """
    if conf.task_serializer != NAME or set(conf.accept_content) != {NAME}:
        raise ImproperlyConfigured(
            "messages are signed only where task_serializer is 'auth', and refused unsigned only where accept_content is ['auth']: "
            f"these are {conf.task_serializer!r} and {list(conf.accept_content)!r}"
        )
    key, cert, store = key or conf.security_key, cert or conf.security_certificate, store or conf.security_cert_store
    if not (key and cert and store):
        raise ImproperlyConfigured(_MISSING)
    register_auth(
        _read("security_key", key),
        key_password or conf.security_key_password,
        _read("security_certificate", cert),
        store,
        digest or conf.security_digest,
        serializer,
        allowed_serializers or (),
    )


def _read(setting: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{setting}: {path} cannot be read: {error}") from None
