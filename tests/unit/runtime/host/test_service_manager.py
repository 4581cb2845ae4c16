from __future__ import annotations

import os
import socket

import pytest

from umbel.runtime.host.service_manager import ServiceManager


def test_without_a_manager_nothing_is_done():
    manager = ServiceManager({"WATCHDOG_USEC": "1000000"})
    manager.ready("x")
    manager.alive()
    assert not manager.is_there
    assert manager.watchdog is None


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_datagrams_go_to_its_socket(kind, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = f"@umbel-{tmp_path.name}-{os.getpid()}" if kind == "abstract" else f"{tmp_path}/notify"
        listening.bind(name.replace("@", "\0"))
        manager = ServiceManager({"NOTIFY_SOCKET": name})
        manager.ready("works")
        manager.alive()
        manager.stopping("ends")
        listening.settimeout(10)
        assert [listening.recv(1000) for _ in range(3)] == [b"READY=1\nSTATUS=works", b"WATCHDOG=1", b"STOPPING=1\nSTATUS=ends"]


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_of_this_process(environ, seconds):
    assert ServiceManager({"NOTIFY_SOCKET": "/nowhere", **environ}).watchdog == seconds


@pytest.mark.parametrize("address", ["/nowhere/at/all", "relative", "vsock:2:1"])
def test_a_manager_that_is_not_there_harms_nobody(address):
    ServiceManager({"NOTIFY_SOCKET": address}).ready("x")
