"""Lines that the worker's processes and the tests can both read."""

import json
import os


def write(kind, **fields):
    with open(os.environ["SHOP_JOURNAL"], "a", encoding="utf-8") as file:
        file.write(json.dumps({"kind": kind, "pid": os.getpid(), **fields}) + "\n")


def read(kind):
    with open(os.environ["SHOP_JOURNAL"], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.endswith("\n")]
    return [line for line in lines if line["kind"] == kind]
