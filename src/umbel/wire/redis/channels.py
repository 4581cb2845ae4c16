"""The pub/sub channels by which kombu's Redis transport (5.7) sends to fanout exchanges: ``/{db}.exchange`` or ``/{db}.exchange/routing.key``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: What has a meaning in a pattern of PSUBSCRIBE.
_SPECIAL = re.compile(r"([*?\[\]\\^])")


@dataclass(frozen=True, slots=True)
class Channels:
    """The channel names under one set of transport options.

    Args:
        prefix: stands before each name.
        with_keys: routing keys are part of the names (``fanout_patterns``); else only of the messages.
    """

    prefix: str
    with_keys: bool = True

    @classmethod
    def of(cls, transport: Mapping[str, Any], database: int) -> Channels:
        """The channels under Celery's ``broker_transport_options``.

        Args:
            transport: ``global_keyprefix``, ``fanout_prefix`` (a flag, or a text in which ``{db}`` is the database) and ``fanout_patterns``.
            database: the number of the server's database.
        """
        given = transport.get("fanout_prefix", True)
        fanout = given if isinstance(given, str) else "/{db}." if given else ""
        prefix = str(transport.get("global_keyprefix") or "") + fanout.replace("{db}", str(database))
        return cls(prefix, bool(transport.get("fanout_patterns", True)))

    def name(self, exchange: str, routing_key: str) -> str:
        """The channel of a message.

        Args:
            exchange: where it is sent.
            routing_key: of the message; may be empty.
        """
        slash = "/" + routing_key if routing_key and self.with_keys else ""
        return f"{self.prefix}{exchange}{slash}"

    def patterns(self, exchange: str, kind: str, keys: Sequence[str]) -> list[str]:
        """The patterns to subscribe to; they let through more than is asked for, never less.

        Args:
            exchange: name of the exchange.
            kind: its type: fanout or topic.
            keys: patterns of routing keys, with ``*`` and ``#`` as words.
        """
        base = _SPECIAL.sub(r"\\\1", self.prefix + exchange)
        if not self.with_keys:
            return [base]
        found: list[str] = []
        for key in keys:
            if kind != "topic" or not key.strip("*#."):
                found.append(base)  # an empty routing key has no slash before it
            if kind != "topic" or key == "#":
                found.append(f"{base}/*")
            elif key.endswith(".#"):
                found += [f"{base}/{_glob(key[:-2])}", f"{base}/{_glob(key[:-2])}.*"]
            elif key:
                found.append(f"{base}/{_glob(key)}")
        return list(dict.fromkeys(found))


def _glob(key: str) -> str:
    """A routing key's pattern as one of Redis: ``#`` may be no word at all, and then the dot beside it is none."""
    words = ["*" if word in ("*", "#") else _SPECIAL.sub(r"\\\1", word) for word in key.split(".")]
    joined = ".".join(words)
    return re.sub(r"\.?\*\.?", "*", joined) if "#" in key.split(".") else joined


def regex_of(pattern: str) -> re.Pattern[str]:
    """The regular expression that matches as Redis matches a pattern.

    Args:
        pattern: one of `Channels.patterns`.
    """
    parts = re.split(r"(\\.|\*)", pattern)
    return re.compile("".join(".*" if part == "*" else re.escape(part[1:] if part[:1] == "\\" else part) for part in parts), re.DOTALL)
