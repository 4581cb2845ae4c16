"""A serializer of one's own: JSON, read from right to left."""

import json

from kombu.serialization import register


def register_upside_down():
    register(
        "upside-down", lambda value: json.dumps(value)[::-1], lambda text: json.loads(text[::-1]), "application/x-upside-down", "utf-8"
    )
