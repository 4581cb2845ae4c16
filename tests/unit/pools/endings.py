"""What child processes of the tests do, in a module that they can import."""

import os
import time


def live_on_unheard(*_):
    """As a library does that makes a daemon of its process."""
    os.closerange(3, 256)
    time.sleep(60)


def leave(*_):
    os._exit(3)


def hang(*_):
    time.sleep(60)
