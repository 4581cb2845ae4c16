import errno
import os
import threading

import pytest

from umbel.pools.board.lock import SharedLock
from umbel.pools.board.memory import Memory
from umbel.pools.board.rows import Board, BoardRow, private


def board():
    return BoardRow(private(), threading.Lock())


def test_a_claim_is_stamped_and_cleared():
    one = board()
    assert one.claim(5)
    assert (one.current, one.started) == (5, 5)
    assert one.since > 0
    one.clear()
    assert (one.current, one.started) == (0, 5)


def test_what_is_taken_back_cannot_be_claimed():
    one = board()
    one.claim(1)
    assert one.take_back(4) == 1
    assert not one.claim(2)
    assert not one.claim(4)
    assert one.claim(5)


def test_a_lock_that_nobody_gives_back_does_not_stop_the_parent():
    lock = threading.Lock()
    one = BoardRow(private(), lock)
    lock.acquire()
    assert one.take_back(9) is None


def test_both_sides_see_one_memory():
    ours = Memory()
    theirs = Memory(descriptor=os.dup(ours._descriptor))
    lock = threading.Lock()
    parent, child = BoardRow(ours.map, lock), BoardRow(theirs.map, lock)
    child.claim(3)
    assert parent.current == 3
    parent.pass_soft_limit(3)
    assert child.soft_target == 3
    for each in (parent, child, ours, theirs):
        each.close()


def test_a_memory_has_no_name():
    memory = Memory()
    assert os.fstat(memory._descriptor).st_nlink == 0
    memory.close()
    memory.close()


def test_each_job_is_had_by_exactly_one_side():
    one, started, taken = board(), [], []
    jobs = range(1, 20_001)

    def child():
        for number in jobs:
            if one.claim(number):
                started.append(number)
                one.clear()

    thread = threading.Thread(target=child)
    thread.start()
    while thread.is_alive():
        high = one.take_back(min(one.started + 5, jobs[-1]))
        assert high is not None
    thread.join()
    taken = sorted(set(jobs) - set(started))
    assert sorted(started + taken) == list(jobs)
    assert started == sorted(started)


def test_a_full_memory_is_noticed_when_the_board_is_made(monkeypatch):
    def allocate(descriptor, offset, length):
        made.append(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    made = []
    monkeypatch.setattr(os, "posix_fallocate", allocate)
    with pytest.raises(OSError, match="No space"):
        Memory()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(made[0])


def test_slots_have_rows_of_their_own():
    memory, lock = Memory(slots=3), threading.Lock()
    theirs = Memory(slots=3, descriptor=os.dup(memory._descriptor))
    parent, child = Board(memory.map, lock, 3), Board(theirs.map, lock, 3)
    for number, row in enumerate(child.rows, 1):
        assert row.claim(number)
    assert parent.rows[1].take_back(9) == 2
    assert not child.rows[1].claim(5)
    assert child.rows[2].claim(5)
    assert [row.current for row in parent.rows] == [1, 2, 5]
    for each in (parent, child, memory, theirs):
        each.close()


def test_rows_do_not_touch_the_lock():
    memory = Memory(slots=2)
    lock = SharedLock(memory)
    board = Board(memory.map, lock, 2)
    assert board.rows[0].claim(2**64 - 1)
    assert board.rows[1].claim(2**64 - 1)
    board.close()
    lock.close()
    memory.close()
