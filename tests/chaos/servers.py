"""Private servers that may be stopped, killed and restarted: a Redis with an append-only file, a RabbitMQ node. Never the shared ones."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Protocol

from system.processes import eventually


class Server(Protocol):
    """A broker under our thumb."""

    host: str
    port: int
    #: Ways to take it down and bring it back.
    restarts: tuple[str, ...]

    def url(self, port: int | None = None) -> str: ...
    def restart(self, how: str) -> None: ...
    def drop_connections(self) -> int: ...
    def close(self) -> None: ...


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class PrivateRedis:
    """redis-server on a free port, every write on disk before it is answered."""

    restarts = ("graceful", "kill")

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self.folder = tempfile.mkdtemp(prefix="umbel-redis-")
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, port: int | None = None, database: int = 0) -> str:
        return f"redis://127.0.0.1:{port or self.port}/{database}"

    def client(self):
        import redis

        return redis.Redis(port=self.port)

    def start(self) -> None:
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            self.folder,
            "--save",
            "",
            "--appendonly",
            "yes",
        ]
        with Path(self.folder, "log").open("ab") as log:
            self.process = subprocess.Popen([*command, "--appendfsync", "always"], stdout=log, stderr=log, start_new_session=True)
        with self.client() as client:
            eventually(lambda: _pong(client), 20, "redis-server")

    def stop(self, how: str = "graceful") -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM if how == "graceful" else signal.SIGKILL)
        status = self.process.wait(20)
        assert status == (0 if how == "graceful" else -signal.SIGKILL), f"redis-server ended with {status}"

    def restart(self, how: str) -> None:
        before = self.run_id()
        self.stop(how)
        assert not answers(self.port)
        self.start()
        assert self.run_id() != before

    def run_id(self) -> str:
        with self.client() as client:
            return client.info("server")["run_id"]

    def drop_connections(self) -> int:
        with self.client() as client:
            return sum(client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes") for kind in ("normal", "pubsub"))

    def pause(self, seconds: float) -> None:
        with self.client() as client:
            assert client.client_pause(int(seconds * 1000), all=True)

    def flush(self) -> int:
        """FLUSHALL; returns how many keys there were."""
        with self.client() as client:
            count = len(self.control("list_connections", "--no-table-headers", "pid").splitlines())
        self.control("close_all_connections", "-p", "/", "chaos")
        return count

    def lengths(self, vhost: str = "/") -> dict[str, int]:
        lines = self.control("list_queues", "-p", vhost, "--no-table-headers", "name", "messages").splitlines()
        return {name: int(count) for name, count in (line.split("\t") for line in lines)}

    def close(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
