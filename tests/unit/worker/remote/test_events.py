from __future__ import annotations

from umbel.testing.coroutines import on_loop
from unit.worker.remote.facade_bench import FacadeBench


class Switch:
    def __init__(self):
        self.on = False
        self.heartbeats = 0

    def enable(self):
        was, self.on = self.on, True
        return not was

    def disable(self):
        was, self.on = self.on, False
        return was

    def send_heartbeat(self):
        self.heartbeats += 1


@on_loop
async def test_events_are_switched_on_and_off():
    bench = FacadeBench()
    bench.state.events = switch = Switch()
    answers = [await bench.ask(name) for name in ("enable_events", "enable_events", "disable_events", "disable_events")]
    assert [answer["ok"] for answer in answers] == [
        "task events enabled", "task events already enabled", "task events disabled", "task events already disabled",
    ]  # fmt: skip
    assert await bench.ask("heartbeat") is None
    assert switch.heartbeats == 1


@on_loop
async def test_a_worker_that_sends_none_says_so():
    bench = FacadeBench()
    for name in ("enable_events", "disable_events", "heartbeat"):
        assert await bench.ask(name) == {"error": "ValueError('this worker sends no events')"}


@on_loop
async def test_elections_are_held_where_there_is_somebody_to_hold_them():
    bench = FacadeBench()
    assert await bench.ask("election", id="e", topic="t", action={"method": "ping"}) is None
    held = []

    class Gossip:
        def election(self, *given):
            held.append(given)

    bench.state.gossip = Gossip()
    assert await bench.ask("election", id="e", topic="t", action={"method": "ping"}) is None
    assert held == [("e", "t", {"method": "ping"})]
    assert "error" in await bench.ask("election", id=[], topic="t")
