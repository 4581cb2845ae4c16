from __future__ import annotations

from umbel.worker.tasks.events import Event, TaskEvents
from unit.worker.stand_ins import entry, outcome


def test_nobody_listens_until_somebody_does():
    event, heard = Event(), []
    assert event.tell is None
    event("nobody")
    event.listen(heard.append, never_raises=True)
    event.tell("one")
    assert heard == ["one"]


def test_all_listeners_are_told_in_the_order_in_which_they_came():
    event, heard = Event(), []
    for name in "abc":
        event.listen(lambda what, name=name: heard.append((name, what)))
    event.tell(1)
    event(2)
    assert heard == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("c", 2)]


def test_a_listener_that_raises_is_logged_and_harms_nobody(caplog):
    event, heard = Event(), []
    event.listen(lambda what: 1 / 0)
    event.tell("alone")
    event.listen(heard.append)
    event.tell("both")
    assert heard == ["both"]
    assert [record.message for record in caplog.records] == ["a listener of task events has failed"] * 2


def test_endings_are_found_by_their_state():
    events, heard = TaskEvents(), []
    for name in ("succeeded", "failed", "retried", "ignored", "rejected"):
        getattr(events, name).listen(lambda task, outcome, name=name: heard.append(name))
    for state in ("SUCCESS", "FAILURE", "RETRY", "IGNORED", "REJECTED"):
        events.endings[state].tell(entry(), outcome(1, state=state))
    assert heard == ["succeeded", "failed", "retried", "ignored", "rejected"]
