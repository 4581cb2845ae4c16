"""What is around tasks: signals, settings, schedules, integrations, and what others bring: brokers, stores, services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from umbel import AsyncResult, Periodic, Queue, Service, Signature, Umbel, get_task_logger
from umbel.beat.stores.base import ScheduleStore
from umbel.brokers.base import Broker
from umbel.contrib.fastapi import lifespan_of, progress_stream
from umbel.contrib.flask import FlaskUmbel
from umbel.contrib.webhooks import webhook_task
from umbel.result import allow_join_result
from umbel.results.base import ResultStore
from umbel.results.model import Record
from umbel.schedules import BaseSchedule, clocked, crontab, schedule, solar
from umbel.signals import task_failure, task_prerun, worker_ready

app = Umbel("typed", broker="memory://", backend="cache+memory://", task_acks_late=True)
logger = get_task_logger(__name__)
logger.info("begun")


@app.task
def add(x: int, y: int) -> int:
    with allow_join_result():
        return x + y


# signals: a receiver stays what it is


@task_prerun.connect
def before(task_id: str, **_: Any) -> int:
    return len(task_id)


@task_failure.connect(sender=add)
def failed(sender: object, exception: Exception, **_: Any) -> None: ...


@worker_ready.connect(weak=False)
def ready(**_: Any) -> None: ...


assert_type(before("x"), int)
assert_type(task_prerun.disconnect(before), bool)
task_failure.connect(failed, sender="typed.add", dispatch_uid="once")

# settings

app.conf.task_default_queue = "typed"
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1)
app.conf.task_queues = (Queue("typed"), Queue("slow", max_priority=3))
app.conf.beat_schedule = {"each": {"task": "typed.add", "schedule": crontab(minute="*/5"), "args": (1, 2)}}
app.config_from_object("settings", namespace="UMBEL")
app.autodiscover_tasks(["typed"])
assert_type(app.main, str | None)

# schedules

assert_type(crontab(hour=7, minute="0,30", day_of_week="mon-fri", timezone="Europe/Berlin").next_times(3), list[datetime])
assert_type(crontab(hour=7).minute, frozenset[int])
every: Sequence[BaseSchedule] = [
    crontab(),
    schedule(timedelta(minutes=1)),
    schedule(30.0),
    solar("sunset", -37.8, 144.9),
    clocked(datetime.now(UTC)),
]
app.add_periodic_task(10.0, add.s(1, 2), name="each")
app.add_periodic_task(crontab(hour=7), add.s(1, 2), expires=10)


@app.on_after_configure.connect
def set_up(sender: Umbel, **_: Any) -> None:
    sender.add_periodic_task(timedelta(seconds=3), add.s(1, 2))


# remote control


def remote_control() -> None:
    assert_type(app.control.ping(), list[dict[str, Any]] | None)
    assert_type(app.control.revoke(["a"], terminate=True, signal="KILL"), list[dict[str, Any]] | None)
    app.control.rate_limit("t")  # error: call-arg


async def controlling() -> None:
    assert_type(await app.control.aio.ping(), list[dict[str, Any]] | None)


# integrations

flask_app = FlaskUmbel("typed")
post = webhook_task(app, secret="whsec_c2VjcmV0")


@flask_app.task(bind=True)
def in_flask(self: Any, x: int) -> str:
    return str(x)


assert_type(in_flask.delay(1), AsyncResult[str])
assert_type(post.delay("https://example.com", {"a": 1}), AsyncResult[dict[str, int]])
lifespan = lifespan_of(app)
stream = progress_stream(add.delay(1, 2))

# services of the worker, and what others bring


class Looking(Periodic):
    def look(self, now: float) -> None:
        assert_type(self.interval, float)


class Serving(Service):
    async def begin(self) -> None: ...
    async def end(self) -> None: ...


app.worker_services.append(lambda worker: Looking(3.0))
app.worker_services.append(lambda worker: Serving())


def uses(broker: Broker, store: ResultStore, schedules: ScheduleStore) -> None:
    assert_type(broker.queue_client().length("q"), int | None)
    assert_type(store.fetch(["id"]), dict[str, Record])
    assert_type(schedules.revision(), int)


class Half:
    """Lacks most of what a result store is asked for."""

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        return {}


store: ResultStore = Half()  # error: assignment
in_flask.delay("x")  # error: arg-type
task_failure.connect(3)  # error: call-overload
crontab(hour=1.5)  # error: arg-type
wrong: Signature[str] = add.s(1, 2)  # error: assignment
