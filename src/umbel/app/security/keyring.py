"""From settings to the key ring of an app."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umbel.errors import ImproperlyConfigured

if TYPE_CHECKING:
    from umbel.wire.signing.keys import KeyRing


def key_ring(conf: Any) -> KeyRing | None:
    """Make the key ring; ``None`` where messages are not signed.

    Args:
        conf: the app's settings.

    Raises:
        ImproperlyConfigured: a key is none, or there is no such key.
    """
    if not conf.message_keys:
        if conf.message_encryption_keys:
            raise ImproperlyConfigured("message_encryption_keys needs message_keys: what is encrypted must be signed, too")
        return None
    from umbel.wire.signing import keys as reading  # few apps sign

    keys = reading.read_keys("message_keys", _found("message_keys", conf.message_keys))
    signing = conf.message_key or next((name for name, key in keys.items() if key.signs), "")
    if signing and signing not in keys:
        raise ImproperlyConfigured(f"message_key is {signing!r}, and message_keys has {', '.join(keys)}")
    if signing and not keys[signing].signs:
        raise ImproperlyConfigured(f"message_key is {signing!r}, a public key, which cannot sign")
    encryption = conf.message_encryption_keys or {}
    encrypting = conf.message_encryption_key or next(iter(encryption), "")
    if encrypting and encrypting not in encryption:
        raise ImproperlyConfigured(
            f"message_encryption_key is {encrypting!r}, and message_encryption_keys has {', '.join(encryption) or 'none'}"
        )
    return reading.KeyRing(
        keys=keys,
        signing=signing,
        encryption_keys=reading.read_encryption_keys("message_encryption_keys", _found("message_encryption_keys", encryption)),
        encrypting=encrypting,
    )


def _found(setting: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of keys, fetched from where they are kept."""
    return {name: _text(setting, name, text) for name, text in given.items()}


def _text(setting: str, name: str, text: Any) -> Any:
    if not isinstance(text, str):
        return text
    if text.startswith("env:"):
        found = os.environ.get(text[4:])
        if not found:
            raise ImproperlyConfigured(f"{setting}: key {name!r} is to be in the environment as {text[4:]}, where there is nothing")
        return found
    if text.startswith("file:"):
        try:
            return Path(text[5:]).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{setting}: key {name!r} cannot be read from {text[5:]}: {error}") from None
    return text
