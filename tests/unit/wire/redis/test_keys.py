from __future__ import annotations

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.wire.redis import keys, scripts
from umbel.wire.redis.keys import Keys


def test_priorities_go_down_to_a_step():
    own = Keys()
    assert [own.step(priority) for priority in (0, 2, 3, 5, 6, 8, 9, 12, -1, None, "7", "x")] == [0, 0, 3, 3, 6, 6, 9, 9, 0, 0, 6, 0]
    assert own.lists("celery") == ("celery", "celery\x06\x163", "celery\x06\x166", "celery\x06\x169")
    assert own.list_for("celery", 5) == "celery\x06\x163"


def test_names_follow_the_options():
    own = Keys.of({"global_keyprefix": "p:", "sep": ":", "priority_steps": [9, 0], "unacked_key": "u", "unacked_index_key": "i"})
    assert own.lists("q") == ("p:q", "p:q:9")
    assert (own.unacked, own.unacked_index) == ("p:u", "p:i")
    assert own.binding("x") == "p:_kombu.binding.x"
    assert own.member("rk", "", "q") == "rk::q"
    assert own.delayed("q") == "p:umbel:delayed:q"


def test_wrong_steps_are_named():
    with pytest.raises(ImproperlyConfigured, match="priority_steps is 'high'"):
        Keys.of({"priority_steps": "high"})


@pytest.mark.parametrize(
    ("key", "pattern"),
    [("a.*.c", r"^a\.[^\.]+\.c$"), ("a.#", r"^a\..*?$"), ("#", "^.*?$"), ("task-x", r"^task\-x$")],
)
def test_topic_patterns_are_kombus(key, pattern):
    assert keys.topic_pattern(key) == pattern


@pytest.mark.parametrize(("given", "prefix"), [("", ""), ("app", "app_"), ("app:", "app:"), ("app-", "app-"), ("a.", "a."), ("a_", "a_")])
def test_the_prefix_of_results(given, prefix):
    assert keys.result_prefix({"global_keyprefix": given}) == prefix
    assert keys.task_meta(prefix, "1") == f"{prefix}celery-task-meta-1"


@pytest.mark.parametrize(
    "name", ["claim", "renew", "expired", "restore", "move", "delay", "due", "begin", "publish_again", "release", "store"]
)
def test_scripts_are_there(name):
    script = scripts.load(name)
    assert "KEYS" in script.text
    assert len(script.sha) == 40
