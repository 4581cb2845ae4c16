"""uWSGI and gunicorn serve an application that publishes, and are stopped or reloaded while requests come in."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from chaos.servers import free_port
from system.processes import TESTS, eventually
from umbel import Umbel

#: tool → module that it comes with.
TOOLS = {"uwsgi": "pyuwsgi", "gunicorn": "gunicorn"}
SIGNALS = {"SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT, "SIGQUIT": signal.SIGQUIT}
#: A server's ways to end its workers: signals that end the server too, a reload, and a limit of requests for each worker.
ENDS = (*SIGNALS, "reload", "max requests")
WAYS = tuple(f"{tool} {end}" for tool in TOOLS for end in ENDS)
#: Requests at the same time, and calls in each.
CLIENTS, CALLS = 4, 10
#: Where the application is loaded: before the workers are forked, or by each for itself.
LOADED = ("before the fork", "after the fork")
_NAME = re.compile(r"[0-9]+-[0-9a-f]{8}\.[0-9]+")


def missing() -> list[str]:
    """The tools that are not installed."""
    return [tool for tool, module in TOOLS.items() if importlib.util.find_spec(module) is None]


def _command(tool: str, end: str, port: int, loaded: str, requests: int | None) -> list[str]:
    early, address = loaded == "before the fork", f"127.0.0.1:{port}"
    if tool == "gunicorn":
        options = ["--workers", "2", "--bind", address, "--log-level", "error", "--graceful-timeout", "5", "--no-control-socket"]
        options += [*(["--preload"] if early else []), *(["--max-requests", str(requests)] if requests else [])]
        return [sys.executable, "-m", "gunicorn", *options, "chaos.process_ends_wsgi:application"]
    # In a virtual environment PyPI's pyuwsgi starts again with the wrong interpreter, unless it is named.
    options = ["--master", "--processes", "2", "--http-socket", address, "--disable-logging", "--need-app", "--binary-path", sys.executable]
    options += ["--die-on-term"] if end == "SIGTERM" else []  # else it reloads at SIGTERM, and at SIGQUIT with this option
    options += [*([] if early else ["--lazy-apps", "--enable-threads"]), *(["--max-requests", str(requests)] if requests else [])]
    options += ["--worker-reload-mercy", "10", "--wsgi", "chaos.process_ends_wsgi"]
    return [str(Path(sys.executable).with_name("uwsgi")), *options]


class _Server:
    """One server process with two workers."""

    def __init__(self, way: str, loaded: str, environment: dict[str, str], folder: Path, requests: int | None = None) -> None:
        tool, end = way.split(" ", 1)
        #: What reloads it, and what ends it.
        self.reloads = (signal.SIGHUP, signal.SIGTERM) if tool == "uwsgi" else (signal.SIGHUP,)
        self.ends = signal.SIGINT if tool == "uwsgi" else signal.SIGTERM
        self.port, self._log = free_port(), folder / "log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                _command(tool, end, self.port, loaded, requests), env=environment, cwd=TESTS, stdout=log, stderr=log, start_new_session=True
            )
        try:
            eventually(self._is_up, 30, f"{tool} to listen")
        except AssertionError as error:
            self.end()
            raise AssertionError(f"{error}\n{self.log()}") from None

    def _is_up(self) -> bool:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}"
        return self.get()

    def get(self) -> bool:
        """Send a request; whether it was answered."""
        try:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
                connection.request("GET", "/")
                return connection.getresponse().read() == b"ok\n"
        except (OSError, http.client.HTTPException):
            return False

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]

    def stop(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(30)

    def end(self) -> None:
        """Whatever is left of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


def _requests(server: _Server, is_over: threading.Event) -> None:
    """Send requests, one after the other. Many fail, as the servers end: what counts is noted by those who publish."""
    while not is_over.is_set():
        if not server.get():
            time.sleep(0.02)


def _complaints(folder: Path) -> list[str]:
    """What the servers' log says of messages that may be lost or were sent again: they have no reason to, since no broker ends here."""
    lines = (folder / "log").read_text(errors="replace").splitlines()
    return [line for line in lines if "may be lost" in line or "published again" in line]


def returned(folder: Path) -> set[str]:
    """The names of the calls that have returned."""
    names = set()
    for path in folder.iterdir():
        if path.name != "log":
            names |= {f"{path.name}.{number}" for number in range(_count(path))}
    return names


def _count(path: Path) -> int:
    return int.from_bytes(path.read_bytes(), "little")


def _calls(folder: Path, besides: AbstractSet[Path] = frozenset()) -> int:
    """How many calls have returned, but for those of some processes."""
    return sum(_count(path) for path in folder.iterdir() if path.name != "log" and path not in besides)


@contextlib.contextmanager
def _clients(server: _Server) -> Iterator[None]:
    is_over = threading.Event()
    threads = [threading.Thread(target=_requests, args=(server, is_over)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def play(broker: str, queue: str, way: str, calls: int, *, rounds: int) -> tuple[set[str], list[str]]:
    """Publish so many calls through servers whose workers end so many times on the way.

    Returns the names of those calls that had returned, and lines of the servers' log that should not be there.
    """
    end = way.split(" ", 1)[1]
    with tempfile.TemporaryDirectory(prefix="umbel-ends-") as name:
        folder = Path(name)
        environment = {**os.environ, "UMBEL_ENDS": f"{broker} {queue} {CALLS} {name}", "PYTHONPATH": str(TESTS)}
        if end in SIGNALS:
            for number in range(rounds):
                server = _Server(way, LOADED[number % 2], environment, folder)
                _stop_under_load(server, folder, SIGNALS[end], calls * (number + 1) // rounds)
        else:
            requests = max(calls // CALLS // rounds // 2, 2) if end == "max requests" else None
            for loaded in LOADED:
                server = _Server(way, loaded, environment, folder, requests)
                _reload_under_load(server, folder, calls // 2, rounds // 2 if end == "reload" else 0)
        return returned(folder), _complaints(folder)


def _stop_under_load(server: _Server, folder: Path, number: int, until: int) -> None:
    """Have requests come in until so many calls are made by all servers, then stop this one; requests go on coming."""
    try:
        with _clients(server):
            eventually(lambda: _calls(folder) >= until, 60, f"{until} calls")
            server.stop(number)
    finally:
        server.end()


def _reload_under_load(server: _Server, folder: Path, calls: int, reloads: int) -> None:
    """Have requests come in until so many calls are made, then stop; reload on the way."""
    before = _calls(folder)
    try:
        with _clients(server):
            for number in range(reloads):
                until = before + calls * (number + 1) // (reloads + 1)
                eventually(lambda until=until: _calls(folder) >= until, 60, f"{until} calls")
                former = set(folder.iterdir())
                server.process.send_signal(server.reloads[number % len(server.reloads)])
                # A signal to a server that is just starting again would be its end.
                eventually(lambda former=former: _calls(folder, former) > CALLS, 60, f"new workers; the log:\n{server.log()}")
            eventually(lambda: _calls(folder) >= before + calls, 60, f"{before + calls} calls")
            assert server.process.poll() is None, f"the server ended with {server.process.returncode}"
        server.stop(server.ends)
    finally:
        server.end()


def found(broker: str, queue: str, wanted: set[str]) -> tuple[set[str], int]:
    """The names of the calls in the queue, which is emptied, and how many messages there are beside the first of each call."""
    seen: set[str] = set()
    doubled = 0
    with Umbel("ends", broker=broker, set_as_current=False) as app:
        client = app.broker.queue_client()

        def take_all() -> bool:
            nonlocal doubled
            while (delivery := client.get(queue)) is not None:
                client.ack(delivery)
                match = _NAME.search(str(delivery.headers.get("argsrepr")))
                assert match, delivery.headers
                doubled += match[0] in seen
                seen.add(match[0])
            return wanted <= seen

        with contextlib.suppress(AssertionError):  # the caller compares
            eventually(take_all, 5)
        client.delete(queue)
        client.close()
    return seen, doubled
