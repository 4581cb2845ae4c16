"""Stamps, given as keywords and by visitors, on each kind of canvas."""

from __future__ import annotations

from interop.canvases.callbacks import linked
from interop.canvases.case import Case, sent
from interop.canvases.failures import BOOM
from interop.canvases.shapes import DEEP, KINDS, PLACES, within


def _linked(k):
    made = linked(k.f("a"), linked(k.f("l"), k.f("ll")))
    made.link_error(k.errback("e"))
    return made


STAMPED = {
    "task": KINDS["task"],
    **{kind: KINDS[kind] for kind in DEEP},
    "linked task": _linked,
    "failing task with an errback": lambda k: k.boom("a").on_error(k.old_errback("e")),
    "replaced task": lambda k: k.swap("a", to="chain"),
    "task replaced by a group": lambda k: k.swap("a", to="group"),
    "task replaced by a chord": lambda k: k.swap("a", to="chord"),
    "retried task": lambda k: k.again("a"),
    "chain with a chord": lambda k: k.chain(k.f("a"), k.group(k.f("b"), k.f("c")), k.f("d")),
    "chord with a chain": lambda k: k.chord([k.chain(k.f("a"), k.f("b")), k.f("c")], k.chain(k.f("d"), k.f("e"))),
    "failing chord": BOOM["failing chord"],
}


def _visitors(base):
    class Everywhere(base):
        def on_signature(self, sig, **headers):
            return {"seen": sig["kwargs"].get("label", sig["task"]), "stamped_headers": ["seen"]}

    class Kinds(base):
        def on_signature(self, sig, **headers):
            return {"on": "signature"}

        def on_group_start(self, group, **headers):
            return {"in_group": True}

        def on_chain_start(self, chain, **headers):
            return {"in_chain": True}

        def on_chord_body(self, chord, **headers):
            return {"as_body": True}

        def on_callback(self, callback, **headers):
            return {"as_callback": True}

        def on_errback(self, errback, **headers):
            return {"as_errback": True}

    class Options(base):
        def on_signature(self, sig, **headers):
            return {"mark": 1, "priority": 3, "stamped_headers": ["mark"]}

    return {"everywhere": Everywhere(), "by kinds": Kinds(), "with an option": Options()}


def _stamp(make, visitor=None, **stamps):
    def stamped(k):
        signature = make(k)
        signature.stamp(visitor=_visitors(k.stamping_visitor)[visitor] if visitor else None, **stamps)
        return signature

    return stamped


def _twice(append):
    def made(k):
        signature = k.chain(k.f("a"), k.f("b"))
        signature.stamp(mark="first")
        signature.stamp(append_stamps=append, mark="second")
        return signature

    return made


def _links(k):
    signature = _linked(k)
    signature.stamp_links(mark=1)
    return signature


def cases():
    for kind, make in STAMPED.items():
        yield f"stamp on a {kind}", Case(sent(_stamp(make, mark=1)))
        for visitor in ("everywhere", "by kinds", "with an option"):
            yield f"visitor {visitor} on a {kind}", Case(sent(_stamp(make, visitor)))
    for place in PLACES:
        yield f"stamp on a task {place}", Case(sent(within(place, _stamp(KINDS["task"], mark=1))))
        yield f"visitor by kinds on all around a task {place}", Case(sent(_stamp(within(place, KINDS["task"]), "by kinds")))
    for value in (None, "text", [1, 2], {"a": 1}, {"set"}):
        yield f"stamp {value!r}", Case(sent(_stamp(KINDS["task"], mark=value)))
    yield "two stamps", Case(sent(_stamp(KINDS["chain"], one=1, two=2)))
    yield "stamped twice", Case(sent(_twice(False)))
    yield "stamped twice, appended", Case(sent(_twice(True)))
    yield "stamps on links alone", Case(sent(_links))
    yield "stamps as options", Case(lambda k: k.f("a").apply_async(stamped_headers=["mark"], mark=1))
    yield "stamps as options of a chain", Case(lambda k: KINDS["chain"](k).apply_async(stamped_headers=["mark"], mark=1))
    yield "stamps as options of a group", Case(lambda k: KINDS["group"](k).apply_async(stamped_headers=["mark"], mark=1))
    yield "stamps that a task's children do not get", Case(sent(_stamp(lambda k: k.spawn("a", what="chain"), mark=1)))
