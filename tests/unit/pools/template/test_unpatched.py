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


@pytest.mark.parametrize(("patched", "name"), [("gevent.monkey:patch_all", "gevent"), ("eventlet:monkey_patch", "eventlet")])
def test_a_process_is_kept_unpatched_or_refuses_to_be_a_workers(patched, name):
    module, _, function = patched.partition(":")
    program = f"""
import importlib
from umbel.errors import ImproperlyConfigured
from umbel.pools import kinds
from umbel.pools.template.unpatched import keep_unpatched, patched_by
module = importlib.import_module({module!r})
patch = module.{function}
keep_unpatched({patched!r})
module.{function}()
assert patched_by() == ""
patch()
assert patched_by() == {name!r}
try:
    kinds.DEFAULT.make(None)
except ImproperlyConfigured as error:
    assert "leave that to -P {name}" in str(error)
else:
    raise AssertionError("it was made")
keep_unpatched("nowhere:patch")
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=30)
