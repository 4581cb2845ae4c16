"""What the renderers of this package read of a message. The values themselves live above, in `umbel.messages.model`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Outer(Protocol):
    """What stands around a body; a ``Message`` has it, and a ``Stencil``."""

    @property
    def headers(self) -> Mapping[str, Any]: ...
    @property
    def properties(self) -> Mapping[str, Any]: ...
    @property
    def content_type(self) -> str: ...
    @property
    def content_encoding(self) -> str: ...


class Whole(Outer, Protocol):
    """A message with its body: a ``Message``."""

    @property
    def body(self) -> bytes: ...


class Pattern(Outer, Protocol):
    """A message without its body, and where it goes: a ``Stencil``."""

    @property
    def exchange(self) -> str: ...
    @property
    def routing_key(self) -> str: ...
