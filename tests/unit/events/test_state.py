from __future__ import annotations

import pickle
import random
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.events.fields import LONGEST_TEXT, LONGEST_TRACEBACK
from umbel.events.state import State, Task, Worker, heartbeat_expires
from umbel.events.task_state import MOST_OWN
from umbel.testing.clock import FakeClock

NOW = FakeClock().wall


def event(kind, clock=0, hostname="w1", **fields):
    return {
        "type": kind, "hostname": hostname, "clock": clock, "utcoffset": 0.0, "pid": 1, "timestamp": NOW + clock, "local_received": NOW + clock,
        **fields,
    }  # fmt: skip


def task(kind, clock=0, uuid="u", **fields):
    return event(f"task-{kind}", clock, uuid=uuid, **fields)


RECEIVED = {"name": "add", "args": "(2, 3)", "kwargs": "{}", "root_id": "u", "parent_id": None, "retries": 0, "eta": None, "expires": None}
LIFE = [task("received", 11, **RECEIVED), task("started", 12), task("succeeded", 13, result="5", runtime=0.5)]
RETRIED = [
    task("received", 11, **RECEIVED),
    task("started", 12),
    task("retried", 13, exception="E", traceback="T"),
    task("received", 14, **{**RECEIVED, "retries": 1, "eta": "2030"}),
    task("started", 15),
    task("failed", 16, exception="F", traceback="U"),
]


def state_of(events, **options):
    state = State(**options)
    for each in events:
        state.event(each)
    return state


def facts(state, uuid="u"):
    return {name: value for name, value in state.tasks[uuid].as_dict().items() if name != "worker"}


# tasks


def test_the_life_of_a_task():
    state, seen = State(), []
    for each in LIFE:
        (found, created), subject = state.event(each)
        seen.append((subject, created, found.state))
    assert seen == [("received", True, "RECEIVED"), ("started", False, "STARTED"), ("succeeded", False, "SUCCESS")]
    found = state.tasks["u"]
    assert (found.name, found.args, found.result, found.runtime, found.worker.hostname) == ("add", "(2, 3)", "5", 0.5, "w1")
    assert (found.received, found.started, found.succeeded, found.timestamp) == (NOW + 11, NOW + 12, NOW + 13, NOW + 13)
    assert found.info() == {"args": "(2, 3)", "kwargs": "{}", "retries": 0, "result": "5", "runtime": 0.5, "root_id": "u"}
    assert found.info(["name"], ["state"]) == {"name": "add", "state": "SUCCESS"}
    assert (found.ready, found.origin, found.id) == (True, "w1.1", "u")
    assert (state.event_count, state.task_count) == (3, 1)
    assert repr(found) == "<Task: add(u) SUCCESS clock:13>"


@pytest.mark.parametrize("life", [LIFE, RETRIED], ids=["succeeded", "retried and failed"])
@given(data=st.data())
def test_whatever_order_and_however_often_the_end_is_the_same(life, data):
    order = data.draw(st.permutations(life + life))
    assert {**facts(state_of(order)), "clock": 0} == {**facts(state_of(life)), "clock": 0}


@given(missing=st.sets(st.integers(0, 1)))
def test_what_is_missing_is_unknown_and_the_rest_is_right(missing):
    state = state_of([each for number, each in enumerate(LIFE) if number not in missing])
    found = state.tasks["u"]
    assert (found.state, found.result) == ("SUCCESS", "5")
    assert found.name == (None if 0 in missing else "add")
    assert found.started == (None if 1 in missing else NOW + 12)


def test_without_clocks_the_order_of_a_life_decides():
    order = [{**each, "clock": None} for each in (LIFE[2], LIFE[0], LIFE[1])]
    found = state_of(order).tasks["u"]
    assert (found.state, found.name, found.result) == ("SUCCESS", "add", "5")


@pytest.mark.parametrize(
    ("kind", "state"), [("rejected", "REJECTED"), ("revoked", "REVOKED"), ("retried", "RETRY"), ("progress", "PROGRESS")]
)
def test_other_ends(kind, state):
    assert state_of([*LIFE[:2], task(kind, 20, hostname="w2")]).tasks["u"].state == state


@pytest.mark.parametrize("between", ["retried", "rejected"])
def test_the_next_attempt_may_be_another_workers(between):
    state = state_of([*LIFE[:2], task(between, 13), task("received", 2, hostname="w2", **RECEIVED), task("started", 3, hostname="w2")])
    found = state.tasks["u"]
    assert (found.state, found.worker.hostname) == ("STARTED", "w2")
    assert state.tasks_by_worker.keys() == {"w2"}


def test_an_older_attempt_does_not_change_a_newer_one():
    state = state_of([task("received", 1, hostname="w2", **{**RECEIVED, "retries": 2}), task("received", 50, **{**RECEIVED, "retries": 1})])
    assert state.tasks["u"].retries == 2


def test_a_client_is_known_by_what_it_sends():
    sent = task("sent", 99, hostname="gen1@client", queue="q", exchange="", routing_key="q", **RECEIVED)
    found = state_of([sent]).tasks["u"]
    assert (found.state, found.client, found.worker, found.origin, found.sent) == ("PENDING", "gen1@client", None, "gen1@client", NOW + 99)
    found = state_of([*LIFE, sent]).tasks["u"]
    assert (found.state, found.client, found.queue, found.clock) == ("SUCCESS", "gen1@client", "q", 13)
    assert state_of([sent, *LIFE]).tasks["u"].state == "SUCCESS"


def test_parents_roots_and_children():
    state = state_of(
        [
            task("received", 1, uuid="child", **{**RECEIVED, "parent_id": "parent", "root_id": "parent"}),
            task("received", 2, uuid="parent", **{**RECEIVED, "root_id": "parent"}),
        ]
    )
    child, parent = state.tasks["child"], state.tasks["parent"]
    assert (child.parent, child.root, parent.children, parent.parent) == (parent, parent, [child], None)
    assert (parent.as_dict()["children"], child.as_dict()["parent"], child.as_dict()["root"]) == (["child"], "parent", "parent")
    assert Task("alone").children == []


def test_fields_of_a_tasks_own_events_are_its_attributes():
    state = state_of([task("received", 1, **RECEIVED), task("progress", 2, done=5, label="half", nested={"a": [1]}, odd=float("nan"))])
    found = state.tasks["u"]
    assert (found.state, found.done, found.label, found.nested, found.odd) == ("PROGRESS", 5, "half", "{'a': [1]}", None)


def test_a_childs_clock_is_not_its_workers():
    own = [task("progress", clock, pid=99, done=clock) for clock in (500, 501)]
    found = state_of([*LIFE[:2], *own, LIFE[2]]).tasks["u"]
    assert (found.state, found.done, found.clock) == ("SUCCESS", 501, 501)
    assert state_of([LIFE[0], own[0], LIFE[1]]).tasks["u"].state == "PROGRESS"


def test_tasks_in_the_order_of_clocks_then_times():
    events = [task("received", clock, uuid=str(clock), name="even" if clock % 2 == 0 else "odd") for clock in range(1, 9)]
    random.Random(1).shuffle(events)
    state = state_of([*events, {**task("received", 8, uuid="later"), "timestamp": NOW + 1000}])
    assert [uuid for uuid, _ in state.tasks_by_timestamp()] == ["later", *map(str, range(8, 0, -1))]
    assert [uuid for uuid, _ in state.tasks_by_time(limit=2, reverse=False)] == ["1", "2"]
    assert [uuid for uuid, _ in state.tasks_by_type("odd")] == ["7", "5", "3", "1"]
    assert state.tasks_by_type["even"].keys() == {"2", "4", "6", "8"}
    assert [uuid for uuid, _ in state.tasks_by_worker("w1", limit=1)] == ["later"]
    assert (list(state.tasks_by_type("none")), state.task_types()) == ([], ["even", "odd"])
    assert len(list(state.itertasks(limit=3))) == 3


def test_those_heard_of_last_are_kept_and_nothing_else():
    state = State(max_tasks_in_memory=3)
    for number in range(5):
        state.event(task("received", number + 1, uuid=str(number), name=f"n{number}", parent_id=f"p{number}", hostname=f"w{number}"))
        state.event(task("started", number + 10, uuid="0", hostname="w0"))
    assert list(state.tasks) == ["3", "4", "0"]
    assert state.task_types() == ["n0", "n3", "n4"]
    assert state.tasks_by_worker.keys() == {"w3", "w4", "w0"}
    assert [len(index) for index in (state._by_parent, state.tasks_by_type)] == [3, 3]


# workers


def test_workers_come_beat_and_go():
    clock, told = FakeClock(), []
    state = State(
        clock=clock, on_node_join=lambda w: told.append(("join", w.hostname)), on_node_leave=lambda w: told.append(("leave", w.hostname))
    )
    fields = {"freq": 2.0, "active": 1, "processed": 7, "loadavg": [0.1, 0.2, 0.3], "sw_ident": "umbel", "sw_ver": "1", "sw_sys": "Linux"}
    (worker, created), subject = state.event(event("worker-online", 1, local_received=clock.wall, **fields))
    assert (created, subject, worker.alive, worker.status_string, worker.id) == (True, "online", True, "ONLINE", "w1.1")
    assert {name: getattr(worker, name) for name in fields} == fields
    clock.advance(3.9)
    assert [each.hostname for each in state.alive_workers()] == ["w1"]
    clock.advance(0.2)
    assert list(state.alive_workers()) == []
    state.event(event("worker-heartbeat", 2, local_received=clock.wall))
    assert worker.alive
    state.event(event("worker-offline", 3, local_received=clock.wall))
    assert (worker.alive, worker.heartbeats, dict(state.workers)) == (False, [], {})
    state.event(event("worker-offline", 4))
    assert told == [("join", "w1"), ("leave", "w1"), ("leave", "w1")]


def test_events_of_its_tasks_show_that_a_worker_is_there():
    clock = FakeClock()
    state = State(clock=clock)
    state.event({**LIFE[0], "local_received": clock.wall})
    worker = state.workers["w1"]
    assert (worker.alive, worker.pid, worker.clock) == (True, 1, 11)
    state.event({**event("worker-offline", 20), "local_received": clock.wall})
    state.event({**LIFE[2], "local_received": clock.wall})
    assert not worker.alive, "that was on its way when the worker went"
    state.event({**task("received", 21, uuid="v"), "local_received": clock.wall})
    assert worker.alive


def test_a_worker_that_goes_stays_known_where_nobody_asks():
    state = state_of([event("worker-online"), event("worker-offline")])
    assert state.workers["w1"].status_string == "OFFLINE"
    assert dict(state_of([event("worker-offline")]).workers) == {}


def test_heartbeats_are_sorted_and_bounded():
    worker = Worker("w", FakeClock())
    for when in (5.0, 3.0, 4.0):
        worker.event("heartbeat", when, when, {})
    assert worker.heartbeats == [3.0, 4.0, 5.0]
    for when in range(200):
        worker.event("heartbeat", 10.0, 10.0 + when, {})
    assert (len(worker.heartbeats), worker.heartbeats[-1]) == (60, 209.0)
    assert (heartbeat_expires(100.0, 2.0), heartbeat_expires(100.0), heartbeat_expires(100.0, 0)) == (104.0, 220.0, 220.0)


def test_the_drift_of_a_clock():
    worker = Worker("w", FakeClock())
    worker.event("heartbeat", 100.0, 130.0, {})
    assert worker.drift == 30.0


def test_workers_are_bounded():
    state = State(max_workers_in_memory=10)
    for number in range(100):
        state.event(event("worker-online", hostname=f"forged{number}"))
    assert list(state.workers) == [f"forged{number}" for number in range(90, 100)]


# the rest


def test_the_callback_sees_each_event_first():
    seen = []
    state = State(callback=lambda state, event: seen.append((event["type"], state.event_count, len(state.tasks))))
    state.event(LIFE[0])
    state.event(event("custom-thing"))
    assert seen == [("task-received", 1, 0), ("custom-thing", 2, 1)]


@pytest.mark.parametrize(
    "wrong",
    [{}, {"type": 5}, {"type": "task-received"}, {"type": "task-", "hostname": "w", "uuid": "u"}, {"type": "worker", "hostname": "w"},
     {"type": "task-received", "hostname": 5, "uuid": "u"}, {"type": "task-received", "hostname": "w", "uuid": ["u"]},
     {"type": "task-received", "hostname": "w" * 1000, "uuid": "u"}, {"type": "other", "hostname": "w"}],
)  # fmt: skip
def test_what_is_no_event_changes_nothing_but_the_count(wrong):
    state = State()
    assert state.event(wrong) is None
    assert (state.event_count, dict(state.tasks), dict(state.workers)) == (1, {}, {})


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)
NAMES = sorted({*RECEIVED, "state", "clock", "event", "info", "worker", "__class__", "_source", "children", "timestamp", "local_received", "freq", "pid",
                "loadavg", "active", "hostname", "cluster_state", "uuid", "heartbeats", "alive"})  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["task-received", "task-started", "task-x", "worker-online", "worker-heartbeat", "worker-offline"]),
            st.dictionaries(st.sampled_from(NAMES), ANYTHING),
        ),
        max_size=6,
    )
)
def test_no_field_does_harm(told):
    state = State(max_tasks_in_memory=4, max_workers_in_memory=4)
    for kind, fields in told:
        if not isinstance(fields.get("local_received"), float):
            fields.pop("local_received", None)
        state.event({"hostname": "w", "uuid": "u", **fields, "type": kind})
    for found in state.tasks.values():
        assert isinstance(found.info(), dict)
        assert isinstance(found.as_dict(), dict)
        assert isinstance(found.state, str)
        assert found.cluster_state is state
    for worker in state.workers.values():
        assert worker.status_string in {"ONLINE", "OFFLINE"}
    list(state.tasks_by_timestamp())
    list(state.alive_workers())


def test_what_is_kept_is_bounded():
    huge = "x" * 1_000_000
    state = state_of(
        [task("failed", 1, name=huge, args=huge, result=huge, exception=huge, traceback="a" + huge, other=huge, nested=[huge] * 9)]
    )
    found = state.tasks["u"]
    assert (len(found.name), len(found.args), len(found.exception), len(found.other)) == (255, LONGEST_TEXT, LONGEST_TEXT, LONGEST_TEXT)
    assert (len(found.nested) <= LONGEST_TEXT, len(found.traceback), found.traceback[0]) == (True, LONGEST_TRACEBACK, "x")
    for number in range(1000):
        state.event(task("custom", 2, **{f"field{number}": 1}))
    assert len(vars(found)) < MOST_OWN + 60


def test_memory_is_bounded_under_a_flood():
    state = State(max_tasks_in_memory=100, max_workers_in_memory=50)
    for number in range(20_000):
        state.event(task("received", number, uuid=str(number), name=f"n{number}", parent_id=f"p{number}", hostname=f"w{number}"))
    sizes = [len(state.tasks), len(state.workers), len(state.tasks_by_type), len(state.tasks_by_worker), len(state._by_parent)]
    assert sizes == [100, 50, 100, 100, 100]
    assert sum(map(sys.getsizeof, state.tasks_by_type.values())) < 100_000


def test_clearing():
    state = state_of([*LIFE, task("received", 20, uuid="open", name="n"), event("worker-online")])
    state.clear_tasks()
    assert (list(state.tasks), state.task_types()) == (["open"], ["n"])
    state.clear(ready=False)
    assert (dict(state.tasks), dict(state.workers), state.event_count, state.task_count, state.tasks_by_worker) == ({}, {}, 0, 0, {})


def test_nothing_changes_while_it_is_frozen():
    state, came = state_of(LIFE), threading.Event()

    def look(number, *, more):
        thread = threading.Thread(target=lambda: (state.event(task("received", 50, uuid="new")), came.set()))
        thread.start()
        assert not came.wait(0.05)
        return number + more + len(state.tasks), thread

    count, thread = state.freeze_while(look, 1, more=2)
    thread.join(10)
    assert (count, "new" in state.tasks) == (4, True)
    with pytest.raises(ZeroDivisionError):
        state.freeze_while(lambda: 1 / 0, clear_after=True)
    assert list(state.tasks) == ["new"]


def test_it_can_be_pickled():
    copy = pickle.loads(pickle.dumps(state_of([*LIFE, event("worker-online")])))
    copy.event(task("received", 20, uuid="new", parent_id="u"))
    assert (copy.tasks["u"].state, copy.workers["w1"].pid, copy.tasks["u"].children) == ("SUCCESS", 1, [copy.tasks["new"]])


def test_celerys_other_names():
    state = State()
    worker, created = state.get_or_create_worker("w", pid=5)
    assert (worker.pid, created, state.get_or_create_worker("w")) == (5, True, (worker, False))
    found, created = state.get_or_create_task("u")
    assert (found.uuid, created, state.get_or_create_task("u")) == ("u", True, (found, False))
    assert state.worker_event("heartbeat", event("")) == (state.workers["w1"], True)
    assert state.task_event("received", task("", **RECEIVED)) == (found, False)
    state.rebuild_taskheap()
    assert repr(state) == "<State: events=2 tasks=1>"
