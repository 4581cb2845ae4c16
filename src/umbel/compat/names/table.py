"""`AliasTable`: what is found under a foreign module's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AliasTable:
    """The contents of one module.

    Args:
        names: of one of our modules → what is taken from there, in one text: names, or ``theirs=ours`` where they differ.
        elsewhere: a name that is not there → what to use in its place, in words that follow *use*.
        values: name → a constant.
        live: our module whose attributes are this module's own: what is set here is set there. Its names need no listing.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    live: str = ""

    def places(self) -> Iterator[tuple[str, str, str]]:
        """Yield each name with our module and our name."""
        for module, text in self.names.items():
            for word in text.split():
                theirs, _, ours = word.partition("=")
                yield theirs, module, ours or theirs
