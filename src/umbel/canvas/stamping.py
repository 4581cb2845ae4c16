"""Stamping: marks that travel with the tasks of a workflow, in the headers ``stamped_headers`` and ``stamps`` of their messages.

A stamp is an option of a signature whose name stands in its option ``stamped_headers``. Those of a chain or group are its parts', too. As in Celery
(5.7), the body of a chord is stamped by a visitor alone, not by stamps that were given as keywords.
"""

# ruff: noqa: B027 - what need not be overridden
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from umbel.canvas import shapes
from umbel.canvas.opening import header_group
from umbel.canvas.shapes import CHAIN, CHORD, GROUP


class StampingVisitor(ABC):
    """Says what each part of a workflow is stamped with.

    Each method gets the signature, and the stamps it has from around it by name. It returns stamps by name, or ``None``. With ``stamped_headers`` among
    them, a list of names, the names that are not in it are calling options.
    """

    @abstractmethod
    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any] | None:
        """A task, wherever it stands.

        Args:
            sig: the signature.
            headers: the stamps that it has from around it.
        """

    def on_group_start(self, group: Any, **headers: Any) -> dict[str, Any] | None:
        """A group, before its members; for them all.

        Args:
            group: the signature.
            headers: the stamps that it has from around it.
        """

    def on_group_end(self, group: Any, **headers: Any) -> None:
        """A group, after its members.

        Args:
            group: the signature.
            headers: the stamps that it has from around it.
        """

    def on_chain_start(self, chain: Any, **headers: Any) -> dict[str, Any] | None:
        """A chain, before its steps; for them all.

        Args:
            chain: the signature.
            headers: the stamps that it has from around it.
        """

    def on_chain_end(self, chain: Any, **headers: Any) -> None:
        """A chain, after its steps.

        Args:
            chain: the signature.
            headers: the stamps that it has from around it.
        """

    def on_chord_header_start(self, chord: Any, **headers: Any) -> dict[str, Any] | None:
        """A chord, before its header's members; for them and the body. As for a group, unless you say otherwise.

        Args:
            chord: the signature.
            headers: the stamps that it has from around it.
        """
        return self.on_group_start(chord.tasks, **headers)

    def on_chord_header_end(self, chord: Any, **headers: Any) -> None:
        """A chord, after its header's members.

        Args:
            chord: the signature.
            headers: the stamps that it has from around it.
        """

    def on_chord_body(self, chord: Any, **headers: Any) -> dict[str, Any] | None:
        """A chord, before its body; for that.

        Args:
            chord: the signature.
            headers: the stamps that it has from around it.
        """

    def on_callback(self, callback: Any, **headers: Any) -> dict[str, Any] | None:
        """A callback, before it is stamped as a signature.

        Args:
            callback: the signature.
            headers: the stamps that it has from around it.
        """

    def on_errback(self, errback: Any, **headers: Any) -> dict[str, Any] | None:
        """An error callback, before it is stamped as a signature.

        Args:
            errback: the signature.
            headers: the stamps that it has from around it.
        """


@dataclass(frozen=True, slots=True)
class Stamping:
    """One walk through a workflow.

    Args:
        wrap: makes a signature object of a dict; visitors see those.
        visitor: says what to stamp; ``None``: with what is given alone.
        append: stamps of the same name are added to one another, the new ones first, and do not replace one another.
    """

    wrap: Callable[[Any], Any]
    visitor: StampingVisitor | None = None
    append: bool = False

    def stamp(self, sig: Any, headers: Mapping[str, Any]) -> None:
        """Stamp a signature and its parts, in place.

        Args:
            sig: a signature object.
            headers: the stamps that it has from around it.
        """
        self.stamp_links(sig, headers)
        form = shapes.kind(sig)
        if form == CHAIN:
            self._parts(sig, sig["kwargs"], "tasks", headers, "chain")
        elif form == GROUP:
            self._parts(sig, sig["kwargs"], "tasks", headers, "group")
        elif form == CHORD:
            self._chord(sig, headers)
        else:
            self._mark(sig, _more(headers, self._asked("on_signature", sig, headers)))

    def stamp_links(self, sig: Any, headers: Mapping[str, Any]) -> None:
        """Stamp the callbacks and error callbacks of a signature alone.

        Args:
            sig: a signature object.
            headers: the stamps that it has from around it.
        """
        for option, method in (("link", "on_callback"), ("link_error", "on_errback")):
            if not sig["options"].get(option):
                continue
            for each in self._wrapped(sig["options"], option):
                self.stamp(each, _more(headers, self._asked(method, each, headers)))

    def _parts(self, sig: Any, holder: dict[str, Any], name: str, headers: Mapping[str, Any], form: str) -> None:
        within = _more(headers, self._asked(f"on_{form}_start", sig, headers))
        for part in self._wrapped(holder, name):
            self.stamp(part, within)
        self._asked(f"on_{form}_end", sig, within)

    def _chord(self, sig: Any, headers: Mapping[str, Any]) -> None:
        visitor = self.visitor
        if visitor is not None:
            sig["kwargs"]["header"] = self.wrap(header_group(sig))
        within = _more(headers, self._asked("on_chord_header_start", sig, headers))
        header = sig["kwargs"]["header"]
        holder, name = (header["kwargs"], "tasks") if isinstance(header, Mapping) else (sig["kwargs"], "header")
        for member in self._wrapped(holder, name):
            self.stamp(member, within)
        if visitor is None:
            return
        visitor.on_chord_header_end(sig, **within)
        if sig["kwargs"].get("body") is not None:
            body = sig["kwargs"]["body"] = self.wrap(sig["kwargs"]["body"])
            self.stamp(body, _more(within, visitor.on_chord_body(sig, **within)))

    def _asked(self, method: str, sig: Any, headers: Mapping[str, Any]) -> Any:
        """Ask the visitor; ``None`` without one."""
        return None if self.visitor is None else getattr(self.visitor, method)(sig, **headers)

    def _wrapped(self, holder: dict[str, Any], name: str) -> list[Any]:
        """Parts as signature objects, which take the place of the dicts they were."""
        holder[name] = found = [self.wrap(each) for each in shapes.listed(holder[name])]
        return found

    def _mark(self, sig: Any, headers: Mapping[str, Any]) -> None:
        options = sig["options"]
        names = headers.get("stamped_headers") or ()
        for name, value in headers.items():
            if name == "stamped_headers":
                continue
            new = sorted(value) if isinstance(value, (set, frozenset)) else value
            if self.append and name in names and name in options:
                new = [*shapes.listed(new), *shapes.listed(options[name])]
            options[name] = new
        if headers:
            options["stamped_headers"] = shapes.union(options.get("stamped_headers") or (), names)


def stamps_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Stamps with the list of their names: all of them, unless it is there.

    Args:
        given: by name.
    """
    if not given:
        return {}
    named = given.get("stamped_headers")
    return {**given, "stamped_headers": [name for name in given if name != "stamped_headers"] if named is None else list(named)}


def _more(headers: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Stamps, and those that a visitor returned."""
    if not found:
        return dict(headers)
    new = stamps_of(found)
    return {**headers, **new, "stamped_headers": shapes.union(headers.get("stamped_headers") or (), new["stamped_headers"])}
