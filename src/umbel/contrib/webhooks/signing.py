"""Signatures of webhooks, as of Standard Webhooks: HMAC-SHA256 over id, time and body. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from umbel.errors import ImproperlyConfigured, UmbelError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
#: What secrets may begin with; the rest is base64 then.
_PREFIX: Final = "whsec_"
_SHORTEST: Final = 16
#: Seconds by which two clocks may differ.
_TOLERANCE: Final = 300.0
#: Seconds since the epoch: larger numbers are no time, and the largest are no float.
_LATEST: Final = 10**11


class InvalidSignature(UmbelError):
    """The webhook is not what its sender has signed."""


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Make the signature of a webhook.

    Args:
        secret: that the receiver has, too; of at least 16 bytes, as it is, or ``whsec_`` and base64.
        message_id: of the webhook.
        timestamp: seconds since the epoch.
        body: as it is sent.

    Raises:
        ImproperlyConfigured: the secret is none.
    """
    digest = hmac.new(_key_of(secret), b".".join((message_id.encode(), str(timestamp).encode(), body)), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def verify(secrets: str | Sequence[str], headers: Mapping[str, str], body: bytes, *, now: float, tolerance: float = _TOLERANCE) -> str:
    """Check a webhook that came; returns its id, which is the same each time that it is tried again.

    Args:
        secrets: one, or several while one takes the place of another.
        headers: of the request; names in any case.
        body: as it came.
        now: seconds since the epoch.
        tolerance: seconds by which the sender's clock may differ.

    Raises:
        InvalidSignature: it is not signed, by somebody else, or too old.
        ImproperlyConfigured: a secret is none.
    """
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not given.get(name)]
    if missing:
        raise InvalidSignature(f"the webhook has no header {', '.join(missing)}")
    try:
        timestamp = int(given[TIMESTAMP])
    except ValueError:
        raise InvalidSignature(f"the header {TIMESTAMP} is no number of seconds") from None
    if not 0 <= timestamp < _LATEST:
        raise InvalidSignature(f"the header {TIMESTAMP} is no number of seconds")
    if abs(now - timestamp) > tolerance:
        raise InvalidSignature(f"the webhook is {abs(now - timestamp):.0f} s away from now, {tolerance:g} s are allowed")
    wanted = [sign(secret, given[ID], timestamp, body).encode() for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    shown = [each.encode() for each in given[SIGNATURE].split()]
    if not any([hmac.compare_digest(one, other) for one in wanted for other in shown]):  # noqa: C419 - all are compared, whichever fits
        raise InvalidSignature("the webhook is not signed with this secret, or was changed")
    return given[ID]


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else secret.encode()
    except ValueError:
        raise ImproperlyConfigured("the webhook's secret begins with whsec_, and the rest is not base64") from None
    if len(key) < _SHORTEST:
        raise ImproperlyConfigured(
            f"the webhook's secret has {len(key)} bytes: expected at least {_SHORTEST}, e.g. secrets.token_urlsafe()"
        )
    return key
