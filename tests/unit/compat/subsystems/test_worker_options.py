from types import SimpleNamespace

from umbel.compat.subsystems.worker_options import translated


def test_options_of_celery():
    assert translated({"loglevel": "INFO", "without_mingle": True, "concurrency": "auto", "exclude_queues": ["a"], "queues": None}) == {
        "exclude": ["a"]
    }
    assert translated({"pool": "solo", "concurrency": 2, "nonsense": 1}) == {"pool": "solo", "concurrency": 2, "nonsense": 1}
    assert translated({"pool_cls": SimpleNamespace(__module__="celery.concurrency.prefork")}) == {"pool": "prefork"}
