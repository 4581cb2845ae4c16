"""Bodies signed by the serializer ``auth``: what one house signs, the other reads; what somebody else signs, neither runs."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from interop.conftest import BOTH
from system.conftest import database
from system.stage import Place

pytestmark = BOTH[1:]


def make_identity(folder: Path, name: str, days: int = 2) -> tuple[Path, Path]:
    """A private key and its certificate."""
    key = rsa.generate_private_key(65537, 2048)
    who = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Umbel"), x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    made = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), begin, end).sign(key, hashes.SHA256())
    key_file, cert_file = folder / f"{name}.key", folder / f"{name}.pem"
    pem = serialization.PrivateFormat.TraditionalOpenSSL
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, serialization.BestAvailableEncryption(b"word")))
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return key_file, cert_file


def security(key: Path, cert: Path, store: Path) -> dict[str, object]:
    return {
        "task_serializer": "auth",
        "accept_content": ["auth"],
        "result_accept_content": ["json"],
        "security_key": str(key),
        "security_key_password": "word",
        "security_certificate": str(cert),
        "security_cert_store": f"{store}/*.pem",
    }


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    return Place(name="redis", broker=database(request, 5), backend=database(request, 6))


def test_signed_calls_are_run_and_a_strangers_are_not(pair, tmp_path):
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    (ours, our_cert), (theirs, their_cert) = make_identity(trusted, "one"), make_identity(trusted, "two")
    stranger, stranger_cert = make_identity(tmp_path, "stranger")
    client, worker = security(ours, our_cert, trusted), security(theirs, their_cert, trusted)
    if pair.houses["client"] == "umbel":  # Celery wants the password as bytes, which JSON has no word for
        worker["security_key_password"] = None
        _without_password(theirs)
    else:
        client["security_key_password"] = None
        _without_password(ours)
    pair.settings.pop("accept_content")
    process = pair.start_worker("-c", "1", settings=worker)
    answers = pair.talk([{"task": "add", "args": [2, 3]}, {"task": "echo", "args": ["ä"], "kwargs": {"b": [1]}}], settings=client)
    assert [answer["value"] for answer in answers] == [5, {"args": ["ä"], "kwargs": {"b": [1]}}]
    _without_password(stranger)
    wrong = {**client, "security_key": str(stranger), "security_certificate": str(stranger_cert), "security_key_password": None}
    (answer,) = pair.talk([{"task": "add", "args": [2, 3]}], timeout=1, settings=wrong)
    assert answer["state"].startswith("not read") or answer.get("error", [""])[0] != ""
    (answer,) = pair.talk([{"task": "add", "args": [4, 5]}], settings=client)
    assert answer["value"] == 9
    assert process.alive
    if pair.houses["worker"] == "umbel":
        assert "Unknown certificate" in process.text()


def _without_password(file: Path) -> None:
    key = serialization.load_pem_private_key(file.read_bytes(), b"word")
    plain = serialization.NoEncryption()
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
