"""Log records as JSON."""

from __future__ import annotations

import json
import logging
import sys

from umbel.runtime.host.json_lines import JsonFormatter


def record(message, *args, exc_info=None):
    return logging.LogRecord("proj.tasks", logging.WARNING, __file__, 1, message, args, exc_info)


def test_a_line_is_one_object():
    text = JsonFormatter("w@box").format(record("a\nb %s \u202e", 1))
    assert "\n" not in text
    assert "\u202e" not in text
    line = json.loads(text)
    assert line.pop("time").endswith("Z")
    assert line.pop("process") > 0
    assert line == {"level": "WARNING", "logger": "proj.tasks", "message": "a\nb 1 \u202e", "worker": "w@box"}


def test_an_exception_is_in_its_line():
    try:
        raise ValueError("no")
    except ValueError:
        line = json.loads(JsonFormatter().format(record("broke", exc_info=sys.exc_info())))
    assert line["exception"].endswith("ValueError: no")
    assert "worker" not in line
