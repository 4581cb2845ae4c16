"""Attempts to publish, by thread."""

from __future__ import annotations

import threading

from umbel.brokers.retries import Retries


def test_a_block_has_its_own_number_and_then_the_usual_one_holds_again():
    retries = Retries(3)
    with retries.limited(0):
        assert retries.allowed == 0
        with retries.limited(7):
            assert retries.allowed == 7
        assert retries.allowed == 0
    assert retries.allowed == 3


def test_an_error_ends_the_block_too():
    retries = Retries(3)
    try:
        with retries.limited(0):
            raise KeyError
    except KeyError:
        pass
    assert retries.allowed == 3


def test_other_threads_keep_the_usual_number():
    retries, seen = Retries(3), []
    with retries.limited(0):
        thread = threading.Thread(target=lambda: seen.append(retries.allowed))
        thread.start()
        thread.join()
    assert seen == [3]
