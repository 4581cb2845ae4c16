import os
import subprocess
import sys

import pytest

from umbel.pools.template.unpatched import original


def test_without_such_a_library_it_is_what_stands_there():
    assert original("os", "fork") is os.fork


@pytest.mark.parametrize("patch", ["import gevent.monkey; gevent.monkey.patch_all()", "import eventlet; eventlet.monkey_patch()"])
def test_what_was_replaced_is_found(patch):
    program = f"""
import os, socket
waitpid = os.waitpid
{patch}
from umbel.pools.template.unpatched import original
assert os.waitpid is not waitpid
assert original("os", "waitpid") is waitpid
original("select", "poll")().register(0)
assert original("socket", "socket") is not socket.socket
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=30)
