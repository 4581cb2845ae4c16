"""What tasks are replaced by, or send."""

from __future__ import annotations


def _twice(k):
    return k.chain(k.swap("again", to="chain"), k.f("z"))


def _linked(k):
    made = k.f("x")
    made.link(k.f("inner"))
    return made


REPLACEMENTS = {
    "task": lambda k: k.f("x"),
    "immutable": lambda k: k.f("x", immutable=True),
    "chain": lambda k: k.chain(k.f("x"), k.f("y")),
    "long chain": lambda k: k.chain(k.f("x"), k.f("y"), k.f("z")),
    "chain of one": lambda k: k.chain(k.f("x")),
    "chain to a group": lambda k: k.chain(k.f("x"), k.group(k.f("y"), k.f("z"))),
    "chain to a chord": lambda k: k.chain(k.f("x"), k.chord([k.f("y"), k.f("z")], k.f("w"))),
    "group": lambda k: k.group(k.f("x"), k.f("y")),
    "group of one": lambda k: k.group(k.f("x")),
    "group of chains": lambda k: k.group(k.chain(k.f("x"), k.f("y")), k.f("z")),
    "group of groups": lambda k: k.group(k.group(k.f("x"), k.f("y")), k.f("z")),
    "generator": lambda k: k.group(k.f(label) for label in "xyz"),
    "chord": lambda k: k.chord([k.f("x"), k.f("y")], k.f("z")),
    "chord with a chain": lambda k: k.chord([k.f("x"), k.f("y")], k.chain(k.f("z"), k.f("w"))),
    "chord of chords": lambda k: k.chord([k.chord([k.f("x"), k.f("y")], k.f("z")), k.f("w")], k.f("v")),
    "empty group": lambda k: k.group(),
    "empty chain": lambda k: k.chain(),
    "failing": lambda k: k.boom("x"),
    "failing chain": lambda k: k.chain(k.f("x"), k.boom("y"), k.f("z")),
    "failing group": lambda k: k.group(k.f("x"), k.boom("y")),
    "failing chord": lambda k: k.chord([k.f("x"), k.boom("y")], k.f("z")),
    "retried": lambda k: k.again("x"),
    "replaced": lambda k: k.swap("x", to="task"),
    "replaced by a chain": lambda k: k.swap("x", to="chain"),
    "chain with replaced": _twice,
    "linked": _linked,
    "with an errback": lambda k: k.boom("x").on_error(k.errback("inner")),
    "kin": lambda k: k.kin("x"),
    "kin chain": lambda k: k.chain(k.kin("x"), k.kin("y")),
    "kin group": lambda k: k.group(k.kin("x"), k.kin("y")),
    "not a signature": lambda _k: 42,
}
ADDED = {
    "added task": lambda k: k.f("x"),
    "added failing": lambda k: k.boom("x"),
    "added chain": lambda k: k.chain(k.f("x"), k.f("y")),
}
