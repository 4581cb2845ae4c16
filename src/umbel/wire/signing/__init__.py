"""Signed and encrypted messages, as bytes: keys, the seal of a message, Celery's signed bodies. No file, no clock."""

from __future__ import annotations

from typing import Final

#: The header that is a message's seal; see `umbel.wire.signing.seals`.
SEAL: Final = "x-umbel-seal"
#: The content type of an encrypted body.
ENCRYPTED: Final = "application/x-umbel-encrypted"
