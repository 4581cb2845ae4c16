"""One question, one answer, for all who ask."""

from __future__ import annotations

import threading

import pytest

from umbel.dashboard.live.answers import Answers
from umbel.errors import OperationalError
from umbel.testing import FakeClock


def test_an_answer_is_good_for_a_while():
    clock, asked = FakeClock(), []
    answers = Answers(clock)

    def find():
        asked.append(1)
        return len(asked)

    assert [answers.ask("q", 5, find), answers.ask("q", 5, find)] == [1, 1]
    clock.advance(5)
    assert answers.ask("q", 5, find) == 2
    answers.forget("q")
    assert answers.ask("q", 5, find) == 3


def test_a_failure_is_remembered_too():
    answers, asked = Answers(FakeClock()), []

    def find():
        asked.append(1)
        raise OperationalError("away")

    for _ in range(3):
        with pytest.raises(OperationalError, match="away"):
            answers.ask("q", 5, find)
    assert len(asked) == 1


def test_many_ask_at_once():
    answers, asked, found = Answers(FakeClock()), [], []

    def find():
        asked.append(1)
        return "here"

    threads = [threading.Thread(target=lambda: found.append(answers.ask("q", 5, find))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (asked, found) == ([1], ["here"] * 20)


def test_questions_are_bounded():
    answers = Answers(FakeClock())
    for number in range(2_000):
        answers.ask(str(number), 5, lambda: number)
    assert len(answers._kept) <= 500
