"""The tasks that all tests of real processes run: ``-A system.workload`` with ``tests`` on the path.

The same file serves Umbel and, with ``WORKLOAD_LIBRARY=celery``, real Celery. Everything comes from the environment: ``BROKER``,
``BACKEND``, ``WORKLOAD_CONFIG`` (settings as JSON) and ``LEDGER``, the file to which tasks write their starts and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import itertools
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from chaos.ledger import Journal

if os.environ.get("WORKLOAD_LIBRARY") == "celery":
    from celery import Celery as App
    from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
    from kombu import Exchange, Queue
    from kombu.common import Broadcast
else:
    from umbel import Broadcast, Exchange, Queue
    from umbel import Umbel as App
    from umbel.errors import Ignore, Reject, SoftTimeLimitExceeded

_runs = itertools.count()
TASKS = {}


class Refused(Exception):
    """A user's own exception, with two arguments."""

    def __init__(self, code, text):
        self.code = code
        super().__init__(code, text)


@functools.cache
def journal():
    return Journal(os.environ["LEDGER"])


@contextlib.contextmanager
def recorded(task):
    """Write the start of a run, and its end unless the process dies or the body raises."""
    request = task.request
    here = {"id": request.id, "pid": os.getpid(), "run": next(_runs)}
    info = request.delivery_info or {}
    journal().write(
        "start", **here, task=task.name, retries=request.retries, redelivered=bool(info.get("redelivered")), queue=info.get("routing_key")
    )
    yield
    journal().write("end", **here)


def task(**options):
    def register(function):
        TASKS[function.__name__] = (function, {"bind": True, **options})
        return function

    return register


@task()
def add(self, x, y):
    return x + y


@task()
def total(self, numbers):
    with recorded(self):
        return sum(numbers)


@task()
def echo(self, *args, **kwargs):
    return {"args": list(args), "kwargs": kwargs} if kwargs else list(args)


@task()
def replaced(self, x):
    return self.replace(self.app.tasks["add"].s(x, 1))


@task(serializer="json")
def mark(self, tag=None):
    with recorded(self):
        return tag


@task(rate_limit="10/s")
def ten_a_second(self):
    with recorded(self):
        pass


@task(rate_limit="1/m")
def one_a_minute(self):
    with recorded(self):
        pass


@task()
def nap(self, seconds):
    with recorded(self):
        time.sleep(seconds)
        return seconds


@task()
def ask(self, port):
    """Ask a server that takes its time."""
    with socket.create_connection(("127.0.0.1", port), 30) as line:
        line.sendall(b"?")
        return line.recv(1).decode()


@task()
async def async_nap(self, seconds):
    with recorded(self):
        await asyncio.sleep(seconds)
        return seconds


@task()
async def async_block(self, seconds):
    """A coroutine that keeps its event loop for itself."""
    with recorded(self):
        time.sleep(seconds)
        return seconds


@task()
def tail(self, seconds):
    """Finish first, then go on for a while: what is lost after the end was done already."""
    with recorded(self):
        pass
    time.sleep(seconds)


@task()
def wait_for(self, gate):
    """Block until somebody opens the named pipe for writing."""
    with recorded(self), Path(gate).open("rb") as file:
        file.read()
    return os.getpid()


@task(batch_size=10, batch_wait=0.3, default_retry_delay=0, autoretry_for=(ConnectionError,), max_retries=1, retry_jitter=False)
def together(self, calls):
    """Each call says what is to become of it: a value; ``fail``, ``again`` or ``raise``; or a named pipe to wait for."""
    for call in calls:
        journal().write("start", id=call.id, pid=os.getpid(), run=next(_runs), retries=call.request.retries, calls=len(calls))
    return [_one_of_several(*call.args) for call in calls]


def _one_of_several(word):
    if word == "raise":
        raise ValueError("all of them")
    if str(word).startswith("/"):
        with Path(word).open("rb") as file:
            file.read()
    return {"fail": ValueError("this one"), "again": ConnectionError("try again")}.get(word, word)


@task(default_retry_delay=0, max_retries=1)
def step_by_step(self, *gates):
    """Wait at each gate, from the one at which the last run was; then try again once."""
    with recorded(self):
        begun_at = self.request.checkpoint or 0
        for place in range(begun_at, len(gates)):
            self.checkpoint(place, force=True)
            journal().write("at", id=self.request.id, place=place, pid=os.getpid())
            with Path(gates[place]).open("rb") as file:
                file.read()
        self.checkpoint("all")
        if begun_at != "all" and not self.request.retries:
            self.checkpoint(len(gates))  # not stored yet: one was a moment ago
            raise self.retry()
        return begun_at


@task()
def whoami(self):
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "queue": self.request.delivery_info.get("routing_key"),
        "hostname": self.request.hostname,
    }


@task()
def about(self):
    request = self.request
    return {name: getattr(request, name) for name in ("id", "root_id", "parent_id", "retries", "correlation_id", "eta", "expires")}


@task()
def fail(self, kind="value", *args):
    with recorded(self):
        raise {"value": ValueError, "key": KeyError, "own": Refused, "os": OSError}[kind](*args)


@task()
def give_up(self, how, requeue=False):
    journal().write(
        "start", id=self.request.id, pid=os.getpid(), run=next(_runs), redelivered=bool(self.request.delivery_info.get("redelivered"))
    )
    raise Ignore if how == "ignore" else Reject("not for me", requeue=requeue)


@task(max_retries=None)
def retry_until(self, attempt, countdown=0.1):
    """Succeed at the given attempt, counted from 0."""
    with recorded(self):
        if self.request.retries < attempt:
            raise self.retry(countdown=countdown)
        return self.request.retries


@task()
def retry_with_a_set(self):
    """Ask for another attempt by a message that no broker can carry."""
    with recorded(self):
        raise self.retry(countdown=0, headers={"x": {1, 2}})


@task(max_retries=2, default_retry_delay=0.1)
def retry_in_vain(self, with_cause=True):
    with recorded(self):
        if not with_cause:
            raise self.retry()
        try:
            raise Refused(7, "again")
        except Refused as error:
            raise self.retry(exc=error) from error


@task(autoretry_for=(ConnectionError,), retry_backoff=1, retry_backoff_max=2, retry_jitter=False, max_retries=3)
def backoff_until(self, attempt):
    with recorded(self):
        if self.request.retries < attempt:
            raise ConnectionError("down")
        return self.request.retries


@task()
def soft(self, seconds, caught=True):
    """Report whether the soft limit arrived; sleeps in short naps as well as in a long one would do."""
    with recorded(self):
        try:
            time.sleep(seconds)
        except SoftTimeLimitExceeded:
            if not caught:
                raise
            return "soft"
        return "whole"


def _linger(_self, _status, seconds, *_):
    time.sleep(seconds)


@task(after_return=_linger)
def lingering(self, seconds):
    with recorded(self):
        return seconds


@task()
def stubborn(self, seconds):
    """Swallow every exception until the time is over."""
    with recorded(self):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(Exception):
                time.sleep(end - time.monotonic())
        return "whole"


@task()
def deaf(self, seconds):
    """Ignore SIGTERM as well."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with recorded(self):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(Exception):
                time.sleep(end - time.monotonic())


def end_process(how):
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "abort":
        os.abort()
    elif how == "sys.exit":
        sys.exit(3)
    elif how == "os._exit":
        os._exit(7)
    elif how == "sigkill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "overflow":
        nested = []
        for _ in range(1_000_000):
            nested = [nested]
        sys.setrecursionlimit(10**9)
        # Python 3.12 counts calls in C, too, and raises; not soon enough for so small a stack.
        threading.stack_size(64 * 1024)
        thread = threading.Thread(target=repr, args=(nested,))
        thread.start()
        thread.join()


@task()
def die(self, how="sigkill"):
    with recorded(self):
        end_process(how)


@task()
def die_once(self, flag, how="sigkill"):
    """End the process unless the flag file is there already."""
    with recorded(self):
        try:
            os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return "alive"
        end_process(how)


@task()
def leave_a_thread(self):
    """Leave something behind that keeps the process from ending."""
    threading.Thread(target=threading.Event().wait).start()
    return os.getpid()


@task()
def fork(self, how):
    """The copy ends as told; the task itself when the copy has ended."""
    with recorded(self):
        copy = os.fork()
        if not copy:
            if how == "raise":
                raise ValueError("in the copy")
            if how == "exit":
                sys.exit(7)
            return "copy"
        return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])


@task()
def progress(self, steps, gate):
    for step in range(1, steps + 1):
        self.update_state(state="PROGRESS", meta={"current": step, "total": steps})
    journal().write("start", id=self.request.id, pid=os.getpid(), run=next(_runs))
    Path(gate).read_bytes()
    return steps


@task()
def items(self, number, gate):
    for item in self.progress(range(number)):
        if item == 0:
            Path(gate).read_bytes()
    return number


@task(ignore_result=True)
def quiet(self, x):
    with recorded(self):
        return x


@task()
def unserializable(self):
    return object()


@task()
def big(self, size):
    return "x" * size


def make_app(broker, backend, settings):
    """Make the app; ``broadcast``, which JSON has no word for, is the name of a queue that each worker has one of."""
    settings = dict(settings)
    everyone = settings.pop("broadcast", None)
    app = App("workload", broker=broker, backend=backend)
    app.conf.update(settings)
    if everyone:
        name = settings["task_default_queue"]
        app.conf.task_queues = [Queue(name, Exchange(name), name), Broadcast(everyone)]
    if settings.get("task_serializer") == "auth":
        app.setup_security()
    for name, (function, options) in TASKS.items():
        app.task(name=name, **options)(function)
    return app


if "BROKER" in os.environ:
    app = make_app(os.environ["BROKER"], os.environ.get("BACKEND") or None, json.loads(os.environ.get("WORKLOAD_CONFIG", "{}")))
