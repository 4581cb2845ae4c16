"""The client of either library: ``python -m interop.canvases.side`` sends canvases, waits until all is quiet, and tells what each came to.

Standard input: ``{"session": name, "names": [names] or null for all}``; standard output: ``{name: outcome}`` as JSON. An outcome has

- ``value``, or ``error``: what ``get()`` gives or raises; or ``raised``: sending it raised that;
- ``states``: the handle with what is before it, each by its value, ``!Error: text`` or ``?STATE``; groups as ``[a, b]``;
- ``children``: what each of these has sent, ``{…}``;
- ``calls``: what the tasks were called with, in order (where the catalogue says that there is one) or sorted.

Ids are replaced by the labels of the tasks that ran under them.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time

import redis

from interop.canvases.catalogue import CASES
from interop.canvases.tasks import app, kit, shown

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
#: Rounds through the queue in which nothing was called: then all has ended. Some more where a result is not there: it never will be.
ROUNDS, PATIENT_ROUNDS = 4, 8


class Names:
    """Labels in place of ids."""

    def __init__(self, calls, run):
        self._labels = {task_id: label for label, task_id, _ in calls if task_id}
        self._run = run

    def __call__(self, text):
        return ID.sub(lambda found: self._labels.get(found[0], "id"), text).replace(self._run, "run")


def error_of(error):
    # How long somebody has waited is no part of what a canvas comes to.
    return "TimeoutError" if type(error).__name__ == "TimeoutError" else f"{type(error).__name__}: {error}"


def node(result):
    """One result, without what is before it and behind it."""
    if isinstance(getattr(result, "results", None), list):
        return f"[{', '.join(node(each) for each in result.results)}]"
    state = result.state
    if state == "SUCCESS":
        return shown(result.result)
    if state == "FAILURE":
        return f"!{error_of(result.result)}"
    return f"?{state}"


def line_of(result):
    """A result and what is before it, the first first."""
    found = []
    while result is not None:
        found.insert(0, result)
        result = result.parent
    return found


def tree(result, seen):
    """A result with what it has sent."""
    if isinstance(getattr(result, "results", None), list):
        return f"[{', '.join(tree(each, seen) for each in result.results)}]"
    own = node(result)
    if result.id in seen:
        return own
    seen.add(result.id)
    children = [tree(each, seen) for each in result.children or ()] if result.state in ("SUCCESS", "FAILURE") else []
    return f"{own}{{{', '.join(children)}}}" if children else own


def ended(result):
    try:
        return {"value": result.get(timeout=5 if result.ready() else 0.05)}
    except Exception as error:
        return {"error": error_of(error)}


def asked(result):
    """What a result can tell."""
    found = {name: getattr(result, name)() for name in ("ready", "successful", "failed")}
    if hasattr(result, "completed_count"):
        found.update(completed=result.completed_count(), waiting=result.waiting(), length=len(result))
        found["joined"] = result.join(timeout=5, propagate=False)
    if hasattr(result, "collect"):
        line = line_of(result)
        if hasattr(line[0], "collect"):
            found["leaf"] = line[0].get_leaf() if line[0].successful() else None
            found["collected"] = [value for _, value in line[0].collect(propagate=False, intermediate=True)]
    return {name: repr(value) for name, value in found.items()}


def send(case, run):
    try:
        return {"handle": case.send(kit(run))}
    except Exception as error:
        return {"raised": error_of(error)}


def outcome_of(sent, calls, run, case):
    named = Names(calls, run)
    found = {}
    handle = sent.get("handle")
    if "raised" in sent:
        found["raised"] = sent["raised"]
    elif handle is None or not hasattr(handle, "id"):
        found["value"] = handle
    else:
        found.update(ended(handle))
        line = line_of(handle)
        found["states"] = " > ".join(node(each) for each in line)
        found["children"] = tree(line[0], set())
        if case.asks:
            found["asked"] = asked(handle)
    found["calls"] = [text for _, _, text in calls]
    plain = json.loads(named(json.dumps(found, default=repr)))
    if case.alike:
        either = re.compile(rf"\b(root|parent)=({'|'.join(case.alike)})\b")
        plain["calls"] = [either.sub(rf"\1={'|'.join(case.alike)}", text) for text in plain["calls"]]
    if not case.ordered:
        plain["calls"].sort()
    return plain


def quiet(store, session, unready):
    """Return when nothing has been called between some tasks that were sent one after the other."""
    still = 0
    last = store.get(session)
    while still < (PATIENT_ROUNDS if unready() else ROUNDS):
        time.sleep(0.1)
        for probe in [app.tasks["echo"].delay() for _ in range(2)]:
            while not probe.ready():
                time.sleep(0.01)
        now = store.get(session)
        still = still + 1 if now == last else 0
        last = now


def main():
    script = json.load(sys.stdin)
    session = script["session"]
    store = redis.Redis.from_url(os.environ["JOURNAL"])
    names = script["names"] or list(CASES)
    runs = {name: f"{session}:{place}" for place, name in enumerate(names)}
    sent = {name: send(CASES[name], runs[name]) for name in names}
    waiting = [each["handle"] for each in sent.values() if hasattr(each.get("handle"), "ready")]

    def unready():
        waiting[:] = [handle for handle in waiting if not handle.ready()]
        return bool(waiting)

    quiet(store, session, unready)
    outcomes = {}
    for name in names:
        calls = [json.loads(line) for line in store.lrange(runs[name], 0, -1)]
        outcomes[name] = outcome_of(sent[name], calls, runs[name], CASES[name])
    store.delete(session, *runs.values())
    json.dump(outcomes, sys.stdout, ensure_ascii=False)


if __name__ == "__main__":
    main()
