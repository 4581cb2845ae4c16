from __future__ import annotations

import asyncio
import time
import urllib.request

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.runtime.host.service_manager import ServiceManager
from umbel.worker.monitoring import service
from umbel.worker.monitoring.health import Health
from umbel.worker.monitoring.http_server import Address
from umbel.worker.monitoring.service import HasStarted, Monitoring
from umbel.worker.stopping import StopRequest

NOBODY = ServiceManager({})


def healthy():
    return Health(lambda: True, lambda: True, lambda: False)


def test_without_ports_and_file_it_does_nothing():
    async def main():
        monitoring = Monitoring(healthy(), {}, NOBODY)
        assert not monitoring.is_wanted
        await monitoring.start()
        before = len(asyncio.all_tasks())
        await monitoring.stop()
        assert before == 1

    asyncio.run(main())


def test_probes_are_answered_from_start_to_stop_and_tell_when_all_has_started():
    async def main():
        health = healthy()
        monitoring = Monitoring(health, {Address("127.0.0.1", 0): health.routes()}, NOBODY)
        await monitoring.start()
        (address,) = monitoring.addresses
        url = f"http://127.0.0.1:{address.port}/startupz"
        with pytest.raises(urllib.error.HTTPError) as refused:
            await asyncio.to_thread(urllib.request.urlopen, url, timeout=10)
        refused.value.close()
        await HasStarted(health, NOBODY, StopRequest(), "w").start()
        with await asyncio.to_thread(urllib.request.urlopen, url, timeout=10) as answer:
            assert answer.status == 200
        assert health.loop is asyncio.get_running_loop()
        await monitoring.stop()
        with pytest.raises(urllib.error.URLError):
            await asyncio.to_thread(urllib.request.urlopen, url, timeout=10)

    asyncio.run(main())


def test_each_look_notes_that_the_loop_turns():
    health = healthy()
    health.turned = 0.0
    Monitoring(health, {}, NOBODY).look(5.0)
    assert health.turned == 5.0


def test_the_heartbeat_file_is_touched_once_a_second_and_removed(tmp_path):
    file = tmp_path / "alive"

    async def main():
        monitoring = Monitoring(healthy(), {}, NOBODY, file)
        await monitoring.start()
        assert file.exists()
        file.unlink()
        now = time.monotonic() + 100
        monitoring.look(now)
        assert file.exists()
        file.unlink()
        monitoring.look(now + 0.5)
        assert not file.exists()
        monitoring.look(now + 1)
        assert file.exists()
        await monitoring.stop()
        assert not file.exists()

    asyncio.run(main())


def test_a_file_that_cannot_be_written_ends_the_start_but_not_a_worker_that_runs(tmp_path, caplog):
    folder = tmp_path / "folder"

    async def main():
        monitoring = Monitoring(healthy(), {}, NOBODY, folder / "alive")
        with pytest.raises(ImproperlyConfigured, match="alive cannot be written: No such file"):
            await monitoring.start()
        folder.mkdir()
        monitoring = Monitoring(healthy(), {}, NOBODY, folder / "alive")
        await monitoring.start()
        (folder / "alive").unlink()
        folder.rmdir()
        now = time.monotonic()
        for second in range(10, 15):
            monitoring.look(now + second)
        await monitoring.stop()

    asyncio.run(main())
    assert [record.message for record in caplog.records if record.name == service.logger.name and record.levelname == "WARNING"] == [
        f"The heartbeat file {folder}/alive cannot be written: No such file or directory"
    ]


def test_a_service_manager_is_told_of_start_and_stop_and_that_the_loop_turns(notified):
    manager, heard = notified(watchdog=2.0)

    async def main():
        health = healthy()
        monitoring, has_started = Monitoring(health, {}, manager), HasStarted(health, manager, StopRequest(), "w@h")
        await monitoring.start()
        await has_started.start()
        now = time.monotonic() + 100
        for moment in (0.0, 0.4, 0.5, 1.0):
            monitoring.look(now + moment)
        await has_started.stop()
        await monitoring.stop()

    asyncio.run(main())
    alive = "WATCHDOG=1"
    assert heard() == [
        alive,
        "READY=1\nSTATUS=w@h runs tasks",
        alive,
        alive,
        alive,
        "STOPPING=1\nSTATUS=w@h is stopping: running tasks may end",
    ]


def test_a_worker_that_starts_again_is_not_said_to_end(notified):
    manager, heard = notified(watchdog=2.0)

    async def main():
        stopping = StopRequest()
        has_started = HasStarted(healthy(), manager, stopping, "w@h")
        await has_started.start()
        stopping.request(again=True)
        await has_started.stop()

    asyncio.run(main())
    _, again = heard()
    assert again.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert again.endswith("\nSTATUS=w@h starts again when running tasks have ended")
