from types import SimpleNamespace

from umbel import hooks
from umbel.compat.worker import state
from umbel.worker.gates.revoked import RevokedIds, RevokedStamps
from umbel.worker.tasks.events import TaskEvents


def test_what_a_worker_holds_and_has_done():
    events = TaskEvents()
    task = SimpleNamespace(id="1", task="proj.add")
    ids, stamps = RevokedIds(9, 60), RevokedStamps(9, 60)
    revoking = SimpleNamespace(ids=ids, stamps=stamps)
    index = SimpleNamespace(active=lambda: iter([task]), reserved=lambda: iter([]))
    worker = SimpleNamespace(
        parts=SimpleNamespace(events=events, index=index, revoking=revoking),
        revoke=lambda task_id: ids.add([task_id], 5.0),
        app=SimpleNamespace(worker_services=[]),
    )
    state.reset_state()
    hooks.worker_init.send(worker)
    hooks.worker_init.send(worker)
    [make] = worker.app.worker_services
    service = make(worker)
    state._workers[:] = [worker]
    try:
        events.received(task)
        events.succeeded(task, None)
        assert state.total_count == {"proj.add": 1}
        assert state.all_total_count == [1]
        assert "1" in state.successful_requests
        assert task in state.active_requests
        assert "1" in state.active_requests
        assert len(state.reserved_requests) == 0
        state.revoked.update(["2"])
        assert "2" in state.revoked
        assert "1" not in state.revoked
        state.revoked.add("3")
        state.revoked.discard("2")
        assert (list(state.revoked), len(state.revoked), state.revoked.as_dict()) == (["3"], 1, {"3": 5.0})
        state.revoked.clear()
        assert not state.revoked
        stamps.add([("who", "me"), ("who", 1)], 5.0)
        assert dict(state.revoked_stamps) == {"who": ["me", 1]}
        state.revoked_stamps.clear()
        assert (len(state.revoked_stamps), list(stamps)) == (0, [])
        assert repr(state.active_requests) == "<active: 1>"
    finally:
        state._workers.clear()
        state.reset_state()
    assert service.name == "StateService"
    assert not state.successful_requests
