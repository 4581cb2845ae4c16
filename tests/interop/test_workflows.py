"""Workflows of one library's client run on the other's workers."""

from __future__ import annotations

import pytest


def t(name, *args, **options):
    return ["task", name, list(args), options]


ADD, ECHO = t("add", 1), t("echo")
WORKFLOWS = {
    "chain": (["chain", [t("add", 1, 2), ADD, ADD]], 5),
    "immutable": (["chain", [t("add", 1, 2), t("echo", "x", immutable=True)]], ["x"]),
    "group": (["group", [t("add", 1, 2), t("add", 3, 4)]], [3, 7]),
    "group of chains": (["group", [["chain", [t("add", 1, 2), ADD]], t("add", 3, 4)]], [4, 7]),
    "chain to a group": (["chain", [t("add", 1, 2), ["group", [ADD, ECHO]]]], [4, [3]]),
}
CHORDS = {
    "chord": (["chord", [t("add", 1, 2), t("add", 3, 4)], ECHO], [[3, 7]]),
    "empty chord": (["chord", [], ECHO], [[]]),
    "chain with a chord": (["chain", [t("add", 1, 2), ["group", [ADD, ADD]], ECHO, ECHO]], [[[4, 4]]]),
    "two chords in a row": (
        ["chain", [["group", [t("add", 1, 2), t("add", 0, 1)]], ECHO, ["group", [ECHO, ECHO]], ECHO]],
        [[[[[3, 1]]], [[[3, 1]]]]],
    ),
    "chord of chains": (["chord", [["chain", [t("add", 1, 2), ADD]], t("add", 3, 4)], ECHO], [[4, 7]]),
    "chord of chords": (["chord", [["chord", [t("add", 1, 2), t("add", 0, 0)], ECHO], t("add", 3, 4)], ECHO], [[[[3, 0]], 7]]),
    "chord with a chain": (["chord", [t("add", 1, 2)], ["chain", [ECHO, ECHO]]], [[[3]]]),
    "group of chords": (["group", [["chord", [t("add", 1, 2)], ECHO], t("add", 3, 4)]], [[[3]], 7]),
    "chord of a chain to a group": (
        ["chord", [["chain", [t("add", 1, 2), ["group", [ADD, ECHO]]]], t("add", 3, 4)], ECHO],
        [[[4, [3]], 7]],
    ),
}


def answers(pair, workflows):
    pair.start_worker("-c", "2")
    found = pair.talk([{"workflow": tree} for tree, _ in workflows.values()], timeout=20)
    return {name: answer.get("value", answer) for name, answer in zip(workflows, found, strict=True)}


def test_chains_and_groups(pair):
    assert answers(pair, WORKFLOWS) == {name: value for name, (_, value) in WORKFLOWS.items()}


#: Results by rpc:// are not kept, so that nobody could count them, in either library.
COUNTING = [
    pytest.param("rabbitmq", marks=[pytest.mark.rabbitmq, pytest.mark.redis]),
    pytest.param("redis", marks=pytest.mark.redis),
]


@pytest.mark.slow
@pytest.mark.parametrize("place", COUNTING, indirect=True)
def test_chords(pair):
    assert answers(pair, CHORDS) == {name: value for name, (_, value) in CHORDS.items()}
