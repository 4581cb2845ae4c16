import os
import threading
from pathlib import Path

import pytest

from umbel.pools.board import lock
from umbel.pools.board.lock import SharedLock
from umbel.pools.board.memory import Memory


@pytest.fixture(params=["without a name", "with a name"])
def sides(request, monkeypatch):
    """The lock of a parent and that of its child, which maps the memory anew."""
    if request.param == "with a name":
        monkeypatch.setattr(lock, "IS_NAMELESS", False)
    memory = Memory()
    theirs_memory = Memory(descriptor=os.dup(memory._descriptor))
    ours, theirs = SharedLock(memory), SharedLock.__new__(SharedLock)
    theirs.__setstate__((theirs_memory, ours._name))
    yield ours, theirs
    for each in (ours, theirs):
        each.close()
    memory.close()
    theirs_memory.close()


def test_what_one_side_has_the_other_cannot_have(sides):
    ours, theirs = sides
    ours.forget_name()
    theirs.acquire()
    assert not ours.acquire(timeout=0.05)
    theirs.release()
    assert ours.acquire(timeout=10)
    ours.release()


def test_it_has_no_name_once_both_sides_have_it(sides):
    ours, _ = sides
    ours.forget_name()
    ours.forget_name()
    assert ours._name is None or not Path(f"/dev/shm/sem.{ours._name[1:]}").exists()


@pytest.mark.skipif(not lock.IS_NAMELESS, reason="this C library's semaphores have names")
def test_it_never_has_a_name_where_that_can_be():
    memory = Memory()
    ours = SharedLock(memory)
    assert ours._name is None
    ours.close()
    memory.close()


def test_it_is_one_lock_for_the_threads_of_one_process(sides):
    ours, _ = sides
    ours.acquire()
    threading.Timer(0.05, ours.release).start()
    assert ours.acquire(timeout=10)
    ours.release()


def test_the_memory_cannot_go_before_it(sides):
    """The semaphore would take the process with it."""
    ours, _ = sides
    if ours._name is None:
        with pytest.raises(BufferError):
            ours._memory.map.close()
    ours.close()
    ours.close()
    with pytest.raises(ValueError, match="closed"):
        ours.acquire()
