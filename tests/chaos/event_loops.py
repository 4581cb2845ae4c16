"""Scenario "loop": coroutines publish while the broker takes nothing; the event loop does not stand still, and timeouts hold."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from chaos.scenario import Outcome, Site
from chaos.servers import PrivateRabbit
from integration.broken_line import Line
from umbel import Umbel
from umbel.brokers.confirms.receipts import WouldBlock

#: Seconds after which the calls are given up.
PATIENCE = 0.5
#: More than the sockets on the way hold. Rendering holds Python's lock for some 3 ms per megabyte, which is not what is measured here.
LARGE = "x" * 2_000_000


@dataclass
class Seen:
    """What one situation did to a loop."""

    beats: int = 0
    #: Seconds by which the heartbeat, and the worst of the timeouts, came late.
    late: float = 0.0
    timeout_late: float = 0.0
    timed_out: int = 0
    returned: int = 0
    errors: list[str] = field(default_factory=list)


def run(site: Site, *, bar: float = 0.02, calls: int = 20) -> Outcome:
    outcome = Outcome(f"loop on {site.place.name}: {calls} calls at once in each situation")
    queue = f"loop-{uuid.uuid4().hex[:10]}"
    with Line.to(site.place.broker) as line:
        for name, situation in SITUATIONS.items():
            if name == "alarm" and not isinstance(site.server, PrivateRabbit):
                continue
            with Umbel("loop", broker=line.url, broker_publish_timeout=2.0, task_default_queue=queue, set_as_current=False) as app:
                job = app.task(name="loop.job")(print)
                seen = asyncio.run(
                    play(lambda job=job: job.adelay(*SENDS.get(name, ())), situation(app, line, site), 1 if name in SENDS else calls)
                )
            outcome.lines.append(f"{name}: {seen.beats} heartbeats, {seen.timed_out} calls timed out")
            outcome.none(f"calls that did not wait ({name})", seen.returned)
            outcome.at_most(f"heartbeat late ({name})", seen.late, bar, " s")
            outcome.at_most(f"timeout late ({name})", seen.timeout_late, bar, " s")
            outcome.none(f"errors ({name})", seen.errors)
    with Umbel("loop", broker=site.place.broker, set_as_current=False) as app:
        client = app.broker.queue_client()
        client.delete(queue)
        client.close()
    return outcome


async def play(send: Callable, situation: AbstractContextManager[None], calls: int) -> Seen:
    """Send at once so many times while the situation lasts; each call is given up after `PATIENCE`."""
    seen = Seen()
    await asyncio.gather(*[send() for _ in range(3)])
    entered = await asyncio.to_thread(situation.__enter__)
    assert entered is None
    pulse = asyncio.create_task(_heartbeat(seen))
    try:
        await asyncio.gather(*[_one(send, seen) for _ in range(calls)])
    finally:
        pulse.cancel()
        await asyncio.to_thread(situation.__exit__, None, None, None)
    async with asyncio.timeout(20):
        await send()
    return seen


async def _heartbeat(seen: Seen) -> None:
    while True:
        due = time.perf_counter() + 0.005
        await asyncio.sleep(0.005)
        seen.late = max(seen.late, time.perf_counter() - due)
        seen.beats += 1


async def _one(send: Callable, seen: Seen) -> None:
    due = time.perf_counter() + PATIENCE
    try:
        async with asyncio.timeout(PATIENCE):
            await send()
    except TimeoutError:
        seen.timed_out += 1
        seen.timeout_late = max(seen.timeout_late, time.perf_counter() - due)
    except Exception as error:
        seen.errors.append(repr(error))
    else:
        seen.returned += 1


@contextlib.contextmanager
def _alarm(app: Umbel, line: Line, site: Site) -> Iterator[None]:
    site.server.control("set_vm_memory_high_watermark", "0.00001")
    time.sleep(1)  # the notice is on its way; nobody tells when it is there
    try:
        yield
    finally:
        site.server.control("set_vm_memory_high_watermark", "0.6")


@contextlib.contextmanager
def silent(app: Umbel, line: Line, site: Site | None = None) -> Iterator[None]:
    """The broker reads and does not answer."""
    line.deaf = True
    try:
        yield
    finally:
        line.cut()
        line.deaf = False


@contextlib.contextmanager
def frozen(app: Umbel, line: Line, site: Site | None = None) -> Iterator[None]:
    """The broker does not read."""
    line.frozen = True
    try:
        yield
    finally:
        line.frozen = False


@contextlib.contextmanager
def locked(app: Umbel, line: Line, site: Site | None = None) -> Iterator[None]:
    """Another thread holds the publisher's lock."""
    taken, over = threading.Event(), threading.Event()

    def hold() -> None:
        while not taken.is_set():  # the thread that reads replies has the lock now and then
            with contextlib.suppress(WouldBlock), app.publisher.receipt(wait=False):
                taken.set()
                over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


SITUATIONS: dict[str, Callable[..., AbstractContextManager[None]]] = {
    "alarm": _alarm,
    "silent": silent,
    "does not read": frozen,
    "does not read a large message": frozen,
    "another thread has the lock": locked,
}
#: What is sent, where it is not nothing.
SENDS = {"does not read a large message": (LARGE,)}
