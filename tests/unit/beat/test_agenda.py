"""The agenda."""

from __future__ import annotations

from umbel.beat.agenda import Agenda


def test_in_the_order_of_their_times():
    agenda = Agenda()
    for name, when in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        agenda.put(name, when)
    assert agenda.next_time() == 1.0
    assert agenda.take(2.0, 10) == ["a", "b"]
    assert agenda.take(2.0, 10) == []
    assert agenda.next_time() == 3.0


def test_what_is_said_last_counts():
    agenda = Agenda()
    agenda.put("a", 1.0)
    agenda.put("a", 5.0)
    assert agenda.take(4.0, 10) == []
    agenda.put("a", 2.0)
    assert agenda.take(4.0, 10) == ["a"]
    assert len(agenda) == 0
    assert agenda.next_time() is None


def test_taken_off():
    agenda = Agenda()
    agenda.put("a", 1.0)
    agenda.put("a", None)
    agenda.put("b", None)
    assert agenda.take(9.0, 10) == []


def test_at_most_so_many():
    agenda = Agenda()
    for number in range(5):
        agenda.put(f"{number}", float(number))
    assert agenda.take(9.0, 2) == ["0", "1"]
    assert len(agenda) == 3


def test_it_does_not_grow_by_what_was_overtaken():
    agenda = Agenda()
    for number in range(10_000):
        agenda.put("a", float(number))
    assert len(agenda._heap) < 100
    assert agenda.take(1e9, 10) == ["a"]
