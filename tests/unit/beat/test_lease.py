"""The lease as one scheduler sees it."""

from __future__ import annotations

import re

from umbel.beat import lease
from umbel.beat.lease import TRANSITIONS, Answer, Leadership, Standing


def test_every_answer_leads_somewhere():
    assert set(TRANSITIONS) == {(standing, answer) for standing in Standing for answer in Answer}


def test_only_a_granted_request_leads():
    assert {before for (before, answer), after in TRANSITIONS.items() if after is Standing.LEADING and answer is not Answer.GRANTED} == {
        Standing.LEADING
    }


def test_the_diagram_names_every_standing_and_answer():
    drawn = lease.__doc__.partition("::\n")[2].partition("**What holds")[0]
    words = {each.value for each in (*Standing, *Answer)}
    assert not [word for word in words if not re.search(word, drawn)]


def test_trust_is_shorter_than_the_lease_and_begins_before_the_request():
    leadership = Leadership(15)
    assert leadership.answered(True, asked_at=100.0, now=103.0)
    assert leadership.is_trusted(109.9)
    assert not leadership.is_trusted(110.0)
    assert leadership.standing is Standing.SUSPENDED


def test_it_is_asked_for_again_every_fifth():
    leadership = Leadership(15)
    assert leadership.asks(0.0)
    leadership.answered(True, 100.0, 100.0)
    assert (leadership.asks(102.9), leadership.asks(103.0)) == (False, True)
    assert not leadership.answered(True, 103.0, 103.0)
    assert leadership.is_trusted(112.9)


def test_who_follows_asks_every_second():
    leadership = Leadership(15)
    leadership.answered(False, 0.0, 0.0)
    assert (leadership.asks(0.9), leadership.asks(1.0)) == (False, True)


def test_refused_while_leading_or_suspended():
    for suspended in (False, True):
        leadership = Leadership(15)
        leadership.answered(True, 0.0, 0.0)
        if suspended:
            assert not leadership.is_trusted(100.0)
        leadership.answered(False, 100.0, 100.0)
        assert leadership.standing is Standing.FOLLOWING
        assert not leadership.is_trusted(100.0)
        assert leadership.answered(True, 101.0, 101.0)


def test_unanswered_it_leads_on_trust_and_then_waits():
    leadership = Leadership(15)
    leadership.answered(True, 0.0, 0.0)
    for now in (3.0, 4.0, 5.0):
        assert not leadership.answered(None, now, now)
        assert leadership.is_trusted(now)
    assert not leadership.is_trusted(10.0)
    leadership.answered(None, 11.0, 11.0)
    assert leadership.standing is Standing.SUSPENDED
    assert not leadership.answered(True, 12.0, 12.0)
    assert leadership.is_trusted(12.0)


def test_a_process_that_was_stopped_trusts_nothing():
    leadership = Leadership(15)
    leadership.answered(True, 0.0, 0.0)
    assert leadership.is_trusted(1.0)
    assert not leadership.is_trusted(61.0)


def test_given_back():
    leadership = Leadership(15)
    leadership.answered(True, 0.0, 0.0)
    leadership.give_back()
    assert not leadership.is_trusted(0.0)
    assert leadership.standing is Standing.FOLLOWING
