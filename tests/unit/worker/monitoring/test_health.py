from __future__ import annotations

import json

from umbel.worker.monitoring.health import STILL, Health


class Hand:
    """A clock that is set by hand."""

    def __init__(self):
        self.time = 1000.0

    def monotonic(self):
        return self.time

    now = monotonic


class World:
    def __init__(self):
        self.connected = self.staffed = True
        self.stopping = False
        self.clock = Hand()
        self.health = Health(lambda: self.connected, lambda: self.staffed, lambda: self.stopping, self.clock)

    def ask(self, path):
        answer = self.health.routes()[path]("")
        body = json.loads(answer.body)
        assert (answer.status == 200) == (body["status"] == "ok") == all(body["checks"].values())
        return answer.status, {name for name, is_well in body["checks"].items() if not is_well}


def test_a_new_worker_lives_and_is_not_ready():
    world = World()
    assert world.ask("/livez") == (200, set())
    assert world.ask("/startupz") == (503, {"started"})
    assert world.ask("/readyz") == (503, {"started"})
    world.health.has_started = True
    assert world.ask("/startupz") == world.ask("/readyz") == (200, set())


def test_an_event_loop_that_stands_still_is_the_only_reason_not_to_live():
    world = World()
    world.health.has_started = True
    world.connected = world.staffed = False
    world.stopping = True
    assert world.ask("/livez") == (200, set())
    assert world.ask("/readyz") == (503, {"broker", "children", "not stopping"})
    world.clock.time += STILL - 0.1
    assert world.ask("/livez") == (200, set())
    world.clock.time += 0.1
    assert world.ask("/livez") == (503, {"event loop"})
    world.health.turned = world.clock.time
    assert world.ask("/livez") == (200, set())
