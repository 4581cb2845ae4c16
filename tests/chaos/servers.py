"""Private servers that may be stopped, killed and restarted: a Redis with an append-only file, a RabbitMQ node. Never the shared ones."""

from __future__ import annotations

import contextlib
import os
import random
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
    """A port that nobody listens on, below those that outgoing connections get: a server must find it free again when it restarts."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class PrivateRedis:
    """redis-server on a free port, every write on disk before it is answered."""

    restarts = ("graceful", "kill")

    def __init__(self, port: int | None = None) -> None:
        self.host, self.port = "127.0.0.1", port or free_port()
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
            count = client.dbsize()
            assert client.flushall()
            return count

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def _pong(client) -> bool:
    with contextlib.suppress(Exception):
        return client.ping()
    return False


class PrivateRabbit:
    """A RabbitMQ node of its own: name, ports, data, cookie and plugins apart from any other on the machine."""

    restarts = ("stop_app", "kill")

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="umbel-rabbit-"))
        self.node = f"umbel{self.port}@localhost"
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\ndisk_free_limit.absolute = 50MB\n")
        (self.folder / "plugins").write_text("[].\n")
        self.env = {
            **os.environ,
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @staticmethod
    def _program(name: str) -> str:
        """Debian's wrappers change the user, and with it the environment; the programs behind them do not."""
        behind = Path("/usr/lib/rabbitmq/bin") / name
        return str(behind) if behind.exists() else name

    def url(self, port: int | None = None) -> str:
        return f"amqp://guest:guest@127.0.0.1:{port or self.port}//"

    def control(self, *arguments: str) -> str:
        command = [self._program("rabbitmqctl"), "--quiet", "-n", self.node, *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        with (self.folder / "out").open("ab") as log:
            self.process = subprocess.Popen(
                [self._program("rabbitmq-server")], env=self.env, stdout=log, stderr=log, start_new_session=True
            )
        eventually(lambda: answers(self.port), 60, f"RabbitMQ; see {self.folder}/out")

    def restart(self, how: str) -> None:
        assert self.process is not None
        if how == "stop_app":
            self.control("stop_app")
            assert not answers(self.port)
            self.control("start_app")
        else:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
            eventually(lambda: not answers(self.port), 10)
            self.start()
        eventually(lambda: answers(self.port), 60)

    def drop_connections(self) -> int:
        count = len(self.control("list_connections", "--no-table-headers", "pid").splitlines())
        self.control("close_all_connections", "-p", "/", "chaos")
        return count

    def _end_mapper(self) -> bool:
        """The port mapper is this node's own and outlives it. It refuses to end as long as it thinks that the node lives."""
        port = self.env["ERL_EPMD_PORT"]
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(["epmd", "-port", port, "-kill"], env=self.env, check=False, capture_output=True)
        return not answers(int(port))

    def lengths(self, vhost: str = "/") -> dict[str, int]:
        lines = self.control("list_queues", "-p", vhost, "--no-table-headers", "name", "messages").splitlines()
        return {name: int(count) for name, count in (line.split("\t") for line in lines)}

    def close(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        eventually(self._end_mapper, 10, "the port mapper gone")
        shutil.rmtree(self.folder, ignore_errors=True)
