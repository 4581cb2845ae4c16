from __future__ import annotations

from pathlib import Path

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.runtime.clock import SYSTEM
from umbel.testing.fakes import FakeApp
from umbel.worker.options import WorkerOptions
from umbel.worker.revoking.state_file import path_of, stores_of
from umbel.worker.settings import WorkerSettings


def stores(tmp_path, **options):
    with FakeApp(**options) as app:
        return stores_of(app, WorkerSettings.of(app, WorkerOptions(hostname="w1@host")))


def test_a_worker_keeps_it_in_its_file_and_in_the_result_store(tmp_path):
    names = [name for name, _ in stores(tmp_path, worker_state_db=str(tmp_path / "%n-%h.state"))]
    assert names == [f"the state file {tmp_path}/w1-host.state", "the result store fake://"]
    assert [name for name, _ in stores(tmp_path)] == ["the result store fake://"]


def test_what_the_file_keeps_is_there_in_the_next_life(tmp_path):
    path = str(tmp_path / "state")
    now = SYSTEM.now()
    stores(tmp_path, worker_state_db=path)[0][1].add(["a", "b"], now, most=10, expires=60)
    stores(tmp_path, worker_state_db=path)[0][1].add(["c"], now + 1, most=2, expires=60)
    found = stores(tmp_path, worker_state_db=path)[0][1].read(now - 60)
    assert len(found) == 2
    assert "c" in found


@pytest.mark.parametrize("content", [b"\x13\x57\x9a\xce" * 10, b"text", b"SQLite format 2\0"])
def test_a_file_of_another_form_is_refused(tmp_path, content):
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match="is no state file of Umbel"):
        path_of(str(path), "w1@host")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ImproperlyConfigured, match=f"there is no folder {tmp_path}/nowhere"):
        path_of(str(tmp_path / "nowhere" / "state"), "w1@host")


def test_an_empty_file_will_do(tmp_path):
    (tmp_path / "state").touch()
    assert path_of(str(tmp_path / "state"), "w1@host") == Path(tmp_path / "state")
