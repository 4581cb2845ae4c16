from umbel.brokers.postgresql.waiting import Waiting


def test_the_server_is_told_once_that_we_wait():
    waiting = Waiting(listens=True)
    assert waiting.must_tell()
    waiting.on_told()
    assert not waiting.must_tell()
    waiting.forget()
    assert waiting.must_tell()


def test_who_is_busy_takes_the_note_back_once():
    waiting = Waiting(listens=True)
    waiting.on_told()
    for _ in range(10):
        assert not waiting.is_busy(5)
        waiting.on_turn(5, 5)
    assert not waiting.is_busy(0)
    assert waiting.is_busy(5)
    assert not waiting.is_busy(5)
    assert waiting.must_tell()


def test_a_claim_that_finds_less_ends_the_row():
    waiting = Waiting(listens=True)
    waiting.on_told()
    for found in [5] * 9 + [4] + [5] * 9:
        waiting.on_turn(found, 5)
    assert not waiting.is_busy(5)


def test_missed_messages_make_it_poll_and_a_notification_ends_that():
    waiting = Waiting(listens=True)
    waiting.on_missed()
    waiting.on_told()
    for _ in range(3):
        assert not waiting.is_deaf
        assert waiting.at_most(2.0, has_room=True) == 2.0
        waiting.on_missed()
    assert waiting.is_deaf
    assert waiting.at_most(2.0, has_room=True) < 0.1
    assert waiting.at_most(2.0, has_room=False) == 2.0
    assert not waiting.is_for_us("other", {"mine": 1})
    assert waiting.is_deaf
    assert waiting.is_for_us("mine", {"mine": 1})
    assert not waiting.is_deaf


def test_polls_grow_apart_until_something_comes():
    waiting = Waiting(listens=False)
    pauses = [waiting.at_most(9.0, has_room=True) for _ in range(20)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.02, 0.5)
    waiting.on_turn(1, 5)
    assert waiting.at_most(9.0, has_room=True) == 0.02


def test_it_is_quiet_after_many_upkeeps_without_a_message():
    waiting = Waiting(listens=True)
    for _ in range(15):
        assert not waiting.is_quiet
        waiting.on_upkeep()
    assert waiting.is_quiet
    waiting.on_turn(0, 5)
    assert waiting.is_quiet
    waiting.on_turn(1, 5)
    assert not waiting.is_quiet
