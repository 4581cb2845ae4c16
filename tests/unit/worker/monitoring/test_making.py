from __future__ import annotations

import pytest

from umbel import Umbel
from umbel.errors import ImproperlyConfigured
from umbel.worker.options import WorkerOptions
from umbel.worker.worker import Worker


def monitoring(**options):
    return Worker(Umbel("made", broker="memory://"), WorkerOptions(hostname="w@h", pool="solo", **options)).services.services[0]


def test_a_worker_serves_nothing_unless_it_is_told_to():
    assert not monitoring().is_wanted


def test_one_address_serves_probes_and_metrics():
    assert len(monitoring(health_port="127.0.0.1:0", metrics_port="127.0.0.1:0").addresses) == 1
    assert len(monitoring(health_port="127.0.0.1:0", metrics_port="0").addresses) == 2


def test_settings_stand_behind_options():
    app = Umbel("made", broker="memory://")
    app.conf.update(worker_health_port=1, worker_metrics_port="localhost:2")
    found = Worker(app, WorkerOptions(pool="solo", health_port="3")).services.services[0]
    assert [str(address) for address in found.addresses] == ["*:3", "localhost:2"]


def test_the_heartbeat_file_is_named_after_the_worker(tmp_path):
    assert monitoring(heartbeat_file=f"{tmp_path}/%n-%h")._file == tmp_path / "w-h"


def test_an_address_that_cannot_be_meant_names_its_option():
    with pytest.raises(ImproperlyConfigured, match=r"worker_health_port \(--health-port\): 'http'"):
        monitoring(health_port="http")
