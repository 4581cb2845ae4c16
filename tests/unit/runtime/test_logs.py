"""Log lines."""

from __future__ import annotations

import io
import logging
import re
import sys
from types import SimpleNamespace

import pytest

from umbel import current, hooks
from umbel.runtime.logs import TASKS, LineFormatter, LogOptions, LogStream, configure, escape, get_task_logger, level_of


def record(message, name="umbel.worker", level=logging.INFO):
    return logging.LogRecord(name, level, __file__, 1, message, (), None)


@pytest.fixture
def root():
    logger = logging.getLogger()
    handlers, level, streams = logger.handlers[:], logger.level, (sys.stdout, sys.stderr)
    yield logger
    for handler in logger.handlers[:]:
        if handler not in handlers:
            handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)
    sys.stdout, sys.stderr = streams


def test_the_format_is_celerys():
    line = LineFormatter().format(record("ready"))
    assert re.fullmatch(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: INFO/MainProcess\] ready", line)


def test_control_characters_are_shown_and_lines_kept():
    line = LineFormatter("%(message)s").format(record("a\x1b[31mb\r\u202ec\n  d"))
    assert line == "a\\x1b[31mb\\r\\u202ec\n    d"


def test_no_text_can_look_like_a_line_of_its_own():
    forged = "[2030-01-01 00:00:00,000: INFO/MainProcess] Task bank.pay[1] succeeded"
    try:
        raise ValueError(f"\n{forged}")
    except ValueError as error:
        made = record("failed")
        made.exc_info = (ValueError, error, error.__traceback__)
    lines = LineFormatter().format(made).split("\n")
    assert f"  {forged}" in lines
    assert [line for line in lines if line.startswith("[")] == lines[:1]


def test_escape_keeps_one_line():
    assert escape("a\nb\x00\u2028踏青") == "a\\nb\\x00\\u2028踏青"


def test_colour_by_level():
    formatter = LineFormatter("%(message)s", color=True)
    assert formatter.format(record("x", level=logging.ERROR)) == "\x1b[31mx\x1b[0m"
    assert formatter.format(record("x")) == "x"


def test_lines_of_tasks_name_the_task():
    token = current.request.set(SimpleNamespace(task="shop.add", id="77"))
    try:
        formatter = LineFormatter("%(message)s", task_format="%(task_name)s[%(task_id)s]: %(message)s")
        assert formatter.format(record("hi", name="shop")) == "shop.add[77]: hi"
        assert formatter.format(record("hi")) == "hi"
    finally:
        current.request.reset(token)


def test_printed_lines_become_records(caplog):
    stream = LogStream(logging.getLogger("printed"), logging.WARNING)
    with caplog.at_level(logging.WARNING):
        stream.write("one\ntw")
        stream.write("o\n\n")
    assert caplog.messages == ["one", "two"]


def test_a_file_gets_no_colour(tmp_path, root):
    configure(LogOptions(level=logging.INFO, file=str(tmp_path / "log"), format="%(message)s", color=True))
    logging.getLogger("umbel.worker").error("broke")
    assert (tmp_path / "log").read_text() == "broke\n"


def test_a_file_that_was_moved_is_opened_again(tmp_path, root):
    configure(LogOptions(level=logging.INFO, file=str(tmp_path / "log"), format="%(message)s"))
    logging.getLogger("umbel.worker").error("one")
    (tmp_path / "log").rename(tmp_path / "log.1")
    logging.getLogger("umbel.worker").error("two")
    assert ((tmp_path / "log.1").read_text(), (tmp_path / "log").read_text()) == ("one\n", "two\n")


class FullAtTimes(io.StringIO):
    full = False

    def write(self, text):
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_full_disk_costs_lines_and_is_told_once(tmp_path, root, monkeypatch):
    monkeypatch.setattr(sys, "__stderr__", told := io.StringIO())
    configure(LogOptions(level=logging.INFO, file=str(tmp_path / "log"), format="%(message)s"))
    root.handlers[0].setStream(disk := FullAtTimes()).close()
    logger = logging.getLogger("umbel.worker")
    for disk.full, text in [(False, "one"), (True, "two"), (True, "three"), (False, "four"), (False, "five")]:
        logger.info(text)
    assert disk.getvalue() == "one\nfour\n2 log lines could not be written before this\nfive\n"
    assert told.getvalue() == f"umbel: log lines are lost: {tmp_path / 'log'}: No space left on device\n"


def test_redirect(tmp_path, root):
    configure(LogOptions(level=logging.INFO, file=str(tmp_path / "log"), format="%(levelname)s %(message)s", redirect=logging.WARNING))
    print("from a task")
    assert (tmp_path / "log").read_text() == "WARNING from a task\n"


def test_handlers_that_must_stay_go_on_alone(tmp_path, root):
    configure(LogOptions(level=logging.INFO, file=str(tmp_path / "first"), format="%(message)s"))
    configure(LogOptions(level=logging.INFO, file=str(tmp_path / "second"), format="%(message)s", hijack=False))
    logging.getLogger("umbel.worker").info("line")
    assert (tmp_path / "first").read_text() == "line\n"
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize(("text", "level"), [("info", 20), ("DEBUG", 10), ("warn", 30), ("35", 35), (10, 10)])
def test_levels(text, level):
    assert level_of(text) == level


def test_a_wrong_level_is_refused():
    with pytest.raises(ValueError, match="loud"):
        level_of("loud")


def test_listeners_set_logging_up_or_add_to_it(root):
    seen = []

    def own(loglevel, logfile, format, colorize, **_):
        seen.append((loglevel, logfile, format, colorize))

    def more(logger, **_):
        seen.append(logger)

    before = root.handlers[:]
    hooks.after_setup_logger.connect(more)
    hooks.after_setup_task_logger.connect(more)
    hooks.setup_logging.connect(own)
    try:
        configure(LogOptions(level=logging.INFO, format="%(message)s"))
        assert (seen, root.handlers) == ([(logging.INFO, None, "%(message)s", False)], before)
        hooks.setup_logging.disconnect(own)
        configure(LogOptions(level=logging.INFO, format="%(message)s"))
        assert seen[1:] == [root, TASKS]
    finally:
        for signal, receiver in [(hooks.after_setup_logger, more), (hooks.after_setup_task_logger, more), (hooks.setup_logging, own)]:
            signal.disconnect(receiver)


def test_loggers_of_tasks_have_one_above_them():
    assert get_task_logger("shop.tasks").parent is TASKS
    assert get_task_logger("shop.tasks") is logging.getLogger("shop.tasks")
    assert get_task_logger("umbel.task") is TASKS
    assert TASKS.parent is not TASKS


def test_the_time_can_be_written_otherwise(root):
    configure(
        LogOptions(
            level=logging.INFO, format="%(asctime)s %(message)s", task_format="%(asctime)s %(message)s", datefmt="%Y", task_datefmt="%d/%m"
        )
    )
    formatter = root.handlers[0].formatter
    assert re.fullmatch(r"\d{4} hi", formatter.format(record("hi")))
    token = current.request.set(SimpleNamespace(task="shop.add", id="77"))
    try:
        assert re.fullmatch(r"\d\d/\d\d hi", formatter.format(record("hi", name="shop")))
    finally:
        current.request.reset(token)
