"""Failing members at each place, error callbacks of each style, retries, tasks that end without a result."""

from __future__ import annotations

from interop.canvases.case import Case, sent
from interop.canvases.shapes import PLACES, SEQUENTIAL, within

BOOM = {
    "failing task": lambda k: k.boom("t"),
    "failing chain": lambda k: k.chain(k.f("c"), k.boom("d"), k.f("e")),
    "failing group": lambda k: k.group(k.f("m"), k.boom("n")),
    "failing chord": lambda k: k.chord([k.f("p"), k.boom("q")], k.f("o")),
    "failing body": lambda k: k.chord([k.f("p"), k.f("q")], k.boom("o")),
}
ERRBACKS = {
    "a new errback": lambda k: k.errback("e"),
    "an old errback": lambda k: k.old_errback("e"),
    "a bound errback": lambda k: k.bound_errback("e"),
    "an immutable new errback": lambda k: k.errback("e", 1, 2, 3, immutable=True),
    "an immutable old errback": lambda k: k.old_errback("e", "given", immutable=True),
    "an immutable bound errback": lambda k: k.bound_errback("e", "given", immutable=True),
    "a task of any arguments as errback": lambda k: k.plain("echo"),
    "a broken errback": lambda k: k.broken_errback("e"),
    "a chain as errback": lambda k: k.chain(k.old_errback("e"), k.f("after")),
    "a group as errback": lambda k: k.group(k.old_errback("e"), k.old_errback("e2")),
    "a chord as errback": lambda k: k.chord([k.old_errback("e"), k.old_errback("e2")], k.f("after")),
    "an unknown errback": lambda k: k.app.signature("nobody.knows"),
}
#: An error callback on the whole of …
WHOLES = {
    "task": BOOM["failing task"],
    "chain": BOOM["failing chain"],
    "group": BOOM["failing group"],
    "chord": BOOM["failing chord"],
    "chord with a failing body": BOOM["failing body"],
    "chain with a chord": lambda k: k.chain(k.f("a"), k.group(k.f("b"), k.boom("c")), k.f("d"), k.f("e")),
    "chain in a group": lambda k: k.group(k.chain(k.boom("a"), k.f("b")), k.f("c")),
    "group in a chain": lambda k: k.chain(k.boom("a"), k.group(k.f("b"), k.f("c"))),
    "retry in vain": lambda k: k.again("a", times=5, most=1),
    "replaced task": lambda k: k.swap("a", to="failing"),
}
UNUSUAL = {
    "retried": lambda k: k.again("t"),
    "retried in vain": lambda k: k.again("t", times=5, most=2),
    "retried in vain without a cause": lambda k: k.again("bare", times=5, most=1),
    "retried by itself": lambda k: k.auto("t"),
    "retried by itself in vain": lambda k: k.auto("t", times=5),
    "ignored": lambda k: k.ends("t"),
    "rejected": lambda k: k.ends("t", how="reject"),
    "without a result": lambda k: k.quiet("t"),
}


def _with(make, errback):
    def made(k):
        signature = make(k)
        signature.link_error(errback(k))
        return signature

    return made


def _link_error_twice(k):
    signature = k.boom("a")
    signature.link_error(k.errback("e"))
    signature.link_error(k.errback("e2"))
    signature.link_error(k.old_errback("o"))
    return signature


def cases():
    for kind, make in BOOM.items():
        yield kind, Case(sent(make), kind in ("failing task", "failing chain"))
        for place in PLACES:
            inner = within(place, make)
            yield f"{kind} {place}", Case(sent(inner), kind in ("failing task", "failing chain") and place in SEQUENTIAL)
            if kind == "failing task":
                for outer in PLACES:
                    yield f"{kind} {place}, {outer}", Case(sent(within(outer, inner, 2)))
    for what, errback in ERRBACKS.items():
        for whole, make in WHOLES.items():
            yield f"{what} on a {whole}", Case(sent(_with(make, errback)))
    for place in PLACES:
        yield f"errback on a failing task {place}", Case(sent(within(place, _with(BOOM["failing task"], ERRBACKS["a new errback"]))))
        yield f"old errback on a failing task {place}", Case(sent(within(place, _with(BOOM["failing task"], ERRBACKS["an old errback"]))))
        yield (
            f"errback on the whole around a failing task {place}",
            Case(sent(_with(within(place, BOOM["failing task"]), ERRBACKS["a new errback"]))),
        )
    for what, make in UNUSUAL.items():
        yield f"{what} task", Case(sent(make), True)
        for place in PLACES:
            yield f"{what} task {place}", Case(sent(within(place, make)), place in SEQUENTIAL)
    yield "three errbacks", Case(sent(_link_error_twice))
    yield "errback as an option", Case(lambda k: k.boom("a").apply_async(link_error=k.errback("e")), True)
    yield "errback as an option of a chain", Case(lambda k: BOOM["failing chain"](k).apply_async(link_error=k.errback("e")), True)
    yield "errback as an option of a group", Case(lambda k: BOOM["failing group"](k).apply_async(link_error=k.errback("e")))
    yield "errback as an option of a chord", Case(lambda k: BOOM["failing chord"](k).apply_async(link_error=k.errback("e")))
    yield "errback of a task that succeeds", Case(sent(lambda k: k.f("a").on_error(k.errback("e"))), True)
    yield "errback of a step that is not reached", Case(sent(lambda k: k.chain(k.boom("a"), k.f("b").on_error(k.errback("e")))), True)
    yield "errback of the step before", Case(sent(lambda k: k.chain(k.f("a").on_error(k.errback("e")), k.boom("b"))), True)
    yield "two failing members", Case(sent(lambda k: k.chord([k.boom("a"), k.boom("a")], k.f("b"))))
    yield "unknown task", Case(sent(lambda k: k.app.signature("nobody.knows")), True)
    yield "unknown task in a chain", Case(sent(lambda k: k.chain(k.f("a"), k.app.signature("nobody.knows"), k.f("b"))), True)
    yield "unknown task in a header", Case(sent(lambda k: k.chord([k.f("a"), k.app.signature("nobody.knows")], k.f("b"))))
    yield "wrong arguments", Case(sent(lambda k: k.plain("add", 1)), True)
    yield "wrong arguments in a chain", Case(sent(lambda k: k.chain(k.plain("add", 1, 2), k.plain("add", 1, 2))), True)
    yield "body with wrong arguments", Case(sent(lambda k: k.chord([k.f("a"), k.f("b")], k.plain("add", 1, 2))))
    yield "expired task in a chain", Case(sent(lambda k: k.chain(k.f("a"), k.f("b").set(expires=-1), k.f("c"))), True)
    yield "expired task in a group", Case(sent(lambda k: k.group(k.f("a"), k.f("b").set(expires=-1))))
    yield "expired task in a header", Case(sent(lambda k: k.chord([k.f("a"), k.f("b").set(expires=-1)], k.f("c"))))
