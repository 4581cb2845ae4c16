from __future__ import annotations

import itertools

import pytest

from umbel.brokers.exchanges import matches
from umbel.wire.redis.channels import Channels, regex_of

KEYS = ["", "task", "task.received", "task.a.b", "worker.online", "x.task", "x.y.task", "taskforce.x", "a[1].b"]
PATTERNS = ["#", "task.#", "task.*", "#.task", "*.task", "task", "x.#.task", "*", "*.*", "", "a[1].b", "a[1].*", "#.b", "#.#"]


@pytest.mark.parametrize(
    ("transport", "plain", "with_key"),
    [
        ({}, "/5.ev", "/5.ev/task.multi"),
        ({"fanout_prefix": True, "fanout_patterns": True}, "/5.ev", "/5.ev/task.multi"),
        ({"fanout_prefix": False}, "ev", "ev/task.multi"),
        ({"fanout_prefix": "/app{db}."}, "/app5.ev", "/app5.ev/task.multi"),
        ({"fanout_patterns": False}, "/5.ev", "/5.ev"),
        ({"global_keyprefix": "mine:"}, "mine:/5.ev", "mine:/5.ev/task.multi"),
    ],
)
def test_names(transport, plain, with_key):
    channels = Channels.of(transport, 5)
    assert (channels.name("ev", ""), channels.name("ev", "task.multi")) == (plain, with_key)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_subscription_lets_through_all_that_is_asked_for(pattern):
    channels = Channels.of({}, 0)
    regexes = [regex_of(glob) for glob in channels.patterns("e*v", "topic", [pattern])]
    for key in KEYS:
        name = channels.name("e*v", key)
        if matches("topic", pattern, key):
            assert any(regex.fullmatch(name) for regex in regexes), (pattern, key)
        assert not any(regex.fullmatch(name.replace("e*v", "ev")) for regex in regexes)
        assert not any(regex.fullmatch(name.replace("e*v", "e*v2")) for regex in regexes)


def test_a_fanout_exchange_lets_every_key_through():
    regexes = [regex_of(glob) for glob in Channels.of({}, 0).patterns("box", "fanout", [""])]
    for name, regex_matches in itertools.product(["/0.box", "/0.box/any.key"], [regexes]):
        assert any(regex.fullmatch(name) for regex in regex_matches)


def test_without_keys_in_the_names_there_is_one_channel():
    assert Channels.of({"fanout_patterns": False}, 0).patterns("ev", "topic", ["task.#", "worker.#"]) == ["/0.ev"]
