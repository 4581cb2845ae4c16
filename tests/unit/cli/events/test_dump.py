from __future__ import annotations

import json
import re

from umbel.cli.events.dump import Dump
from umbel.cli.output import Output

PLAIN = Output(color=False, quiet=False)
HEAD = {"hostname": "w1", "utcoffset": 0.0, "pid": 1, "clock": 3, "timestamp": 1795867121.5}


def test_a_line_for_each_event():
    dump = Dump(PLAIN)
    received = {**HEAD, "type": "task-received", "uuid": "u", "name": "shop.add", "args": "(1, 2)", "kwargs": "{}", "eta": None}
    line = dump.line_of(received)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.500  w1  task-received  shop.add\[u\]  args=\(1, 2\) kwargs=\{\}", line)
    assert dump.line_of({**HEAD, "type": "task-started", "uuid": "u"}).endswith("  w1  task-started  shop.add[u]")  # the name is remembered
    assert dump.line_of({**HEAD, "type": "task-started", "uuid": "v"}).endswith("  ?[v]")
    assert dump.line_of({**HEAD, "type": "worker-heartbeat", "active": 1}).endswith("  w1  worker-heartbeat  active=1")


def test_what_others_send_cannot_steer_the_terminal():
    line = Dump(PLAIN).line_of({"type": "x\x1b[2J", "hostname": 7, "uuid": "u\n", "k\r": "\x07", "timestamp": "soon"})
    assert line.isprintable()
    assert line.startswith("–  7  x\\x1b[2J")


def test_json(capsys):
    Dump(Output(color=False, quiet=False, as_json=True)).print({**HEAD, "type": "x", "y": "\x9b"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {**HEAD, "type": "x", "y": "\x9b"}
    assert "\x9b" not in out
