"""Ways of writing canvases: operators, partial arguments, options, map and its like, lineage, what a result can be asked."""

from __future__ import annotations

import itertools

from interop.canvases.case import Case, sent
from interop.canvases.shapes import PLACES, within

OPERANDS = {
    "task": lambda k, n: k.f(f"t{n}"),
    "chain": lambda k, n: k.chain(k.f(f"c{n}"), k.f(f"d{n}")),
    "group": lambda k, n: k.group(k.f(f"m{n}"), k.f(f"n{n}")),
    "chord": lambda k, n: k.chord([k.f(f"p{n}"), k.f(f"q{n}")], k.f(f"o{n}")),
    "empty group": lambda k, n: k.group(),
    "group of one": lambda k, n: k.group(k.f(f"m{n}")),
}
REPEATED = {
    "map": lambda k: k.app.tasks["total"].map([[1, 2], [3]]),
    "starmap": lambda k: k.app.tasks["add"].starmap([(1, 2), (3, 4)]),
    "chunks": lambda k: k.app.tasks["add"].chunks([(each, each) for each in range(5)], 2),
    "chunks as a group": lambda k: k.app.tasks["add"].chunks([(each, each) for each in range(5)], 2).group(),
    "map of nothing": lambda k: k.app.tasks["total"].map([]),
    "chunks of nothing": lambda k: k.app.tasks["add"].chunks([], 2),
    "map of a generator": lambda k: k.app.tasks["total"].map([each] for each in range(3)),
    "failing map": lambda k: k.app.tasks["total"].map([[1], 2]),
    "failing starmap": lambda k: k.app.tasks["add"].starmap([(1, 2), (3,)]),
}
LINEAGES = {
    "task": lambda k: k.kin("a"),
    "chain": lambda k: k.chain(k.kin("a"), k.kin("b"), k.kin("c")),
    "group": lambda k: k.group(k.kin("a"), k.kin("b")),
    "chord": lambda k: k.chord([k.kin("a"), k.kin("b")], k.kin("c")),
    "group in a chain": lambda k: k.chain(k.kin("a"), k.group(k.kin("b"), k.kin("c")), k.kin("d")),
    "group behind a task": lambda k: k.chain(k.kin("a"), k.group(k.kin("b"), k.kin("c"))),
    "chains in a group": lambda k: k.group(k.chain(k.kin("a"), k.kin("b")), k.kin("c")),
    "callback": lambda k: _linked(k.kin("a"), k.kin("b")),
    "callbacks": lambda k: _linked(k.kin("a"), k.kin("b"), k.kin("c")),
    "body that is a chain": lambda k: k.chord([k.kin("a"), k.kin("b")], k.chain(k.kin("c"), k.kin("d"))),
    "chord of a chord": lambda k: k.chord([k.chord([k.kin("a"), k.kin("b")], k.kin("c")), k.kin("d")], k.kin("e")),
    "replaced task": lambda k: k.swap("a", to="kin"),
    "task replaced by a chain": lambda k: k.swap("a", to="kin chain"),
    "task replaced by a chain, in a chain": lambda k: k.chain(k.kin("b"), k.swap("a", to="kin chain"), k.kin("c")),
    "task replaced by a group": lambda k: k.swap("a", to="kin group"),
    "child": lambda k: k.spawn("a", what="kin"),
    "children in a chain": lambda k: k.spawn("a", what="kin chain"),
    "children in a group": lambda k: k.spawn("a", what="kin group"),
}
#: Whichever of these ended last is the parent of what follows their chord, and their root may be its.
ALIKE = {
    "chord": ("a", "b"),
    "group in a chain": ("b", "c"),
    "body that is a chain": ("a", "b"),
    "chord of a chord": ("a", "b", "c", "d"),
    "task replaced by a group": ("x", "y"),
}
ASKED = {
    "chain": lambda k: k.chain(k.f("a"), k.f("b")),
    "group": lambda k: k.group(k.f("a"), k.f("b")),
    "chord": lambda k: k.chord([k.f("a"), k.f("b")], k.f("c")),
    "failing group": lambda k: k.group(k.f("a"), k.boom("b")),
    "failing chain": lambda k: k.chain(k.boom("a"), k.f("b")),
}


def _linked(signature, *callbacks):
    for callback in callbacks:
        signature.link(callback)
    return signature


def _added(signature, *others):
    for other in others:
        signature = signature | other
    return signature


def _frozen(k):
    signature = k.chain(k.f("a"), k.f("b"))
    result = signature.freeze()
    signature.apply_async()
    return result


def _skewed(k):
    return k.group(k.f(label) for label in "abc").skew(start=0, stop=0.02, step=0.01)


def cases():
    for left, right in itertools.product(OPERANDS, repeat=2):
        yield f"{left} | {right}", Case(sent(lambda k, a=OPERANDS[left], b=OPERANDS[right]: a(k, 1) | b(k, 2)))
    for kinds in itertools.product(("task", "group", "chord"), repeat=3):
        yield " | ".join(kinds), Case(sent(lambda k, kinds=kinds: _added(*(OPERANDS[kind](k, place) for place, kind in enumerate(kinds)))))
        yield (
            f"{kinds[0]} | ({kinds[1]} | {kinds[2]})",
            Case(sent(lambda k, kinds=kinds: OPERANDS[kinds[0]](k, 0) | (OPERANDS[kinds[1]](k, 1) | OPERANDS[kinds[2]](k, 2)))),
        )
    for name, make in REPEATED.items():
        yield name, Case(sent(make))
        for place in ("first in a chain", "in a group", "in a header", "last in a chain"):
            yield f"{name} {place}", Case(sent(within(place, make)))
    for name, make in LINEAGES.items():
        yield f"lineage of a {name}", Case(sent(make), alike=ALIKE.get(name, ()))
    for name, make in ASKED.items():
        yield f"asked: {name}", Case(sent(make), asks=True)
    for kind, make in OPERANDS.items():
        yield f"{kind} with arguments", Case(sent(lambda k, make=make: make(k, 1), 7, 8))
        yield f"{kind} with keyword arguments", Case(lambda k, make=make: make(k, 1).apply_async(kwargs={"x": 1}))
        yield f"{kind} cloned with arguments", Case(lambda k, make=make: make(k, 1).clone((7,), {"x": 1}).apply_async())
        yield f"{kind} with delay", Case(lambda k, make=make: make(k, 1).delay(7))
        yield f"{kind} with an id", Case(lambda k, make=make: make(k, 1).apply_async(countdown=0.01))
        yield f"{kind}, made immutable", Case(sent(lambda k, make=make: k.chain(k.f("z"), _immutable(make(k, 1)))))
        yield f"{kind} from a dict", Case(lambda k, make=make: k.library.signature(dict(make(k, 1)), app=k.app).apply_async())
        yield f"{kind} eagerly", Case(lambda k, make=make: make(k, 1).apply())
    for place in PLACES:
        yield f"immutable task {place}", Case(sent(within(place, lambda k: k.f("t", immutable=True))))
        yield f"immutable task with arguments {place}", Case(sent(within(place, lambda k: k.f("t", 1, immutable=True))))
        yield f"partial task {place}", Case(sent(within(place, lambda k: k.f("t", 1, x=2))))
        yield f"eager task {place}", Case(lambda k, place=place: within(place, lambda k: k.f("t"))(k).apply())
    yield "chain of nothing", Case(sent(lambda k: k.chain()))
    yield "chain of an empty list", Case(sent(lambda k: k.chain([])))
    yield "chain of a group of one", Case(sent(lambda k: k.chain(k.group(k.f("a")))))
    yield "chain of a list with a group of one", Case(sent(lambda k: k.chain([k.group(k.f("a"))])))
    yield "chain of groups of one", Case(sent(lambda k: k.chain(k.group(k.f("a")), k.group(k.f("b")), k.f("c"))))
    yield "chain of a list", Case(sent(lambda k: k.chain([k.f("a"), k.f("b")])), True)
    yield "chain of a generator", Case(sent(lambda k: k.chain(k.f(label) for label in "abc")), True)
    yield "long chain", Case(sent(lambda k: k.chain(k.plain("add", 0, 1), *(k.plain("add", 1) for _ in range(30)))))
    yield "group of a list", Case(sent(lambda k: k.group([k.f("a"), k.f("b")])))
    yield "group of groups", Case(sent(lambda k: k.group(k.group(k.f("a"), k.f("b")), k.group(k.f("c")))))
    yield "group of a group", Case(sent(lambda k: k.group(k.group(k.f("a"), k.f("b")))))
    yield "wide group", Case(sent(lambda k: k.group(k.plain("add", each, 1) for each in range(30))))
    yield "chord of a generator", Case(sent(lambda k: k.chord((k.f(label) for label in "abc"), k.f("d"))))
    yield "chord of a group", Case(sent(lambda k: k.chord(k.group(k.f("a"), k.f("b")), k.f("c"))))
    yield "chord called with its body", Case(lambda k: k.chord([k.f("a"), k.f("b")])(k.f("c")))
    yield "chord called with arguments", Case(lambda k: k.chord([k.f("a"), k.f("b")], k.f("c"))(None))
    yield "chord without a body", Case(sent(lambda k: k.chord([k.f("a"), k.f("b")])))
    yield "wide chord", Case(sent(lambda k: k.chord([k.plain("add", each, 1) for each in range(30)], k.plain("total"))))
    yield "chain called", Case(lambda k: k.chain(k.f("a"), k.f("b"))(), True)
    yield "group called", Case(lambda k: k.group(k.f("a"), k.f("b"))())
    yield "frozen before", Case(_frozen, True)
    yield "skewed group", Case(sent(_skewed))
    yield "delayed step", Case(sent(lambda k: k.chain(k.f("a"), k.f("b").set(countdown=0.01), k.f("c"))), True)
    yield "step that leaves no result", Case(sent(lambda k: k.chain(k.f("a"), k.f("b").set(ignore_result=True), k.f("c"))), True)
    yield "member that leaves no result", Case(sent(lambda k: k.group(k.f("a"), k.f("b").set(ignore_result=True))))
    yield "header without results", Case(sent(lambda k: k.chord([k.f("a").set(ignore_result=True), k.f("b")], k.f("c"))))
    yield "apply_chunks", Case(lambda k: k.app.tasks["add"].chunks([(1, 2), (3, 4)], 1).apply_chunks())
    yield (
        "sum of chords",
        Case(
            sent(
                lambda k: k.chord([k.chord([k.plain("add", n, n) for n in range(3)], k.plain("total")) for _ in range(3)], k.plain("total"))
            )
        ),
    )
    yield "fan out, in, out, in", Case(
        sent(lambda k: k.plain("add", 1, 1) | k.group(k.plain("add", n) for n in range(3)) | k.plain("total")
             | k.group(k.plain("add", n) for n in range(3)) | k.plain("total"))
    )  # fmt: skip
    yield "values as they are", Case(sent(lambda k: k.chain(k.plain("echo", None, 1.5, "é", {"a": [1]}, (1, 2)), k.plain("echo", True))))


def _immutable(signature):
    signature.set_immutable(True)
    return signature
