"""Canvases by structure: every kind within every kind, three deep."""

from __future__ import annotations

from interop.canvases.case import Case, sent

#: Where a canvas may stand in another one. The number keeps the labels of the levels apart.
PLACES = {
    "first in a chain": lambda k, x, n: k.chain(x, k.f(f"s{n}")),
    "in a chain": lambda k, x, n: k.chain(k.f(f"r{n}"), x, k.f(f"s{n}")),
    "last in a chain": lambda k, x, n: k.chain(k.f(f"r{n}"), x),
    "in a group": lambda k, x, n: k.group(x, k.f(f"g{n}")),
    "alone in a group": lambda k, x, n: k.group(x),
    "in a header": lambda k, x, n: k.chord([x, k.f(f"h{n}")], k.f(f"b{n}")),
    "alone in a header": lambda k, x, n: k.chord([x], k.f(f"b{n}")),
    "as a body": lambda k, x, n: k.chord([k.f(f"h{n}"), k.f(f"i{n}")], x),
}
KINDS = {
    "task": lambda k: k.f("t"),
    "chain": lambda k: k.chain(k.f("c"), k.f("d")),
    "chain of one": lambda k: k.chain(k.f("c")),
    "group": lambda k: k.group(k.f("m"), k.f("n")),
    "group of one": lambda k: k.group(k.f("m")),
    "empty group": lambda k: k.group([]),
    "generator": lambda k: k.group(k.f(label) for label in "mno"),
    "chord": lambda k: k.chord([k.f("p"), k.f("q")], k.f("o")),
    "empty chord": lambda k: k.chord([], k.f("o")),
}
DEEP = ("chain", "group", "chord")
SEQUENTIAL = {"first in a chain", "in a chain", "last in a chain", "alone in a group", "alone in a header"}


def within(place, make, level=1):
    """A canvas in a place of another one."""
    return lambda k: PLACES[place](k, make(k), level)


def cases():
    for kind, make in KINDS.items():
        one = kind in ("task", "chain", "chain of one", "group of one", "empty chord")
        yield kind, Case(sent(make), one)
        for place in PLACES:
            inner = within(place, make)
            yield f"{kind} {place}", Case(sent(inner), one and place in SEQUENTIAL)
            if kind not in DEEP:
                continue
            for outer in PLACES:
                ordered = one and place in SEQUENTIAL and outer in SEQUENTIAL
                yield f"{kind} {place}, {outer}", Case(sent(within(outer, inner, 2)), ordered)
