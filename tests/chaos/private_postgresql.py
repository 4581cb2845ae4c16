"""A PostgreSQL cluster of its own, which may be stopped, killed and restarted."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from chaos.servers import answers, free_port
from system.processes import eventually


@functools.cache
def program(name: str) -> str:
    """Debian keeps the programs of each version apart."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name) or name


#: The server refuses to run as root.
USER = "postgres" if os.geteuid() == 0 else None
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "unix_socket_directories": "",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


class PrivatePostgresql:
    """A server on a free port, every commit on disk before it is answered unless who commits says otherwise."""

    restarts = ("fast", "immediate", "kill")

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="umbel-postgresql-"))
        if USER:
            shutil.chown(self.folder, USER)
        command = [program("initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=USER, cwd="/")
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, port: int | None = None) -> str:
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/postgres"

    def connect(self):
        import psycopg

        return psycopg.connect(self.url(), autocommit=True)

    def start(self) -> None:
        options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
        command = [program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, user=USER, cwd="/", start_new_session=True)
        eventually(self._is_up, 60, "PostgreSQL")

    def _is_up(self) -> bool:
        import psycopg

        try:
            self.connect().close()
        except psycopg.Error:
            return False
        return True

    def restart(self, how: str) -> None:
        """Fast ends all connections and writes everything; immediate leaves that to the recovery; kill is a crash of the whole server."""
        assert self.process is not None
        if how == "kill":
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.send_signal(signal.SIGINT if how == "fast" else signal.SIGQUIT)
        self.process.wait(30)
        eventually(lambda: not answers(self.port), 10)
        self.start()

    def drop_connections(self) -> int:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        with self.connect() as connection:
            return connection.execute(query).rowcount

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
