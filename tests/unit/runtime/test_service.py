"""Services start in order, stop in reverse, and die together."""

from __future__ import annotations

import asyncio

import pytest

from umbel.runtime.service import Periodic, Service, ServiceGroup


class Named(Service):
    def __init__(self, name, calls, error=None):
        super().__init__()
        self._name, self.calls, self.error = name, calls, error

    @property
    def name(self):
        return self._name

    async def begin(self):
        self.calls.append(f"begin {self._name}")
        if self.error is not None:
            raise self.error

    async def end(self):
        self.calls.append(f"end {self._name}")
        if self.error is not None:
            raise self.error


def test_a_service_starts_and_stops_once():
    async def story():
        calls = []
        service = Named("a", calls)
        await service.stop()
        await service.start()
        await service.start()
        assert service.started
        await service.stop()
        await service.stop()
        assert calls == ["begin a", "end a"]
        assert not service.started

    asyncio.run(story())


def test_a_group_starts_in_order_and_stops_in_reverse():
    async def story():
        calls = []
        group = ServiceGroup([Named(name, calls) for name in "abc"], lambda: None)
        await group.start()
        await group.stop()
        assert calls == ["begin a", "begin b", "begin c", "end c", "end b", "end a"]

    asyncio.run(story())


def test_when_one_cannot_begin_those_before_it_stop_and_it_releases_what_it_has(caplog):
    async def story():
        calls = []
        group = ServiceGroup([Named("a", calls), Named("b", calls, OSError("no")), Named("c", calls)], lambda: None)
        with pytest.raises(OSError, match="no"):
            await group.start()
        await group.stop()
        assert calls == ["begin a", "begin b", "end b", "end a"]

    asyncio.run(story())
    assert "b raised when it was stopped" in caplog.text


def test_one_that_does_not_end_does_not_keep_the_others(caplog):
    class Hanging(Service):
        stop_timeout = 0.01

        async def end(self):
            await asyncio.Event().wait()

    async def story():
        calls = []
        group = ServiceGroup([Named("a", calls), Hanging()], lambda: None)
        await group.start()
        await group.stop()
        assert calls == ["begin a", "end a"]

    asyncio.run(story())
    assert "Hanging has not ended within 0.01 s" in caplog.text


def test_one_that_is_beginning_when_the_group_stops_is_ended():
    class Slow(Named):
        async def begin(self):
            await super().begin()
            await asyncio.Event().wait()

    async def story():
        calls = []
        group = ServiceGroup([Slow("a", calls), Named("b", calls)], lambda: None)
        starting = asyncio.ensure_future(group.start())
        await asyncio.sleep(0)
        starting.cancel()
        await group.stop()
        assert calls == ["begin a", "end a"]

    asyncio.run(story())


class Counting(Periodic):
    def __init__(self, enough, error=None):
        super().__init__(0.001)
        self.looks, self.enough, self.error = 0, enough, error
        self.done = asyncio.Event()

    def look(self, now):
        self.looks += 1
        if self.looks >= self.enough:
            self.done.set()
            if self.error is not None:
                raise self.error


def test_a_periodic_service_looks_until_it_is_stopped():
    async def story():
        service = Counting(5)
        await service.start()
        await service.done.wait()
        await service.stop()
        seen = service.looks
        await asyncio.sleep(0.02)
        assert service.looks == seen

    asyncio.run(story())


def test_the_first_death_is_told_once_and_its_error_kept(caplog):
    async def story():
        told = asyncio.Event()
        first, second = Counting(2, ValueError("the first")), Counting(10, ValueError("the second"))
        group = ServiceGroup([first, second], told.set)
        await group.start()
        await told.wait()
        await second.done.wait()
        await group.stop()
        assert str(group.error) == "the first"
        assert (first.looks, second.looks) == (2, 10)

    asyncio.run(story())
    assert "Counting has failed: ValueError: the first" in caplog.text
