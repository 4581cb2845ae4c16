"""The stage on which tests of real processes play: RabbitMQ, Redis and SQLite in turn."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from system.stage import Place, Stage

BROKERS = [
    pytest.param("rabbitmq", marks=[pytest.mark.rabbitmq, pytest.mark.redis]),
    pytest.param("redis", marks=pytest.mark.redis),
    "sqlite",
]
#: For what does not differ by broker: the contract suite has proved what does.
ONE_BROKER = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
#: The same for tests that share their worker.
ONE_SHARED = pytest.mark.parametrize("shared_stage", ["sqlite"], indirect=True)
#: Seconds; tests that wait for a dead worker's lease wait this long.
LEASE = 2.0


def database(request: pytest.FixtureRequest, number: int) -> str:
    """The Redis of this session, another database of it unless the environment names one."""
    url: str = request.getfixturevalue("redis_url")
    return f"{url.removesuffix('/3')}/{number}" if url.endswith("/3") else url


def make_place(name: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    if name == "rabbitmq":
        return Place(name=name, broker=request.getfixturevalue("rabbitmq_url"), backend=database(request, 6))
    if name == "redis":
        return Place(name=name, broker=database(request, 5), backend=database(request, 6), lease=LEASE)
    url = f"sqlite:///{folder}/umbel.db"
    return Place(name=name, broker=url, backend=url, lease=LEASE)


@pytest.fixture(params=BROKERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return make_place(request.param, request, tmp_path)


@pytest.fixture
def stage(place: Place, unique: Callable[[str], str]) -> Iterator[Stage]:
    stage = Stage(place, unique("system"))
    try:
        yield stage
    finally:
        stage.close()


class SharedStages:
    """Stages that live as long as this test process, each with one worker, for tests that neither end nor configure theirs."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._stages: dict[str, Stage] = {}

    def get(self, place: Callable[[Path], Place], name: str) -> Stage:
        """The stage of this name; its worker is started when it is asked for first.

        Raises:
            AssertionError: its worker has ended, in the test before.
        """
        stage = self._stages.get(name)
        if stage is None:
            stage = self._stages[name] = Stage(place(self._folders.mktemp("shared")), f"shared-{name}-{uuid.uuid4().hex[:12]}")
            stage.worker("-c", "1")
        assert stage.workers[0].alive, f"the shared worker has ended\n{stage.logs()}"
        return stage

    def close(self) -> None:
        """End the workers, which leave nothing behind."""
        told = []
        for stage in self._stages.values():
            try:
                if any(worker.stop() for worker in stage.workers) or stage.length():
                    told.append(stage.logs())
            finally:
                stage.close()
        assert not told, "a shared worker left messages, or did not stop:\n" + "\n".join(told)


@pytest.fixture(scope="session")
def shared_stages(tmp_path_factory: pytest.TempPathFactory, rabbitmq_url: str) -> Iterator[SharedStages]:
    """The virtual host of `rabbitmq_url` must outlive them."""
    stages = SharedStages(tmp_path_factory)
    yield stages
    stages.close()


@pytest.fixture(params=BROKERS)
def shared_stage(request: pytest.FixtureRequest, shared_stages: SharedStages) -> Stage:
    """A stage whose worker (one child, the defaults) runs already, and will run on. Other tests use it before and after: look at your own ids."""
    return shared_stages.get(lambda folder: make_place(request.param, request, folder), request.param)
