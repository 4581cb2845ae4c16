"""A private primary with a replica, and a sentinel that promotes the replica when the primary is gone."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from chaos.servers import PrivateRedis, free_port
from system.processes import eventually

#: The name of what the sentinel watches.
SERVICE = "umbel"
#: Milliseconds of silence after which the primary counts as gone.
DOWN_AFTER = 1000


class PrivateSentinel:
    """Fulfils `chaos.servers.Server` as far as a fail-over needs it."""

    def __init__(self) -> None:
        self.primary, self.replica = PrivateRedis(), PrivateRedis()
        self.host, self.port = "127.0.0.1", free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="umbel-sentinel-"))
        self.process: subprocess.Popen[bytes] | None = None
        try:
            with self.replica.client() as client:
                client.replicaof("127.0.0.1", self.primary.port)
            self._await_replica()
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER}\nsentinel failover-timeout {SERVICE} 4000\n"
        )
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(["redis-server", str(config), "--sentinel"], stdout=log, stderr=log, start_new_session=True)
        eventually(lambda: self._ask("SENTINEL", "REPLICAS", SERVICE), 20, "a sentinel that knows the replica")

    def _ask(self, *command: str):
        import redis

        try:
            with redis.Redis(port=self.port) as client:
                return client.execute_command(*command)
        except redis.ConnectionError:
            return None

    def _await_replica(self) -> None:
        def is_synchronous() -> bool:
            with self.replica.client() as client:
                return client.info("replication").get("master_link_status") == "up"

        eventually(is_synchronous, 20, "a replica that follows")

    def url(self, database: int = 0) -> str:
        return f"sentinel://127.0.0.1:{self.port}/{database}?master_name={SERVICE}"

    def replicated(self) -> None:
        """Return when the replica has what the primary has."""
        with self.primary.client() as client:
            assert client.wait(1, 10_000) == 1

    def where(self) -> int:
        """The port of the primary, as the sentinel has it."""
        return int(self._ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def fail_over(self, how: str) -> float:
        """Take the primary away, until the replica is promoted; returns how many seconds that took. They have changed places then.

        Args:
            how: ``kill``, ``freeze`` (it lives, and says nothing until it is woken), or ``command``: the sentinel is asked to.
        """
        began = time.monotonic()
        if how == "kill":
            self.primary.stop("kill")
        elif how == "freeze":
            self.primary.process.send_signal(19)
        else:
            assert self._ask("SENTINEL", "FAILOVER", SERVICE)
        eventually(lambda: self.where() == self.replica.port, 30, "the replica to be promoted")

        def is_primary() -> bool:
            with self.replica.client() as client:
                return client.info("replication")["role"] == "master"

        eventually(is_primary, 30, "the replica to be the primary")
        self.primary, self.replica = self.replica, self.primary
        return time.monotonic() - began

    def heal(self, how: str) -> None:
        """Have the former primary back, as a replica."""
        if how == "kill":
            self.replica.start()
        elif how == "freeze":
            self.replica.process.send_signal(18)
        eventually(self._is_replica, 60, "the former primary to follow the new one")
        self._await_replica()

    def _is_replica(self) -> bool:
        with self.replica.client() as client:
            return client.info("replication")["role"] == "slave"

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.primary.close()
        self.replica.close()
        shutil.rmtree(self.folder, ignore_errors=True)
