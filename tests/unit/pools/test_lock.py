import multiprocessing
import pickle
import threading
from pathlib import Path

from umbel.pools import lock

CONTEXT = multiprocessing.get_context("spawn")


def has_name(shared):
    return Path(f"/dev/shm/sem.{shared._name[1:]}").exists()


def test_it_has_no_name_once_both_sides_have_it():
    ours = lock.create(CONTEXT)
    theirs = pickle.loads(pickle.dumps(ours))  # opens the semaphore anew, as a child does
    assert has_name(ours)
    ours.forget_name()
    ours.forget_name()
    assert not has_name(ours)
    theirs.acquire()
    assert not ours.acquire(timeout=0.05)
    theirs.release()
    assert ours.acquire(timeout=10)


def test_it_is_one_lock_for_the_threads_of_one_process():
    shared = lock.create(CONTEXT)
    shared.acquire()
    threading.Timer(0.05, shared.release).start()
    assert shared.acquire(timeout=10)
    shared.forget_name()
