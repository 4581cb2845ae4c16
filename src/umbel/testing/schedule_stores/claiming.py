"""The lease, and claims of slots."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from umbel.beat.entries import model
from umbel.beat.entries.model import Entry
from umbel.beat.stores.base import Claim, ScheduleStore
from umbel.testing.schedule_stores.values import NOW, claim, entry, run

Make = Callable[[], ScheduleStore]


class TestLease:
    def test_one_has_it(self, make: Make) -> None:
        first, second = make(), make()
        assert first.acquire("a", 30)
        assert not second.acquire("b", 30)
        assert first.acquire("a", 30)
        assert second.holder() == "a"

    def test_given_back(self, make: Make) -> None:
        first, second = make(), make()
        first.acquire("a", 30)
        second.release("b")
        assert second.holder() == "a"
        first.release("a")
        assert second.holder() is None
        assert second.acquire("b", 30)

    def test_it_ends_by_itself(self, make: Make) -> None:
        first, second = make(), make()
        assert first.acquire("a", 0.2)
        waiting = threading.Event()
        for _ in range(200):
            if second.acquire("b", 30):
                break
            waiting.wait(0.05)
        assert second.holder() == "b"
        assert not first.acquire("a", 30)


class TestClaims:
    def known(self, store: ScheduleStore, name: str = "one") -> Entry:
        return next(each for each in store.changes().entries if each.name == name)

    def ready(self, make: Make, *names: str) -> ScheduleStore:
        """A store with entries, and a lease for ``a``."""
        store = make()
        store.save([entry(name) for name in names or ("one",)])
        store.acquire("a", 60)
        return store

    def test_a_slot_is_claimed_once(self, make: Make) -> None:
        store = self.ready(make)
        one = self.known(store)
        assert store.claim("a", [claim(one, NOW + 30, run("x"))]) == [True]
        assert store.claim("a", [claim(one, NOW + 30, run("y"))]) == [False]
        assert store.claim("a", [claim(one, NOW + 10, run("z"))]) == [False]
        found = self.known(store)
        assert (found.after, found.last_fired, found.last_id, found.total_runs) == (NOW + 30, NOW + 30.25, "x", 1)
        assert found.revision == one.revision
        assert store.runs() == [run("x")]

    def test_the_answer_may_be_lost(self, make: Make) -> None:
        store = self.ready(make)
        one = self.known(store)
        asked = [claim(one, NOW + 30, run("x"), run("y"))]
        assert store.claim("a", asked) == [True]
        assert store.claim("a", asked) == [True]
        assert self.known(store).total_runs == 1
        store.report([model.Report(task_id="x", state=model.SENT)])
        assert store.claim("a", asked) == [False]

    def test_without_the_lease_there_are_none(self, make: Make) -> None:
        store = self.ready(make)
        one = self.known(store)
        assert make().claim("b", [claim(one, NOW + 30)]) == [False]
        store.release("a")
        assert store.claim("a", [claim(one, NOW + 30)]) == [False]
        store.acquire("b", 60)
        assert store.claim("a", [claim(one, NOW + 30)]) == [False]
        assert store.runs() == []

    def test_another_revision_or_status(self, make: Make) -> None:
        store = self.ready(make)
        one = self.known(store)
        store.save([replace(one, reason="edited")])
        assert store.claim("a", [claim(one, NOW + 30)]) == [False]
        one = self.known(store)
        store.save([replace(one, status=model.PAUSED)])
        one = self.known(store)
        assert store.claim("a", [claim(one, NOW + 30)]) == [False]
        assert store.claim("a", [claim(entry("none", revision=1), NOW + 30)]) == [False]

    def test_many_at_once_each_by_itself(self, make: Make) -> None:
        names = [f"e{number:03}" for number in range(600)]
        store = self.ready(make, *names)
        known = {each.name: each for each in store.changes().entries}
        stale = replace(known["e001"], revision=99)
        claims = [claim(stale if name == "e001" else known[name], NOW + 30) for name in names]
        assert store.claim("a", claims) == [name != "e001" for name in names]
        assert len(store.runs(limit=1000)) == 599
        assert {each.total_runs for each in store.changes().entries} == {0, 1}

    def test_several_slots_of_one(self, make: Make) -> None:
        store = self.ready(make)
        one = self.known(store)
        slots = [NOW + 30, NOW + 60, NOW + 60, NOW + 90]
        assert store.claim("a", [claim(one, slot, run(f"{place}", slot=slot)) for place, slot in enumerate(slots)]) == [
            True,
            True,
            False,
            True,
        ]
        found = self.known(store)
        assert (found.after, found.last_id, found.total_runs) == (NOW + 90, "3", 3)

    def test_left_out_in_silence_or_with_a_word(self, make: Make) -> None:
        store = self.ready(make)
        one = self.known(store)
        assert store.claim("a", [model_claim(one, NOW + 30)]) == [True]
        assert store.claim("a", [claim(one, NOW + 60, run("s", slot=NOW + 60, state=model.SKIPPED, detail="why"))]) == [True]
        found = self.known(store)
        assert (found.after, found.last_id, found.total_runs) == (NOW + 60, None, 0)
        assert [(each.state, each.detail) for each in store.runs()] == [(model.SKIPPED, "why")]
        assert store.unfinished() == []

    def test_one_of_many_who_claim_at_once(self, make: Make) -> None:
        store = self.ready(make)
        one = self.known(store)
        granted: list[str] = []
        barrier = threading.Barrier(4)

        def want(number: int) -> None:
            mine = make()
            mine.revision()
            barrier.wait()
            for slot in range(1, 20):
                ours = run(f"{number}-{slot}", slot=NOW + slot, holder=f"{number}")
                granted.extend(f"{slot}" for is_ours in mine.claim("a", [claim(one, NOW + slot, ours)]) if is_ours)

        threads = [threading.Thread(target=want, args=(number,)) for number in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(granted) == len(set(granted))
        assert self.known(store).total_runs == len(granted)

    def test_an_edit_keeps_what_runs_have_changed(self, make: Make) -> None:
        store = self.ready(make)
        one = self.known(store)
        store.claim("a", [claim(one, NOW + 30, run("x"))])
        assert store.save([replace(one, reason="edited", after=NOW)]) == [True]
        found = self.known(store)
        assert (found.after, found.last_id, found.total_runs, found.reason) == (NOW + 30, "x", 1, "edited")


def model_claim(known: Entry, slot: float) -> Claim:
    """Make a claim without a run.

    Args:
        known: the entry.
        slot: seconds since the epoch.
    """
    return Claim(known.name, known.revision, slot, ())
