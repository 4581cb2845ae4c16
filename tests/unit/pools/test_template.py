import os
import signal
import subprocess
import sys
import threading

from umbel.pools.template import holding_stop_signals


def test_a_signal_that_comes_while_a_process_is_started_is_heard_afterwards():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("TERM"))
    try:
        with holding_stop_signals():
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            assert heard == []
        assert heard == ["TERM"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_is_started_is_deaf_from_birth_and_passes_no_mask_on():
    code = (
        "import os, signal, sys\n"
        "sys.stdin.readline()\n"  # the signal has come by now
        "from umbel.pools.template import ignore_stop_signals\n"
        "ignore_stop_signals()\n"
        "assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "print('alive')"
    )
    with holding_stop_signals():
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    os.kill(process.pid, signal.SIGTERM)
    said, _ = process.communicate("\n", timeout=20)
    assert (process.returncode, said) == (0, "alive\n")
