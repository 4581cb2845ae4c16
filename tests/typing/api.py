"""What a type checker sees of the interface. ``# error: CODE`` marks lines that must not pass; everything else must."""

from __future__ import annotations

from typing import Any, assert_type

from umbel import AsyncResult, EagerResult, Signature, Task, Umbel, chain, chord, group, shared_task

app = Umbel("typed")


@app.task
def add(x: int, y: int = 2) -> int:
    return x + y


@app.task(name="typed.scale", max_retries=5)
def scale(x: float) -> str:
    return str(x)


@app.task(bind=True)
def bound(self: Task[..., None], name: str) -> bytes:
    self.update_state(state="PROGRESS", meta={"done": 1})
    if self.request.retries > 3:
        raise self.retry(countdown=1)
    return name.encode()


@app.task
async def fetch(url: str) -> dict[str, int]:
    return {url: 1}


@shared_task
def shared(x: int) -> None: ...


@shared_task(bind=True)
def shared_bound(self: Task[..., None], x: int) -> list[int]:
    return [x]


assert_type(add(1), int)
assert_type(add.delay(1, y=3), AsyncResult[int])
assert_type(add.delay(1).get(timeout=3), int)
assert_type(add.apply_async((1,), countdown=3), AsyncResult[int])
assert_type(add.apply((1,)), EagerResult[int])
assert_type(scale.delay(1.5).get(), str)
assert_type(bound.delay("x").get(), bytes)
assert_type(fetch.delay("x").get(), dict[str, int])
assert_type(shared.delay(1), AsyncResult[None])
assert_type(shared_bound.delay(1).get(), list[int])
assert_type(add.delay_many([(1, 2), 3]), list[AsyncResult[int]])


def remote_control() -> None:
    assert_type(app.control.ping(), list[dict[str, Any]] | None)
    assert_type(app.control.revoke(["a"], terminate=True, signal="KILL"), list[dict[str, Any]] | None)
    app.control.rate_limit("t")  # error: call-arg


async def coroutine() -> None:
    assert_type(await app.control.aio.ping(), list[dict[str, Any]] | None)
    assert_type(await add.adelay(1), AsyncResult[int])
    assert_type(await (await add.adelay(1)).aget(), int)


add.delay("x")  # error: arg-type
add.delay()  # error: call-arg
add.delay(1, 2, 3)  # error: call-arg
add.delay(1, z=3)  # error: call-arg
add("x")  # error: arg-type
scale.delay(x="x")  # error: arg-type
bound.delay(1)  # error: arg-type
fetch.delay(1)  # error: arg-type
shared.delay("x")  # error: arg-type
shared_bound.delay("x")  # error: arg-type


def workflows() -> None:
    assert_type(add.s(1), Signature[int])
    assert_type(add.s(1) | scale.s(), Signature[str])
    assert_type(chain(add.s(1), scale.s()), chain[str])
    assert_type(chain(add.s(1), add.si(2), scale.s()).delay(), AsyncResult[str])
    assert_type(group(add.s(1), add.s(2)) | scale.s(), Signature[str])
    assert_type(chord([add.s(1)], scale.s()).apply_async().get(), str)
    assert_type(add.s(1).clone().set(queue="q").on_error(scale.s()), Signature[int])
    chain(add.s(1), add)  # error: call-overload
