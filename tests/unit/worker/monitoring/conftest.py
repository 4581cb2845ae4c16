from __future__ import annotations

import socket

import pytest

from umbel.runtime.host.service_manager import ServiceManager


@pytest.fixture
def notified(tmp_path):
    """Makes a service manager, and a function that returns what it was told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"{tmp_path}/notify")
        listening.setblocking(False)

        def make(watchdog):
            return ServiceManager({"NOTIFY_SOCKET": f"{tmp_path}/notify", "WATCHDOG_USEC": str(int(watchdog * 1e6))}), heard

        def heard():
            told = []
            while True:
                try:
                    told.append(listening.recv(1000).decode())
                except BlockingIOError:
                    return told

        yield make
