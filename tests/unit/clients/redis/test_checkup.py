from __future__ import annotations

import time

import pytest

from umbel.clients.finding import Level
from umbel.clients.redis.checkup import check
from umbel.wire.redis.resp import ReplyError

FINE = {
    "redis_version": "7.0.15",
    "maxmemory_policy": "noeviction",
    "maxmemory": "0",
    "used_memory": "1",
    "aof_enabled": "1",
    "role": "master",
}


class Connection:
    """A server that says what it is told to."""

    def __init__(self, skew=0.0, **info):
        self.info, self.skew = {**FINE, **info}, skew

    def call(self, command):
        if command == "TIME":
            if self.skew is None:
                raise ReplyError("NOPERM")
            now = time.time() + self.skew
            return [str(int(now)).encode(), str(int(now % 1 * 1e6)).encode()]
        lines = [f"{name}:{value}" for name, value in self.info.items() if value is not None]
        return "\r\n".join(["# Server", *lines]).encode() if command == "INFO" else b"PONG"


def problems(connection, *, keeps_messages=True):
    return [(each.level, each.text) for each in check(connection, "s", keeps_messages=keeps_messages) if each.level is not Level.OK]


def test_a_good_server_has_no_problems():
    assert problems(Connection()) == []
    assert problems(Connection(redis_version="7.2.4", valkey_version="8.0.1")) == []


@pytest.mark.parametrize(
    ("info", "level", "words"),
    [
        ({"redis_version": "6.0.9"}, Level.ERROR, "6.0.9 is too old"),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": "9"}, Level.ERROR, "throws keys away"),
        ({"maxmemory_policy": "allkeys-lru"}, Level.WARNING, "with a limit"),
        ({"maxmemory_policy": None}, Level.WARNING, "does not say"),
        ({"maxmemory": "100", "used_memory": "90"}, Level.WARNING, "90 % of its memory"),
        ({"aof_enabled": "0"}, Level.WARNING, "loses messages"),
        ({"role": "slave"}, Level.ERROR, "replica"),
        ({"skew": 5}, Level.WARNING, "5.0 s ahead of"),
        ({"skew": -5}, Level.WARNING, "5.0 s behind"),
    ],
)
def test_each_problem_is_told_with_advice(info, level, words):
    connection = Connection(**info)
    ((found, text),) = problems(connection)
    assert found is level
    assert words in text
    assert all(each.advice for each in check(connection, "s", keeps_messages=True) if each.level is not Level.OK)


def test_results_may_be_lost_in_a_restart():
    assert problems(Connection(aof_enabled="0"), keeps_messages=False) == []


def test_a_clock_that_may_not_be_asked_is_passed_over():
    assert problems(Connection(skew=None)) == []
