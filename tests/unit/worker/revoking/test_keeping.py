from __future__ import annotations

import asyncio
import threading

from umbel.errors import OperationalError
from umbel.results.revocation_store import LONGEST
from umbel.results.revocations.memory import MemoryRevocations
from umbel.runtime.clock import SYSTEM
from umbel.testing.coroutines import on_loop
from umbel.worker.revoking import keeping as keeping_module
from umbel.worker.revoking.keeping import Keeping


class Bench:
    def __init__(self, *stores):
        self.tasks = []
        self.keeping = Keeping([(f"store {number}", store) for number, store in enumerate(stores)], 10, 60.0, self.spawn)
        self.learnt = []

    def spawn(self, work):
        self.tasks.append(asyncio.ensure_future(work))

    async def calm(self):
        await asyncio.gather(*self.tasks)


class Away(MemoryRevocations):
    """A store that cannot be reached, at first."""

    def __init__(self, failures=1):
        super().__init__()
        self.failures = failures

    def fail(self):
        if self.failures:
            self.failures -= 1
            raise OperationalError("no answer")

    def add(self, *given, **options):
        self.fail()
        super().add(*given, **options)

    def read(self, since):
        self.fail()
        return super().read(since)


@on_loop
async def test_each_store_keeps_it_whatever_becomes_of_the_other(caplog):
    away, there = Away(), MemoryRevocations()
    bench = Bench(away, there)
    bench.keeping.keep(["a", "x" * (LONGEST + 1)])
    await bench.calm()
    assert list(there.read(0)) == ["a"]
    assert "1 revoked tasks are not kept in store 0, so a worker that is started later may run them: no answer" in caplog.text


@on_loop
async def test_nothing_is_done_for_nothing():
    bench = Bench()
    bench.keeping.keep(["a"])
    bench.keeping.read_soon(bench.learnt.append)
    Bench(MemoryRevocations()).keeping.keep([])
    assert bench.tasks == []


@on_loop
async def test_a_store_that_was_away_is_read_when_it_is_back(monkeypatch, caplog):
    monkeypatch.setattr(keeping_module, "_AGAIN", 0.01)
    away, there = Away(failures=3), MemoryRevocations()
    for store, entry in ((away, "a"), (there, "b")):
        MemoryRevocations.add(store, [entry], SYSTEM.now(), most=10, expires=60)
    bench = Bench(away, there)
    await bench.keeping.read(lambda entries: bench.learnt.append(list(entries)))
    assert bench.learnt == [["b"]]
    await bench.calm()
    assert bench.learnt == [["b"], ["a"]]
    assert "what was revoked cannot be read from store 0 yet: no answer" in caplog.text


@on_loop
async def test_a_store_that_refuses_for_good_is_not_asked_again(monkeypatch, caplog):
    monkeypatch.setattr(keeping_module, "_AGAIN", 0.01)

    class Refusing(MemoryRevocations):
        def read(self, since):
            raise OperationalError("there is no table umbel_revoked", permanent=True)

    bench = Bench(Refusing())
    await bench.keeping.read(bench.learnt.append)
    await bench.calm()
    assert bench.learnt == []
    assert caplog.text.count("what was revoked cannot be read from store 0: there is no table umbel_revoked") == 1


@on_loop
async def test_a_store_that_is_slow_holds_no_start_up(monkeypatch, caplog):
    monkeypatch.setattr(keeping_module, "_PATIENCE", 0.01)
    release = threading.Event()

    class Slow(MemoryRevocations):
        def read(self, since):
            release.wait(20)
            return {"a": SYSTEM.now()}

    bench = Bench(Slow())
    await bench.keeping.read(lambda entries: bench.learnt.append(list(entries)))
    assert bench.learnt == []
    release.set()
    await bench.calm()
    assert bench.learnt == [["a"]]
