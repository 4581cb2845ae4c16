"""``celery.security``: signing by functions."""

from __future__ import annotations

from typing import Any

from umbel import current


def setup_security(allowed_serializers: Any = None, *arguments: Any, app: Any = None, **named: Any) -> None:
    """Sign messages with the serializer ``auth``; see `umbel.Umbel.setup_security`.

    Args:
        allowed_serializers: more that may read what somebody has signed.
        arguments: the others of that method.
        app: whose settings count; the current one when not given.
        named: the others of that method.
    """
    (current.find_app() if app is None else app).setup_security(allowed_serializers, *arguments, **named)
