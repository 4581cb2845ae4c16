"""The tasks that the canvases are made of, in either library: ``-A interop.canvases.tasks`` with ``tests`` on the path.

Each has a ``label``, and a ``run``, the name of the list in Redis to which it writes what it was called with. A task is worth its label with its arguments, ``"b(a(1))"``, so that
a result tells how it came about. The environment is that of `system.workload`.
"""

from __future__ import annotations

import functools
import json
import os

import redis

if os.environ.get("WORKLOAD_LIBRARY") == "celery":
    import celery as library
    from celery import Celery as App
    from celery.exceptions import Ignore, Reject
else:
    import umbel as library
    from umbel import Umbel as App
    from umbel.errors import Ignore, Reject

SETTINGS = json.loads(os.environ.get("WORKLOAD_CONFIG", "{}"))
app = App("canvases", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.update(SETTINGS)


@functools.cache
def journal(_pid):
    return redis.Redis.from_url(os.environ["JOURNAL"])


def shown(value):
    """A value as canvases show it."""
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(shown, value))}]"
    return value if isinstance(value, str) else repr(value)


def call_of(label, args, kwargs=None):
    given = [*map(shown, args), *(f"{name}={shown(value)}" for name, value in sorted((kwargs or {}).items()))]
    return f"{label}({' '.join(given)})"


def record(run, label, task_id, text):
    """Write down a call, and whose id this is."""
    if run is None:
        return
    with journal(os.getpid()).pipeline(transaction=False) as pipe:
        pipe.rpush(run, json.dumps([label, task_id, text]))
        pipe.incr(run.partition(":")[0])
        pipe.execute()


def stamped(request):
    stamps = request.stamps or {}
    names = request.stamped_headers or []
    return "".join(f"<{name}={shown(stamps.get(name))}>" for name in sorted(names))


@app.task(bind=True, name="f")
def f(self, *args, label="f", run=None, **kwargs):
    text = call_of(label, args, kwargs)
    record(run, label, self.request.id, text + stamped(self.request))
    return text


@app.task(bind=True, name="sort")
def sort(self, values, label="sort", run=None):
    """For results whose order nobody can tell."""
    text = call_of(label, [sorted(values)])
    record(run, label, self.request.id, text)
    return text


@app.task(name="echo")
def echo(*args):
    """Its arguments as they came."""
    return list(args)


@app.task(name="add")
def add(x, y):
    return x + y


@app.task(name="total")
def total(numbers):
    return sum(numbers)


@app.task(bind=True, name="boom")
def boom(self, *args, label="boom", run=None):
    text = call_of(label, args)
    record(run, label, self.request.id, text + stamped(self.request))
    raise ValueError(text)


@app.task(bind=True, name="again")
def again(self, *args, label="again", run=None, times=1, most=3):
    """Is tried again so many times, at most so many."""
    record(run, label, self.request.id, f"{call_of(label, args)}#{self.request.retries}{stamped(self.request)}")
    if self.request.retries < times:
        raise self.retry(countdown=0, max_retries=most, exc=KeyError(label) if label != "bare" else None)
    return call_of(label, args)


@app.task(bind=True, name="auto", autoretry_for=(KeyError,), retry_backoff=False, default_retry_delay=0, max_retries=1)
def auto(self, *args, label="auto", run=None, times=1):
    record(run, label, self.request.id, f"{call_of(label, args)}#{self.request.retries}")
    if self.request.retries < times:
        raise KeyError(label)
    return call_of(label, args)


@app.task(bind=True, name="ends")
def ends(self, *args, label="ends", run=None, how="ignore"):
    record(run, label, self.request.id, call_of(label, args))
    raise Ignore() if how == "ignore" else Reject("no", requeue=False)


@app.task(bind=True, name="quiet", ignore_result=True)
def quiet(self, *args, label="quiet", run=None):
    record(run, label, self.request.id, call_of(label, args))
    return call_of(label, args)


@app.task(bind=True, name="swap")
def swap(self, *args, label="swap", run=None, to="task"):
    """Is replaced by what `interop.canvases.replacements` has under this name."""
    from interop.canvases.replacements import REPLACEMENTS

    record(run, label, self.request.id, call_of(label, args) + stamped(self.request))
    return self.replace(REPLACEMENTS[to](kit(run)))


@app.task(bind=True, name="spawn")
def spawn(self, *args, label="spawn", run=None, what="task"):
    """Sends what `interop.canvases.replacements` has under this name, or adds it to its chord."""
    from interop.canvases.replacements import ADDED, REPLACEMENTS

    record(run, label, self.request.id, call_of(label, args))
    if what in ADDED:
        self.add_to_chord(ADDED[what](kit(run)))
    else:
        REPLACEMENTS[what](kit(run)).apply_async()
    return call_of(label, args)


@app.task(bind=True, name="kin")
def kin(self, *args, label="kin", run=None):
    """Tell its place: root, parent, place in its group, retries, how often it was replaced."""
    request = self.request
    place = [
        f"root={request.root_id}",
        f"parent={request.parent_id}",
        f"index={request.group_index}",
        f"nesting={request.replaced_task_nesting}",
    ]
    place += [f"grouped={request.group is not None}", f"chord={request.chord is not None}"]
    record(run, label, request.id, f"{call_of(label, args)} {' '.join(place)}")
    return call_of(label, args)


@app.task(name="errback")
def errback(request, error, traceback, label="errback", run=None):
    """The new style."""
    record(run, label, None, f"{label}({request.task} {request.id} {type(error).__name__}:{error} {type(traceback).__name__})")


@app.task(name="old_errback")
def old_errback(task_id, *, label="old", run=None):
    """The old style."""
    record(run, label, None, f"{label}({task_id})")


@app.task(bind=True, name="bound_errback")
def bound_errback(self, *args, label="bound", run=None):
    """Bound, with whatever arguments."""
    record(run, label, None, f"{label}({' '.join(type(each).__name__ if not isinstance(each, str) else 'text' for each in args)})")


@app.task(name="broken_errback")
def broken_errback(request, error, traceback, label="broken", run=None):
    record(run, label, None, f"{label}({request.id})")
    raise RuntimeError("the errback itself fails")


def kit(run):
    from interop.canvases.kit import Kit

    return Kit(library, app, run)
