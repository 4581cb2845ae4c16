import socket
import subprocess
import sys
import textwrap
import threading

import pytest

from umbel.runtime.readiness import Interrupt, wait


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_wait_reports_each_thing_asked_for(pair):
    ours, theirs = pair
    assert wait(ours, 0) == (False, False)
    assert wait(ours, 0, write=True) == (False, True)
    assert wait(ours, 0, read=False, write=True) == (False, True)
    theirs.send(b"x")
    assert wait(ours, 5) == (True, False)
    assert wait(ours, 0, write=True) == (True, True)


def test_the_other_sides_end_can_be_read(pair):
    ours, theirs = pair
    theirs.close()
    assert wait(ours, 5) == (True, False)


def test_a_closed_socket_is_an_error(pair):
    ours, _ = pair
    ours.close()
    with pytest.raises((OSError, ValueError)):
        wait(ours, 0)


def test_two_greenlets_of_eventlet_wait_for_one_socket():
    program = """
        import eventlet
        eventlet.monkey_patch()
        import socket, threading
        from umbel.runtime.readiness import wait
        ours, theirs = socket.socketpair()
        found = []
        waiting = [threading.Thread(target=lambda: found.append(wait(ours, 10))) for _ in range(3)]
        for each in waiting:
            each.start()
        eventlet.sleep(0)
        assert wait(ours, 0.01) == (False, False)
        theirs.send(b"x")
        for each in waiting:
            each.join()
        print(found)
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, str([(True, False)] * 3)), done.stderr


def test_an_interrupt_ends_a_wait(pair):
    ours, theirs = pair
    interrupt = Interrupt()
    try:
        interrupt.wait(ours, 0.01)
        theirs.send(b"x")
        interrupt.wait(ours, None)
        ours.recv(1)
        thread = threading.Thread(target=interrupt.wait, args=(ours, None))
        thread.start()
        interrupt.set()
        thread.join(5)
        assert not thread.is_alive()
        interrupt.wait(None, None)  # and every later one
        ours.close()
        interrupt.wait(ours, None)
    finally:
        interrupt.close()
    interrupt.set()
