"""Canvases and results: which types come out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

from umbel import AsyncResult, EagerResult, Signature, Task, Umbel, chain, chord, chunks, group, signature
from umbel.result import GroupResult, ResultSet

app = Umbel("typed")


@app.task
def add(x: int, y: int = 2) -> int:
    return x + y


@app.task
def scale(x: float) -> str:
    return str(x)


@app.task
def total(numbers: list[int]) -> float:
    return float(sum(numbers))


# signatures

assert_type(add.s(1), Signature[int])
assert_type(add.si(1, 2), Signature[int])
assert_type(add.signature((1,), countdown=3), Signature[int])
assert_type(add.s(1).clone().set(queue="q").on_error(scale.s()), Signature[int])
assert_type(add.s(1).delay(2), AsyncResult[int])
assert_type(add.s(1).apply_async((2,), countdown=1).get(), int)
assert_type(add.s(1).apply(), EagerResult[int])
assert_type(~add.s(1), int)
assert_type(signature("typed.add", args=(1,)), Signature[Any])
assert_type(app.signature("typed.add"), Signature[Any])

# chains: the result is the last step's

assert_type(add.s(1) | scale.s(), Signature[str])
assert_type(add.s(1) | add.s(2) | scale.s(), Signature[str])
assert_type((add.s(1) | scale.s()).delay().get(), str)
assert_type(chain(add.s(1)), chain[int])
assert_type(chain(add.s(1), scale.s()), chain[str])
assert_type(chain(add.s(1), scale.s())(), Any)
assert_type(chain(add.s(1), add.si(2), scale.s()).delay(), AsyncResult[str])
assert_type(chain(add.s(1), add.s(2), add.s(3), scale.s()).apply_async().get(), str)
assert_type(chain(add.s(1), scale.s()).set(queue="q"), chain[str])
listed: chain[Any] = chain([add.s(1), scale.s()])
many: chain[Any] = chain(add.s(1), add.s(2), add.s(3), add.s(4), scale.s())

# groups: a list of the members' results

assert_type(group(add.s(1), add.s(2)), group[int])
assert_type(group([add.s(1), add.s(2)]), group[int])
assert_type(group(add.s(number) for number in range(3)), group[int])
assert_type(group(add.s(1), add.s(2)).skew(1.0, 3.0), group[int])
assert_type(group(add.s(1), add.s(2)) | scale.s(), Signature[str])
assert_type((group(add.s(1)) | total.s()).delay(), AsyncResult[float])
assert_type(group(add.s(1), add.s(2)).apply_async(), GroupResult[int])
assert_type(group(add.s(1), add.s(2)).delay(), GroupResult[int])
assert_type(group(add.s(1), add.s(2))(), GroupResult[int])
assert_type(group(add.s(1)).apply_async().get(timeout=3), list[int])

# chords: the result is the body's

assert_type(chord([add.s(1)], total.s()), chord[float])
assert_type(chord(group(add.s(1)), total.s()).delay().get(), float)
assert_type(chord([add.s(1)], total.s()).apply_async().get(), float)
assert_type(chord([add.s(1)])(total.s()), AsyncResult[float])
assert_type(chord([add.s(1)], total.s())(), AsyncResult[float])
assert_type(add.chunks([(1, 2)], 10), chunks)


def results(one: AsyncResult[int], several: GroupResult[int]) -> None:
    assert_type(one.get(timeout=1.0, propagate=False), int)
    assert_type(one.state, str)
    assert_type(one.ready(), bool)
    assert_type(one.successful(), bool)
    assert_type(one.traceback, str | None)
    assert_type(one.forget(), None)
    assert_type(one.children, list[Any] | None)
    assert_type(several.get(), list[int])
    assert_type(several.completed_count(), int)
    assert_type(several.iterate(), Iterator[int])
    assert_type(several.id, str)
    assert_type(ResultSet([add.delay(1)]).get(), list[int])
    assert_type(app.AsyncResult("id"), AsyncResult[Any])
    assert_type(add.AsyncResult("id"), AsyncResult[int])


async def coroutine(one: AsyncResult[int], several: GroupResult[int]) -> None:
    assert_type(await one.aget(timeout=3), int)
    assert_type(await several.aget(timeout=3), list[int])


def generic(task: Task[[int], int]) -> AsyncResult[int]:
    return task.delay(1)


# what must not pass

chain(add.s(1), add)  # error: call-overload
add.s(1) | 3  # error: operator
wrong: Signature[str] = add.s(1)  # error: assignment
wrong_list: list[str] = group(add.s(1)).apply_async().get()  # error: assignment
chord([add.s(1)], total)  # error: arg-type
group(add)  # error: arg-type
