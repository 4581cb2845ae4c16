"""One side of a conversation, in either library's interpreter: ``python -m interop.side`` reads a script from standard input.

The script is JSON: ``{"calls": [{"task", "args", "kwargs", "options"} or {"workflow": tree}], "timeout": seconds}``. Each call is published, then each result is awaited; the
answer is one JSON object per line on standard output: state, value or ``{"error": [module, name, args]}``. Values that JSON lacks go through `plain`.
The app is `system.workload`, so that both sides know the same tasks.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import sys
import uuid


def plain(value):
    """A form of any value that JSON can carry and that tells types apart."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return {type(value).__name__: value.isoformat()}
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return {type(value).__name__: str(value)}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    return value


def rich(value):
    """The inverse, for arguments: ``{"bytes": hex}`` and its like become values."""
    makers = {
        "bytes": bytes.fromhex,
        "datetime": dt.datetime.fromisoformat,
        "date": dt.date.fromisoformat,
        "time": dt.time.fromisoformat,
        "Decimal": decimal.Decimal,
        "UUID": uuid.UUID,
    }
    if isinstance(value, dict):
        if len(value) == 1 and (key := next(iter(value))) in makers:
            return makers[key](value[key])
        return {key: rich(each) for key, each in value.items()}
    return [rich(each) for each in value] if isinstance(value, list) else value


def workflow(app, tree):
    """The workflow of a tree: ``["task", name, args, options]``, or ``["chain" or "group", parts]``, or ``["chord", parts, body]``."""
    import importlib

    library = importlib.import_module("umbel" if type(app).__module__.startswith("umbel") else "celery")
    kind, *rest = tree
    if kind == "task":
        name, args, options = [*rest, [], {}][:3] if len(rest) < 3 else rest
        return app.signature(name, args, **options)
    parts = [workflow(app, part) for part in rest[0]]
    return library.chord(parts, workflow(app, rest[1])) if kind == "chord" else getattr(library, kind)(parts)


def main():
    from system.workload import app

    script = json.load(sys.stdin)
    results = []
    for call in script["calls"]:
        if "workflow" in call:
            results.append(workflow(app, call["workflow"]).apply_async())
            continue
        options = rich(call.get("options", {}))
        results.append(app.tasks[call["task"]].apply_async(rich(call.get("args", [])), rich(call.get("kwargs", {})), **options))
    for result in results:
        answer = {"id": result.id}
        try:
            value = result.get(timeout=script.get("timeout", 60), propagate=False)
            answer["state"] = getattr(result, "state", None)  # a group has none
            if isinstance(value, BaseException):
                answer["error"] = [type(value).__module__, type(value).__name__, plain(value.args)]
                answer["traceback"] = result.traceback
            else:
                answer["value"] = plain(value)
        except Exception as error:
            answer["state"] = f"not read: {type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
