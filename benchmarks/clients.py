"""What a client does, in an interpreter of its own: ``clients.py ACTION JSON-ARGUMENTS`` prints one JSON line."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time

PEER = os.environ["BENCH_LIBRARY"] not in ("umbel", "celery")


def purge():
    if PEER:
        from peers import purge

        purge()
        return {}
    from tasks import app

    app.control.purge()
    return {}


def publish(count, size=0, task="noop"):
    """One at a time from one thread, until the last is confirmed. Processor time is the client's own."""
    if PEER:
        import peers

        start, cpu = time.perf_counter(), time.process_time()
        peers.publish(count)
        took, used = time.perf_counter() - start, time.process_time() - cpu
        return {"publish_per_s": round(count / took), "client_us": round(used / count * 1e6, 1)}
    from tasks import app

    body = "x" * size if size else None
    send = app.tasks[task].delay
    send(body)  # connects and declares
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(count - 1):
        send(body)
    app.close()
    took, used = time.perf_counter() - start, time.process_time() - cpu
    return {"publish_per_s": round(count / took), "client_us": round(used / count * 1e6, 1)}


def one_by_one(count):
    """Each when the one before has long ended."""
    from tasks import app

    for _ in range(count):
        time.sleep(0.02)
        app.tasks["timed"].delay(time.time(), 0.0)
    app.close()
    return {}


def publish_these(count, task, arguments):
    from tasks import app

    app.tasks[task].delay_many([tuple(arguments)] * count)
    app.close()
    return {}


def publish_many(count):
    from tasks import app

    app.tasks["noop"].delay(0)
    start = time.perf_counter()
    app.tasks["noop"].delay_many((number,) for number in range(count - 1))
    app.close()
    return {"delay_many_per_s": round(count / (time.perf_counter() - start))}


def watch(count, keeps):
    """A monitor: counts so many events of tasks, or keeps a State of them; says how far it was behind at the end."""
    import resource
    import socket

    from tasks import app

    state, seen, behind = app.events.State(), 0, 0.0

    def on_event(event):
        nonlocal seen, behind
        if keeps:
            state.event(event)
        if event["type"].startswith("task-"):
            seen += 1
            behind = time.time() - event["timestamp"]

    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": on_event})
        with receiver.consumer_context() as (listening, _, _):
            with contextlib.suppress(socket.timeout):
                listening.drain_events(timeout=0.5)  # on Redis kombu subscribes only now
            print("listens", flush=True)
            silent_since = time.monotonic()
            while seen < count and (not seen or time.monotonic() - silent_since < 5):
                before = seen
                with contextlib.suppress(socket.timeout):
                    listening.drain_events(timeout=1)
                if seen != before:
                    silent_since = time.monotonic()
    return {"events": seen, "behind_s": round(behind, 2), "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def round_trips(count):
    from tasks import app

    noop = app.tasks["noop"]
    noop.delay(0).get(timeout=20)
    times = []
    for number in range(count):
        start = time.perf_counter()
        assert noop.delay(number).get(timeout=20) == number
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    return {"p50_ms": round(times[count // 2], 3), "p99_ms": round(times[int(count * 0.99)], 3)}


def pings(count, patience=20.0):
    """Ask the worker whether it is there, again and again."""
    from tasks import app

    app.control.ping(limit=1, timeout=patience)
    times, lost = [], 0
    for _ in range(count):
        start = time.perf_counter()
        lost += not app.control.ping(limit=1, timeout=patience)
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    return {"p50_ms": round(times[count // 2], 1), "p99_ms": round(times[int(count * 0.99)], 1), "unanswered": lost}


def spread(count, queues):
    from tasks import app

    for number in range(count):
        app.tasks["noop"].apply_async((number,), queue=queues[number % len(queues)])
    app.close()
    return {}


def spread_over_slots(count):
    from tasks import app

    for _ in range(count):
        app.tasks["nap"].delay(0.2)
    app.close()
    return {}


def open_loop(count, rate):
    """Publish at random times, whatever the workers do; returns when each task was published, and what it takes."""
    import random

    from tasks import app

    chance, timed, arrivals = random.Random(7), app.tasks["timed"], []
    due = time.time()
    for _ in range(count):
        due += chance.expovariate(rate)
        takes = chance.choices((0.001, 0.05, 1.0), (80, 15, 5))[0]
        time.sleep(max(0.0, due - time.time()))
        published = time.time()
        timed.delay(published, takes)
        arrivals.append((published, takes))
    app.close()
    return {"arrivals": arrivals}


def mix(count, every, seconds):
    """Short tasks, and among them a long one now and then."""
    from tasks import app

    for number in range(count):
        if number % every == 0:
            app.tasks["nap"].delay(seconds)
        else:
            app.tasks["noop"].delay(number)
    app.close()
    return {}


def _canvas():
    if os.environ["BENCH_LIBRARY"] == "celery":
        from celery import chain, chord, group
    else:
        from umbel import chain, chord, group
    return chain, chord, group


def group(count):
    """A group is sent; nobody runs it."""
    from tasks import app

    _, _, group = _canvas()
    noop = app.tasks["noop"]
    noop.delay(0)
    start = time.perf_counter()
    group(noop.s(number) for number in range(count)).apply_async()
    app.close()
    return {"group_sent_per_s": round(count / (time.perf_counter() - start))}


def workflows(count, links):
    """From the call to the last result: a chord of so many, a group of so many whose results are read, a chain of so many links."""
    from tasks import app

    chain, chord, group = _canvas()
    noop = app.tasks["noop"]
    noop.delay(0).get(timeout=60)
    start = time.perf_counter()
    chord(group(noop.si(number) for number in range(count)), noop.s()).apply_async().get(timeout=600)
    chorded = time.perf_counter()
    result = group(noop.s(number) for number in range(count)).apply_async()
    while not result.results[-1].ready() or not result.ready():
        time.sleep(0.05)
    again = app.GroupResult(result.id, [app.AsyncResult(member.id) for member in result.results])
    grouped = time.perf_counter()
    again.get(timeout=600)
    read = time.perf_counter()
    chain(*(noop.si(number) for number in range(links))).apply_async().get(timeout=600)
    return {
        "chord_per_s": round(count / (chorded - start)),
        "results_read_per_s": round(count / (read - grouped)),
        "chain_links_per_s": round(links / (time.perf_counter() - read)),
    }


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*json.loads(sys.argv[2]))))
