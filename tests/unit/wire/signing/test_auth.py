"""Celery's signed bodies; that real Celery reads and writes them is in tests/interop/test_auth.py."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from umbel import Umbel
from umbel.app.security import certificates
from umbel.errors import BadSignature, ImproperlyConfigured, SecurityError
from umbel.wire import serializers
from umbel.wire.signing.auth import Certificate, PrivateKey, SecureSerializer, digest_named, pack, unpack


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


def certified(key, days=2):
    who = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Umbel"), x509.NameAttribute(x509.NameOID.COMMON_NAME, "one")])
    begin, end = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    made = x509.CertificateBuilder(who, who, key.public_key(), 77, begin, end).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def written(key, password=None):
    way = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, way).decode()


def serializer(key, store):
    parts = PrivateKey(written(key)), Certificate(certified(key)), store
    accept = serializers.content_types({"json"})
    return SecureSerializer(*parts, loads=lambda *body: serializers.loads(*body, accept), dumps=serializers.dumps)


def test_every_changed_letter_is_refused(key):
    cert = Certificate(certified(key))
    store = certificates.CertStore()
    store.add_cert(cert)
    secure = serializer(key, store)
    data = secure.serialize([[1, "ä"], {}, {}])
    assert cert.get_id() == "Umbel one 77"
    assert secure.deserialize(data) == [[1, "ä"], {}, {}]
    parts = unpack(data)
    assert (parts.signer, parts.content_type, parts.content_encoding) == ("Umbel one 77", "application/json", "utf-8")
    for place in range(len(parts.body)):
        body = bytearray(parts.body)
        body[place] ^= 1
        with pytest.raises(BadSignature, match="Bad signature"):
            secure.deserialize(pack(parts._replace(body=bytes(body))))
    with pytest.raises(BadSignature, match="Unknown certificate"):
        secure.deserialize(pack(parts._replace(signer="somebody 1")))
    for wrong in ("", "!", data[:-8], data[8:], "eA=="):
        with pytest.raises(BadSignature):
            secure.deserialize(wrong)
    with pytest.raises(SecurityError, match="two certificates"):
        store.add_cert(cert)


def test_what_is_over_is_not_trusted(key, tmp_path):
    (tmp_path / "old.pem").write_text(certified(key, days=-1))
    with pytest.raises(SecurityError, match=r"Expired certificate: .*old.pem"):
        certificates.FSCertStore(str(tmp_path))
    store = certificates.CertStore()
    store.add_cert(Certificate(certified(key, days=-1)))
    with pytest.raises(SecurityError, match="Expired certificate"):
        store["Umbel one 77"]


def test_what_is_no_key_and_no_digest_is_told(key):
    with pytest.raises(SecurityError, match="Invalid private key"):
        PrivateKey("x")
    with pytest.raises(SecurityError, match="Invalid private key"):
        PrivateKey(written(key, b"word"), "other")
    PrivateKey(written(key, b"word"), "word")
    with pytest.raises(SecurityError, match="Invalid certificate"):
        Certificate("x")
    with pytest.raises(ImproperlyConfigured, match="security_digest"):
        digest_named("sha3")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "task_serializer is 'auth'"),
        ({"task_serializer": "auth", "accept_content": ["auth", "json"]}, "accept_content is"),
        ({"task_serializer": "auth", "accept_content": ["auth"]}, "set security_key, security_certificate and security_cert_store"),
        (
            {
                "task_serializer": "auth",
                "accept_content": ["auth"],
                "security_key": "/no/key",
                "security_certificate": "/no/cert",
                "security_cert_store": "/no/store",
            },
            "security_key: /no/key cannot be read",
        ),
    ],
)
def test_what_is_missing_is_told(settings, text):
    app = Umbel("t", changes=settings, set_as_current=False)
    with pytest.raises(ImproperlyConfigured, match=text):
        app.setup_security()
