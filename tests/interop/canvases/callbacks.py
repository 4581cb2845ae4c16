"""Links at each place, and callbacks of callbacks."""

from __future__ import annotations

from interop.canvases.case import Case, sent
from interop.canvases.shapes import DEEP, KINDS, PLACES, within

CALLBACKS = {
    "a task": lambda k: k.f("l"),
    "an immutable task": lambda k: k.f("l", immutable=True),
    "a chain": lambda k: k.chain(k.f("l"), k.f("l2")),
    "a group": lambda k: k.group(k.f("l"), k.f("l2")),
    "a chord": lambda k: k.chord([k.f("l"), k.f("l2")], k.f("l3")),
    "an empty group": lambda k: k.group([]),
    "a linked task": lambda k: linked(k.f("l"), k.f("ll")),
    "a failing task": lambda k: k.boom("l"),
    "a retried task": lambda k: k.again("l"),
    "a replaced task": lambda k: k.swap("l", to="chain"),
}


def linked(signature, *callbacks):
    for callback in callbacks:
        signature.link(callback)
    return signature


def _linked(make, callback):
    return lambda k: linked(make(k), callback(k))


def cases():
    for what, callback in CALLBACKS.items():
        for kind in ("task", *DEEP):
            yield f"{what} linked to a {kind}", Case(sent(_linked(KINDS[kind], callback)))
        for place in PLACES:
            yield f"{what} linked to a task {place}", Case(sent(within(place, _linked(KINDS["task"], callback))))
    for place in PLACES:
        for kind in DEEP:
            yield f"a task linked to a {kind} {place}", Case(sent(within(place, _linked(KINDS[kind], CALLBACKS["a task"]))))
    yield "three callbacks", Case(sent(lambda k: linked(k.f("t"), k.f("l"), k.f("m"), k.f("n"))))
    yield "one callback twice", Case(sent(lambda k: linked(k.f("t"), k.f("l"), k.f("l"))))
    yield "callbacks of every kind", Case(sent(lambda k: linked(k.f("t"), *(make(k) for make in CALLBACKS.values()))))
    yield "callbacks five deep", Case(sent(_five_deep), True)
    yield "a callback and a chain", Case(sent(lambda k: k.chain(linked(k.f("a"), k.f("l")), linked(k.f("b"), k.f("m")), k.f("c"))))
    yield "link as an option", Case(lambda k: k.f("a").apply_async(link=k.f("l")), True)
    yield "links as an option", Case(lambda k: k.f("a").apply_async(link=[k.f("l"), k.f("m")]))
    yield "link as an option beside a link", Case(lambda k: linked(k.f("a"), k.f("l")).apply_async(link=k.f("m")))
    yield "link as an option of a chain", Case(lambda k: k.chain(k.f("a"), k.f("b")).apply_async(link=k.f("l")), True)
    yield "link as an option of a group", Case(lambda k: k.group(k.f("a"), k.f("b")).apply_async(link=k.f("l")))
    yield "link as an option of a chord", Case(lambda k: k.chord([k.f("a"), k.f("b")], k.f("c")).apply_async(link=k.f("l")))
    yield "callback of a failing task", Case(sent(lambda k: linked(k.boom("a"), k.f("l"))), True)
    yield "callback of a retried task", Case(sent(lambda k: linked(k.again("a"), k.f("l"))), True)
    yield "callback of an ignored task", Case(sent(lambda k: linked(k.ends("a"), k.f("l"))), True)
    yield "callback of a rejected task", Case(sent(lambda k: linked(k.ends("a", how="reject"), k.f("l"))), True)
    yield "callback of a task without a result", Case(sent(lambda k: linked(k.quiet("a"), k.f("l"))), True)
    yield "callback with arguments", Case(sent(lambda k: linked(k.f("a"), k.f("l", 1, 2, x=3))), True)
    yield (
        "chord as a callback of each step",
        Case(sent(lambda k: k.chain(*(linked(k.f(label), CALLBACKS["a chord"](k)) for label in "ab")))),
    )


def _five_deep(k):
    last = first = k.f("a")
    for label in "bcdef":
        last = last.link(k.f(label))
    return first
