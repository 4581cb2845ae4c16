from __future__ import annotations

import logging

import pytest

from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.task_log import TaskLog
from unit.worker.stand_ins import delivery, entry, outcome


def logged(caplog, level, happen):
    """The lines that events leave at a level."""
    events = TaskEvents()
    with caplog.at_level(level, logger="umbel.worker"):
        TaskLog().subscribe(events)
        happen(events)
    return [(record.levelname, record.message) for record in caplog.records]


def all_of_it(events):
    task = entry("1", "t")
    events.received(task)
    events.started(task, 7.0)
    for state in ("SUCCESS", "FAILURE", "RETRY", "IGNORED", "REJECTED"):
        events.endings[state](task, outcome(1, 0.5, state=state)._replace(detail="it\nis"))
    events.failed(task, outcome(1, state="FAILURE")._replace(detail="as it may", expected=True))
    events.expired(delivery("2"))
    events.revoked(delivery("4"), None)
    events.revoked(delivery("5"), 9)
    events.dead_lettered(delivery("3"), "rejected", "so")
    events.lost(task, "signal 9", "it will be redelivered")


LOUD = [
    ("ERROR", r"Task t[1] raised unexpected: it\nis"),
    ("ERROR", "Message t[3] moved to q.dead: rejected: so"),
    ("ERROR", "Task t[1]: its process ended (signal 9); it will be redelivered"),
]


def test_a_quiet_log_has_what_went_wrong(caplog):
    assert logged(caplog, logging.WARNING, all_of_it) == LOUD


def test_a_full_log_has_everything(caplog):
    lines = logged(caplog, logging.INFO, all_of_it)
    assert [line for line in lines if line in LOUD] == LOUD
    assert [line for line in lines if line not in LOUD] == [
        ("INFO", "Task t[1] received"),
        ("INFO", r"Task t[1] succeeded in 0.500000s: it\nis"),
        ("INFO", r"Task t[1] retry: it\nis"),
        ("INFO", "Task t[1] ignored"),
        ("INFO", r"Task t[1] rejected: it\nis"),
        ("INFO", "Task t[1] raised expected: as it may"),
        ("INFO", "Discarding revoked task: t[2] (expired)"),
        ("INFO", "Discarding revoked task: t[4] (revoked)"),
        ("INFO", "Discarding revoked task: t[5] (ended by signal 9)"),
    ]


def test_only_a_log_of_everything_says_when_a_task_begins(caplog):
    begins = ("DEBUG", "Task accepted: t[1] pid:None")
    assert begins in logged(caplog, logging.DEBUG, all_of_it)


@pytest.mark.parametrize(("level", "asked"), [(logging.WARNING, False), (logging.INFO, True)])
def test_what_the_level_keeps_out_is_not_listened_to(caplog, level, asked):
    events = TaskEvents()
    with caplog.at_level(level, logger="umbel.worker"):
        TaskLog().subscribe(events)
    assert (events.received.tell is not None) is asked
    assert (events.succeeded.tell is not None) is asked
