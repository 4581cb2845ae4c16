"""Entries: written, found again, changed by one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from umbel.beat.entries import model
from umbel.beat.stores.base import ScheduleStore
from umbel.testing.schedule_stores.values import NOW, entry

Make = Callable[[], ScheduleStore]


class TestEntries:
    def test_an_empty_store(self, make: Make) -> None:
        store = make()
        assert (store.revision(), store.changes().entries, store.runs(), store.unfinished(), store.holder()) == (0, (), [], [], None)

    def test_a_namespace_of_its_own(self, make: Make) -> None:
        assert make().namespace() == make().namespace() != ""

    def test_what_is_written_is_found_by_others(self, make: Make) -> None:
        given = entry("one", status=model.PAUSED, source=model.USER, reason="because", after=NOW + 0.1)
        assert make().save([given]) == [True]
        changes = make().changes()
        assert changes.entries == (replace(given, revision=1),)
        assert changes.revision == make().revision() == 1
        assert (make().entry("one"), make().entry("two")) == (changes.entries[0], None)

    def test_names_and_texts_of_all_kinds(self, make: Make) -> None:
        names = ["ÄÖ", "ab", "AB", "a b:c*{}", "日本語", "x" * 200, "'; DROP TABLE umbel_schedule_entries; --"]
        assert all(make().save([entry(name, reason=f"{name}\n\0") for name in names]))
        assert {each.name: each.reason for each in make().changes().entries} == {name: f"{name}\n\0" for name in names}

    def test_one_of_two_who_change_the_same(self, make: Make) -> None:
        first, second = make(), make()
        assert first.save([entry("one")]) == [True]
        assert second.save([entry("one")]) == [False]
        (known,) = second.changes().entries
        assert first.save([replace(known, status=model.PAUSED)]) == [True]
        assert second.save([replace(known, reason="late")]) == [False]
        (left,) = second.changes().entries
        assert (left.status, left.reason) == (model.PAUSED, "")
        assert first.save([replace(known, revision=99), entry("two")]) == [False, True]

    def test_only_what_has_changed(self, make: Make) -> None:
        store = make()
        store.save([entry("one"), entry("two")])
        seen = store.changes()
        assert store.changes(seen.revision).entries == ()
        (one,) = [each for each in seen.entries if each.name == "one"]
        store.save([replace(one, status=model.REMOVED)])
        later = store.changes(seen.revision)
        assert [(each.name, each.status) for each in later.entries] == [("one", model.REMOVED)]
        assert later.revision > seen.revision

    def test_time_goes_back_only_if_it_is_told_to(self, make: Make) -> None:
        store = make()

        def change(after: float, *, rewind: bool = False) -> float:
            (known,) = store.changes().entries
            assert store.save([replace(known, after=after)], rewind=rewind) == [True]
            return store.changes().entries[0].after

        store.save([entry("one", after=NOW)])
        assert change(NOW + 5.5) == NOW + 5.5
        assert change(NOW + 1) == NOW + 5.5
        assert change(NOW + 1, rewind=True) == NOW + 1

    def test_a_thousand_at_once(self, make: Make) -> None:
        store = make()
        assert all(store.save([entry(f"e{number}") for number in range(1000)]))
        assert len({each.name for each in store.changes().entries}) == 1000

    def test_many_who_write_at_once(self, make: Make) -> None:
        make().save([entry("one")])
        done: list[int] = []

        def change() -> None:
            store = make()
            for _ in range(5):
                (known,) = store.changes().entries
                if store.save([replace(known, reason=f"{int(known.reason or 0) + 1}")]) == [True]:
                    done.append(1)

        threads = [threading.Thread(target=change) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert int(make().changes().entries[0].reason) == len(done) > 0
        assert make().revision() == len(done) + 1

    def test_a_damaged_entry_is_disabled_and_the_others_are_read(self, make: Make) -> None:
        store = make()
        store.save([entry("one"), entry("two", document={"task": "tasks.add", "schedule": {"every": -1}})])
        found = {each.name: each for each in store.changes().entries}
        assert found["one"].is_active
        assert (found["two"].status, found["two"].spec) == (model.DISABLED, None)
        assert "positive number of seconds" in found["two"].reason
