from types import SimpleNamespace

from umbel.compat.subsystems.worker_options import translated


def test_options_of_celery():
    assert translated({"loglevel": "INFO", "without_mingle": True, "exclude_queues": ["a"], "queues": None}) == {
        "exclude": ["a"],
        "without_mingle": True,
    }
    assert translated({"events": True, "statedb": "f"}) == {"task_events": True, "state_db": "f"}
    assert translated({"pool": "solo", "concurrency": 2, "nonsense": 1}) == {"pool": "solo", "concurrency": 2, "nonsense": 1}
    assert translated({"pool_cls": SimpleNamespace(__module__="celery.concurrency.prefork")}) == {"pool": "prefork"}
