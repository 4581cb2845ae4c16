import signal

import pytest

from umbel.compat.legacy import platform as p


def test_signals():
    before = signal.getsignal(signal.SIGUSR2)
    try:
        p.signals["USR2"] = handler = lambda *_: None
        assert p.signals["USR2"] is handler
        p.signals.ignore("USR2")
        assert p.signals["USR2"] == signal.SIG_IGN
        p.signals.reset("USR2")
        assert p.signals["USR2"] == signal.SIG_DFL
        p.signals.update(USR2=handler)
        p.signals["NOSUCH"] = handler  # not of this system: passed over, as in Celery
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert p.signals.signum("TERM") == signal.SIGTERM
    assert p.signals.signum(15) == 15
    assert p.signals.supported("SIGTERM")
    assert p.signal_name(15) == "TERM"
    with pytest.raises(TypeError, match="'term'"):
        p.signals.signum("term")


def test_this_machine():
    assert p.pyimplementation() == "CPython"
    assert p.EX_OK == 0
    assert not p.isatty(object())
    assert p.get_fdmax(1) > 0
