"""Tasks: what the decorators keep of a function, and what calls give back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from umbel import AsyncResult, Celery, EagerResult, Signature, Task, Umbel, shared_task
from umbel.contrib.abortable import AbortableTask
from umbel.errors import Reject, Retry

app = Umbel("typed", broker="memory://", backend="cache+memory://")
celery = Celery("typed", broker="memory://")


@app.task
def add(x: int, y: int = 2) -> int:
    return x + y


@app.task()
def empty_parentheses(x: int) -> int:
    return x


@app.task(name="typed.scale", queue="slow", max_retries=5, autoretry_for=(OSError,), retry_backoff=True, rate_limit="10/m")
def with_options(x: float) -> str:
    return str(x)


@app.task(bind=True)
def bound(self: Task[..., None], name: str) -> bytes:
    self.update_state(state="PROGRESS", meta={"done": 1})
    assert_type(self.request.retries, int)
    assert_type(self.request.id, str | None)
    if self.request.retries > 3:
        raise self.retry(countdown=1, exc=ValueError(name))
    return name.encode()


@app.task(bind=True, max_retries=None)
def bound_loosely(self: Any, name: str) -> None:
    raise Reject("no", requeue=False)


@app.task
async def fetch(url: str) -> dict[str, int]:
    return {url: 1}


@app.task(bind=True)
async def fetch_bound(self: Task[..., Any], url: str) -> dict[str, int]:
    return {url: 1}


@app.task(name="typed.fetch")
async def fetch_named(url: str) -> list[str]:
    return [url]


@app.task
def keywords(*, name: str, tags: tuple[str, ...] = ()) -> None: ...


@app.task
def variadic(*numbers: int, **names: str) -> float:
    return float(sum(numbers)) + len(names)


@celery.task
def as_celery(x: int) -> list[int]:
    return [x]


@shared_task
def shared(x: int) -> None: ...


@shared_task(bind=True)
def shared_bound(self: Task[..., None], x: int) -> list[int]:
    return [x]


@shared_task(name="typed.shared", ignore_result=True)
def shared_named(x: int) -> set[int]:
    return {x}


@shared_task
async def shared_async(x: int) -> int:
    return x


class Base(Task[..., Any]):
    """A base class of the user's."""

    abstract = True

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        assert_type(self.name, str)


@app.task(base=Base)
def based(x: int) -> int:
    return x


class Report(Task[[int, str], bytes]):
    """A class-based task."""

    name = "typed.report"

    def run(self, number: int, title: str) -> bytes:
        return title.encode() * number


report = app.register_task(Report())


@app.task(base=AbortableTask, bind=True)
def abortable(self: AbortableTask[..., None], x: int) -> int:
    assert_type(self.is_aborted(), bool)
    return x


# calling

assert_type(add(1), int)
assert_type(add.delay(1, y=3), AsyncResult[int])
assert_type(add.delay(1).get(timeout=3), int)
assert_type(add.delay(1).id, str)
assert_type(add.apply_async((1,), {"y": 3}, countdown=3), AsyncResult[int])
assert_type(add.apply_async([1], queue="q", eta=datetime.now(UTC), expires=timedelta(hours=1), priority=3), AsyncResult[int])
assert_type(add.apply((1,)), EagerResult[int])
assert_type(add.apply((1,)).get(), int)
assert_type(add.delay_many([(1, 2), 3]), list[AsyncResult[int]])
assert_type(add.name, str)
assert_type(empty_parentheses.delay(1), AsyncResult[int])
assert_type(with_options.delay(1.5).get(), str)
assert_type(bound.delay("x").get(), bytes)
assert_type(bound("x"), bytes)
assert_type(bound_loosely.delay("x"), AsyncResult[None])
assert_type(fetch.delay("x").get(), dict[str, int])
assert_type(fetch_bound.delay("x"), AsyncResult[dict[str, int]])
assert_type(fetch_named.delay("x"), AsyncResult[list[str]])
assert_type(keywords.delay(name="x", tags=("a",)), AsyncResult[None])
assert_type(variadic.delay(1, 2, a="b"), AsyncResult[float])
assert_type(as_celery.delay(1), AsyncResult[list[int]])
assert_type(shared.delay(1), AsyncResult[None])
assert_type(shared_bound.delay(1).get(), list[int])
assert_type(shared_named.delay(1), AsyncResult[set[int]])
assert_type(shared_async.delay(1), AsyncResult[int])
assert_type(based.delay(1), AsyncResult[int])
assert_type(report.delay(1, "x"), AsyncResult[bytes])
assert_type(abortable.delay(1).get(), int)
assert_type(app.send_task("typed.add", (1,)), AsyncResult[Any])
assert_type(add.s(1), Signature[int])
task: Task[[int, int], int]
call: Callable[[int], int] = add


async def coroutine() -> None:
    assert_type(await add.adelay(1), AsyncResult[int])
    assert_type(await (await add.adelay(1)).aget(), int)
    assert_type(await (await add.adelay(1, y=2)).aget(timeout=3), int)
    assert_type(await add.aapply_async((1,), countdown=1), AsyncResult[int])
    await add.adelay("x")  # error: arg-type


def retrying(self: Task[..., None]) -> None:
    assert_type(self.retry(throw=False), Retry)


# what must not pass

add.delay("x")  # error: arg-type
add.delay()  # error: call-arg
add.delay(1, 2, 3)  # error: call-arg
add.delay(1, z=3)  # error: call-arg
add.delay(1, y="x")  # error: arg-type
add("x")  # error: arg-type
add.apply_async(1)  # error: arg-type
add.apply_async((1,), 3)  # error: arg-type
add.dellay(1)  # error: attr-defined
empty_parentheses.delay(None)  # error: arg-type
with_options.delay(x="x")  # error: arg-type
bound.delay(1)  # error: arg-type
bound.delay("x", "y")  # error: call-arg
fetch.delay(1)  # error: arg-type
fetch_bound.delay(1)  # error: arg-type
fetch_named.delay()  # error: call-arg
keywords.delay("x")  # error: call-arg
keywords.delay(name=1)  # error: arg-type
variadic.delay("x")  # error: arg-type
as_celery.delay("x")  # error: arg-type
shared.delay("x")  # error: arg-type
shared_bound.delay("x")  # error: arg-type
shared_named.delay("x")  # error: arg-type
shared_async.delay("x")  # error: arg-type
based.delay("x")  # error: arg-type
report.delay("x", 1)  # error: arg-type
abortable.delay("x")  # error: arg-type
wrong: AsyncResult[str] = add.delay(1)  # error: assignment
text: str = add.delay(1).get()  # error: assignment
