"""Tasks that are replaced, by everything and everywhere; tasks that send others, or add to their chord."""

from __future__ import annotations

from interop.canvases.callbacks import linked
from interop.canvases.case import Case, sent
from interop.canvases.replacements import ADDED, REPLACEMENTS
from interop.canvases.shapes import PLACES, within


def _swap(to):
    return lambda k: k.swap("s", to=to)


def cases():
    for to in REPLACEMENTS:
        make = _swap(to)
        yield f"replaced by {to}", Case(sent(make))
        yield f"replaced by {to}, with a callback", Case(sent(lambda k, make=make: linked(make(k), k.f("l"))))
        yield f"replaced by {to}, with an errback", Case(sent(lambda k, make=make: make(k).on_error(k.errback("e"))))
        for place in PLACES:
            yield f"replaced by {to}, {place}", Case(sent(within(place, make)), alike=("h1", "i1") if place == "as a body" else ())
        yield f"sends {to}", Case(sent(lambda k, to=to: k.spawn("s", what=to)))
        yield f"sends {to}, in a chain", Case(sent(lambda k, to=to: k.chain(k.spawn("s", what=to), k.f("t"))))
    # In Celery two members have one place then, and the order is that of their ids.
    for what in ADDED:
        yield f"{what}", Case(sent(lambda k, what=what: k.chord([k.spawn("s", what=what), k.f("h")], k.sort("b"))))
        yield f"{what} outside of a chord", Case(sent(lambda k, what=what: k.spawn("s", what=what)))
        yield (
            f"{what} to a chord in a chain",
            Case(sent(lambda k, what=what: k.chain(k.f("a"), k.group(k.spawn("s", what=what), k.f("h")), k.sort("b"), k.f("c")))),
        )
