"""What all scenarios share: a stage with a journal of what was meant, fault-recording helpers, the wait for quiet, the verdict."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.ledger import Entry, Journal, Report, audit
from chaos.private_postgresql import PrivatePostgresql
from chaos.servers import PrivateRabbit, PrivateRedis
from system.processes import WorkerProcess, environment, eventually
from system.stage import Place, Stage
from umbel.brokers.base import DEAD_SUFFIX
from umbel.errors import OperationalError

#: How a worker's log says that it has a message.
RECEIVED = re.compile(r"\[([0-9a-f-]{36})\] received")


@dataclass(frozen=True)
class Check:
    """One figure beside its bar."""

    what: str
    seen: Any
    bar: str
    good: bool

    def line(self) -> str:
        return f"{'ok  ' if self.good else 'FAIL'} {self.what}: {self.seen} (bar {self.bar})"


@dataclass
class Outcome:
    """How a scenario went."""

    name: str
    lines: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def check(self, what: str, seen: Any, bar: str, good: bool) -> None:
        self.checks.append(Check(what, seen, bar, good))

    def at_most(self, what: str, seen: float, most: float, unit: str = "") -> None:
        shown = round(seen, 3) if isinstance(seen, float) else seen
        self.check(what, f"{shown}{unit}", f"≤ {most:g}{unit}", seen <= most)

    def none(self, what: str, found: Iterable[Any] | int) -> None:
        found = found if isinstance(found, int) else list(found)
        count = found if isinstance(found, int) else len(found)
        self.check(what, count if not count else f"{count}, e.g. {found if isinstance(found, int) else found[:5]}", "0", not count)

    @property
    def good(self) -> bool:
        return all(check.good for check in self.checks)

    def text(self) -> str:
        return "\n".join([f"== {self.name}", *self.lines, *(check.line() for check in self.checks)])


class Arena(Stage):
    """A stage on which things are broken on purpose."""

    def __init__(self, place: Place, *, late: bool = True, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(place, f"chaos-{uuid.uuid4().hex[:10]}")
        self.settings.update({"task_acks_late": late, "broker_connection_max_retries": None, **(settings or {})})
        self.journal = Journal(self.ledger)
        self.begun = time.time()

    def fault(self, name: str, **fields: Any) -> None:
        """Record that a fault took place; call it only when it did."""
        self.journal.write("fault", name=name, **fields)

    def kill(self, worker: WorkerProcess) -> None:
        """SIGKILL to the worker's process group."""
        assert worker.alive, f"the worker ended by itself:\n{worker.text()}"
        pids = worker.members()
        at = time.time()
        worker.kill_group()
        assert worker.wait(10) == -signal.SIGKILL
        eventually(lambda: not worker.members(), 5, "all processes of the group gone")
        worker.end()
        held = sorted({found[1] for line in worker.log if (found := RECEIVED.search(line))})
        self.fault("kill group", t=at, pids=pids, held=held)
        self.workers.remove(worker)

    def submit(self, task: str, *args: Any, **options: Any) -> str:
        """Publish one task and write down how that went."""
        task_id = str(uuid.uuid4())
        self.journal.write("intent", id=task_id)
        outcome = "unknown"
        try:
            self.send(task, *args, task_id=task_id, **options)
            outcome = "ok"
        except OperationalError as error:
            self.journal.write("refusal", id=task_id, error=f"{type(error).__name__}: {error}"[:200])
        finally:
            self.journal.write("outcome", id=task_id, outcome=outcome)
        return task_id

    def flush_client(self) -> None:
        """Have every accepted message confirmed."""
        self.app.close()

    def accepted(self) -> set[str]:
        return {entry["id"] for entry in self.watch.update() if entry["kind"] == "outcome" and entry["outcome"] == "ok"}

    def await_all(self, timeout: float, besides: Iterable[str] = ()) -> None:
        """Wait until every accepted task (but for some) has run to its end, or until nothing has happened for the time given."""
        done: set[str] = set()
        seen = 0
        last, progress = time.monotonic(), 0

        def finished(entries: list[Entry]) -> bool:
            nonlocal seen, last, progress
            for entry in entries[seen:]:
                if entry["kind"] == "end":
                    done.add(entry["id"])
            seen = len(entries)
            if len(done) != progress:
                progress, last = len(done), time.monotonic()
            return wanted <= done or time.monotonic() - last > timeout

        wanted = self.accepted() - set(besides)
        self.watch.wait(finished, 3600, "all accepted tasks")

    def at_rest(self) -> dict[str, int]:
        """What is left in the broker when every worker has stopped."""
        stuck = {"queue": self.length()}
        if self.place.broker.startswith("redis"):
            import redis

            with redis.Redis.from_url(self.place.broker) as client:
                stuck["unacked"] = client.hlen("unacked")
                stuck["unacked_index"] = client.zcard("unacked_index")
        elif self.place.broker.startswith("sqlite"):
            with contextlib.closing(sqlite3.connect(self.place.broker.removeprefix("sqlite:///"))) as database:
                (stuck["held"],) = database.execute("SELECT count(*) FROM umbel_messages WHERE holder > 0").fetchone()
        elif self.place.broker.startswith("postgresql"):
            import psycopg

            with psycopg.connect(self.place.broker, autocommit=True) as connection:
                (stuck["held"],) = connection.execute("SELECT count(*) FROM umbel_messages WHERE holder > 0").fetchone()
        return stuck

    def come_to_rest(self, timeout: float) -> None:
        """Wait until nothing is under way any more; `verdict` says whether it worked.

        It must be quiet for a while: RabbitMQ does not tell what a worker holds, and elsewhere a message may move between two looks.
        """
        since = time.monotonic()
        quiet = 0.5

        def is_quiet() -> bool:
            nonlocal since
            if any(self.at_rest().values()):
                since = time.monotonic()
                return False
            return time.monotonic() - since >= quiet

        with contextlib.suppress(AssertionError):
            eventually(is_quiet, timeout)

    def dead_ids(self) -> list[str]:
        if not self.length(self.queue + DEAD_SUFFIX):
            return []
        return [letter.headers.get("id", "?") for letter in self.dead()]

    def verdict(self, *, states: bool = False) -> Report:
        """Stop the workers, when what dead ones held has come back, and compare."""
        if self.workers:
            self.come_to_rest((self.place.lease or 0) + 5)
        for worker in self.workers:
            assert worker.stop(timeout=30) == 0, worker.text()
        stored = None
        if states:
            stored = {task_id: self.app.AsyncResult(task_id).state for task_id in self.accepted()}
        return audit(self.watch.update(), dead=self.dead_ids(), states=stored, stuck=self.at_rest(), leaks={"zombies": zombies()})

    def celery_worker(self, python: str | os.PathLike[str], *options: str, settings: Mapping[str, Any] | None = None) -> WorkerProcess:
        """A real Celery worker on the same broker."""
        env = environment(self.place.broker, self.place.backend, self.ledger, {**self.settings, **(settings or {})}, "celery")
        worker = WorkerProcess(env, *options, python=python, library="celery")
        self.workers.append(worker)
        return worker.wait_ready(30)

    def close(self) -> None:
        self.journal.close()
        super().close()


def zombies() -> int:
    """Dead children of this process that nobody has waited for, and orphans of killed workers are init's business."""
    lines = subprocess.run(["ps", "-o", "stat=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False).stdout.split()
    return sum(line.startswith("Z") for line in lines)


def in_background(work: Callable[[], None]) -> tuple[threading.Thread, list[BaseException]]:
    """Run a publisher beside the faults; what it raises is kept."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="publisher")
    thread.start()
    return thread, errors


@dataclass
class Site:
    """A broker to play on, private where it must be broken, and how to clean up after it."""

    place: Place
    server: PrivateRedis | PrivateRabbit | PrivatePostgresql | None
    closers: list[Callable[[], None]]

    def close(self) -> None:
        for closer in reversed(self.closers):
            closer()


def _on_mariadb(lease: float) -> Site:
    """A database of its own on the server that the tests use: what stops a server is not played there."""
    import sqlalchemy as sa

    from umbel.clients.sql.addresses import url_of

    server = url_of(os.environ.get("UMBEL_TEST_MARIADB", "mysql://root@127.0.0.1:3306/test"))
    name = f"umbel_chaos_{os.getpid()}_{uuid.uuid4().hex[:6]}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")

    def run(statement: str) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)

    run(f"CREATE DATABASE {name}")
    store = PrivateRedis()
    url = server.set(database=name).render_as_string(hide_password=False)
    place = Place(name="mariadb", broker=url, backend=store.url(), lease=lease)
    return Site(place, None, [store.close, lambda: run(f"DROP DATABASE {name}"), engine.dispose])


def private_site(broker: str, lease: float = 5.0) -> Site:
    """Start what a scenario needs. Results go to a Redis of their own, which no fault touches."""
    if broker == "sqlite":
        folder = tempfile.mkdtemp(prefix="umbel-chaos-")
        url = f"sqlite:///{folder}/umbel.db"
        return Site(Place(name=broker, broker=url, backend=url, lease=lease), None, [lambda: shutil.rmtree(folder)])
    if broker == "mariadb":
        return _on_mariadb(lease)
    store = PrivateRedis()
    closers: list[Callable[[], None]] = [store.close]
    try:
        server = {"rabbitmq": PrivateRabbit, "redis": PrivateRedis, "postgresql": PrivatePostgresql}[broker]()
        closers.append(server.close)
    except BaseException:
        store.close()
        raise
    return Site(
        Place(name=broker, broker=server.url(), backend=store.url(), lease=None if broker == "rabbitmq" else lease), server, closers
    )
