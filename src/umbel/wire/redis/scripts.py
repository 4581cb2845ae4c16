"""The Lua scripts: name → text and digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """One script, as ``EVALSHA`` and ``EVAL`` want it."""

    name: str
    text: str
    sha: str


@cache
def load(name: str) -> Script:
    """Load the script in ``scripts/<name>.lua`` by its ``name``, once."""
    text = (files(__package__) / "scripts" / f"{name}.lua").read_text("utf-8")
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
