"""Find RabbitMQ, Redis, memcached and MongoDB for tests, or start private ones that end with the tests; find PostgreSQL and MariaDB. Standard library only.

In this order, for each: what ``UMBEL_TEST_RABBITMQ`` / ``UMBEL_TEST_REDIS`` / ``UMBEL_TEST_MEMCACHED`` names; what answers on this machine; a private server from the
installed programs, on free ports with its files in a temporary folder; the same after ``apt-get install``, when this is root.
Where the variable says ``private``, what answers here is left alone.

In place of MongoDB, which neither Debian nor the package index has, SecantusDB is started, which speaks its protocol: from an environment of its own,
``.build/mongodb-venv``, made at first use.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

#: Seconds.
_RABBITMQ_STARTS_WITHIN = 90
_REDIS_STARTS_WITHIN = 15
_MEMCACHED_STARTS_WITHIN = 15
_MONGODB_STARTS_WITHIN = 60
#: What speaks MongoDB's protocol, for tests.
_SECANTUS = "secantusdb==0.7.0b3"
_BUILD = Path(__file__).resolve().parent.parent / ".build"


@dataclass(frozen=True)
class Found:
    """A server that answers, and what tests must know of it."""

    environment: dict[str, str]
    how: str
    stop: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True)
class Kind:
    """One kind of server."""

    name: str
    variable: str
    default_url: str
    port: int
    greeting: bytes
    answer: bytes
    programs: tuple[str, ...]
    package: str
    #: ``None``: it is used where it answers, and never started.
    start: Callable[[Path], Found] | None


@contextlib.contextmanager
def servers() -> Iterator[tuple[dict[str, str], list[str], list[str]]]:
    """All servers, as (environment for the tests, one line for each found, names of those missing)."""
    environment: dict[str, str] = {}
    found_lines, missing = [], []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="umbel-servers-", ignore_cleanup_errors=True)))
        for kind in (RABBITMQ, REDIS, POSTGRESQL, MARIADB, MEMCACHED, MONGODB):
            found = find(kind, folder)
            if found is None:
                missing.append(kind.name)
                continue
            stack.callback(found.stop)
            environment.update(found.environment)
            found_lines.append(f"{kind.name}: {found.how}")
        yield environment, found_lines, missing


def find(kind: Kind, folder: Path) -> Found | None:
    """A server of this kind, started if need be; ``None`` when it cannot be had here."""
    given = os.environ.get(kind.variable)
    if given != "private":
        url = given or kind.default_url
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or kind.port
        if _answers(kind, host, port):
            return Found({kind.variable: url}, f"{host}:{port}")
        if given:
            sys.exit(f"{kind.variable} names {host}:{port}, and no {kind.name} answers there.")
    if kind.start is None or (not _installed(kind) and not _install(kind)):
        return None
    try:
        return kind.start(folder)
    except RuntimeError as error:
        print(f"{kind.name} was found but does not start: {error}", file=sys.stderr)
        return None


def _answers(kind: Kind, host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=3) as line:
            line.settimeout(3)
            line.sendall(kind.greeting)
            return line.recv(64).startswith(kind.answer)
    except OSError:
        return False


def _path() -> str:
    """Servers are often installed where only root's path leads."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/usr/lib/rabbitmq/bin"])


def _which(program: str) -> str | None:
    return shutil.which(program, path=_path())


def _installed(kind: Kind) -> bool:
    return all(_which(program) for program in kind.programs)


def _install(kind: Kind) -> bool:
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"Installing {kind.package} …", flush=True)
    # A package that starts its service at once would keep the ports and outlive the tests; 101 means "not allowed to start it".
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False, stdout=subprocess.DEVNULL)
        done = subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", kind.package],
            env=environment,
            check=False,
            stdout=subprocess.DEVNULL,
        )
    finally:
        if ours:
            policy.unlink(missing_ok=True)
    return done.returncode == 0 and _installed(kind)


def free_port() -> int:
    """A port that nobody listens on now, below those that outgoing connections get."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as line, contextlib.suppress(OSError):
            line.bind(("127.0.0.1", port))
            return port


def _wait(kind: Kind, port: int, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _answers(kind, "127.0.0.1", port):
            return
        time.sleep(0.1)  # a server that starts tells nobody when it is ready
    _end(process)
    last = log.read_text(errors="replace").strip().splitlines()[-5:] if log.exists() else []
    raise RuntimeError(f"no answer on port {port} within {seconds} s; its last lines: {' | '.join(last) or 'none'}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_redis(folder: Path) -> Found:
    """A Redis of our own, without persistence."""
    home = folder / "redis"
    home.mkdir()
    port, log = free_port(), home / "log"
    command = [_which("redis-server") or "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(home)]
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--save", "", "--appendonly", "no"], stdout=output, stderr=output)
    _wait(REDIS, port, process, log, _REDIS_STARTS_WITHIN)
    return Found({REDIS.variable: f"redis://127.0.0.1:{port}"}, f"started on port {port}", lambda: _end(process))


def start_memcached(folder: Path) -> Found:
    """A memcached of our own."""
    port, log = free_port(), folder / "memcached.log"
    command = [_which("memcached") or "memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "64"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["-u", "nobody"]  # it does not run as root
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    _wait(MEMCACHED, port, process, log, _MEMCACHED_STARTS_WITHIN)
    return Found({MEMCACHED.variable: f"memcached://127.0.0.1:{port}"}, f"started on port {port}", lambda: _end(process))


def start_mongodb(folder: Path) -> Found:
    """A SecantusDB of our own, which forgets everything when it ends."""
    environment = _BUILD / "mongodb-venv"
    program = environment / "bin" / "secantusd-py"
    if not program.exists():
        print(f"Installing {_SECANTUS} …", flush=True)
        _BUILD.mkdir(exist_ok=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True, capture_output=True)
            subprocess.run([str(environment / "bin" / "pip"), "install", "-q", _SECANTUS], check=True, capture_output=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            raise RuntimeError(f"{_SECANTUS} cannot be installed: {error}") from error
    port, log = free_port(), folder / "mongodb.log"
    command = [str(program), "--host", "127.0.0.1", "--port", str(port), "--storage-path", ":memory:", "--log-level", "WARNING"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    _wait(MONGODB, port, process, log, _MONGODB_STARTS_WITHIN)
    return Found({MONGODB.variable: f"mongodb://127.0.0.1:{port}"}, f"SecantusDB started on port {port}", lambda: _end(process))


def start_rabbitmq(folder: Path) -> Found:
    """A RabbitMQ node of our own: its own name, ports, port mapper, folders and Erlang cookie."""
    home = folder / "rabbitmq"
    for directory in ("data", "logs", "bin"):
        (home / directory).mkdir(parents=True)
    port, log = free_port(), home / "output"
    private = {
        "HOME": str(home),  # of the Erlang cookie
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(free_port()),
        "RABBITMQ_NODENAME": f"umbel-test-{os.getpid()}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "logs"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "environment"),
    }
    (home / "plugins").write_text("[].\n")
    # A busy laptop with a nearly full disk is no reason for an alarm.
    (home / "rabbitmq.conf").write_text("disk_free_limit.absolute = 50MB\n")
    (home / "environment").touch()
    environment = {**os.environ, **private, "PATH": _path()}
    with log.open("wb") as output:
        process = subprocess.Popen([_program("rabbitmq-server")], env=environment, stdout=output, stderr=output)
    stop = functools.partial(_stop_rabbitmq, process, environment)
    try:
        _wait(RABBITMQ, port, process, log, _RABBITMQ_STARTS_WITHIN)
    except RuntimeError:
        stop()
        raise
    # Tests call rabbitmqctl; theirs must speak to this node, whoever they run as.
    shim = home / "bin" / "rabbitmqctl"
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in private.items())
    shim.write_text(f'#!/bin/sh\n{exports}exec {_program("rabbitmqctl")} "$@"\n')
    shim.chmod(0o755)
    tests = {RABBITMQ.variable: f"amqp://guest:guest@127.0.0.1:{port}", "PATH": f"{shim.parent}{os.pathsep}{_path()}"}
    return Found(tests, f"started on port {port}", stop)


def _program(name: str) -> str:
    """The program itself: Debian's wrapper in ``sbin`` insists on its own user and that user's home."""
    inner = Path("/usr/lib/rabbitmq/bin") / name
    return str(inner) if inner.exists() else _which(name) or name


def _stop_rabbitmq(process: subprocess.Popen[bytes], environment: dict[str, str]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([_program("rabbitmqctl"), "--quiet", "stop"], env=environment, timeout=30, check=False, capture_output=True)
        process.wait(20)
    if process.poll() is None:
        _end(process)
    mapper = _which("epmd")
    for _ in range(50 if mapper else 0):  # ours: it has a port of its own; it ends when it knows that its node has
        done = subprocess.run([str(mapper), "-port", environment["ERL_EPMD_PORT"], "-kill"], check=False, capture_output=True)
        if b"not allowed" not in done.stdout + done.stderr:
            break
        time.sleep(0.1)  # nor does it tell when its node is gone


RABBITMQ = Kind(
    name="RabbitMQ",
    variable="UMBEL_TEST_RABBITMQ",
    default_url="amqp://guest:guest@127.0.0.1:5672",
    port=5672,
    greeting=b"AMQP\x00\x00\x09\x01",
    answer=b"\x01\x00\x00",
    programs=("rabbitmq-server", "rabbitmqctl"),
    package="rabbitmq-server",
    start=start_rabbitmq,
)
REDIS = Kind(
    name="Redis",
    variable="UMBEL_TEST_REDIS",
    default_url="redis://127.0.0.1:6379",
    port=6379,
    greeting=b"PING\r\n",
    answer=b"+PONG",
    programs=("redis-server",),
    package="redis-server",
    start=start_redis,
)
POSTGRESQL = Kind(
    name="PostgreSQL",
    variable="UMBEL_TEST_POSTGRESQL",
    default_url="postgresql://postgres@127.0.0.1:5432/postgres",
    port=5432,
    greeting=b"\x00\x00\x00\x08\x04\xd2\x16\x2f",  # asks for TLS: the answer is one letter
    answer=b"",
    programs=(),
    package="postgresql",
    start=None,
)
MARIADB = Kind(
    name="MariaDB",
    variable="UMBEL_TEST_MARIADB",
    default_url="mysql://root@127.0.0.1:3306/test",
    port=3306,
    greeting=b"",  # it speaks first
    answer=b"",
    programs=(),
    package="mariadb-server",
    start=None,
)
MEMCACHED = Kind(
    name="memcached",
    variable="UMBEL_TEST_MEMCACHED",
    default_url="memcached://127.0.0.1:11211",
    port=11211,
    greeting=b"version\r\n",
    answer=b"VERSION",
    programs=("memcached",),
    package="memcached",
    start=start_memcached,
)
_HELLO = b"\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00"
MONGODB = Kind(
    name="MongoDB",
    variable="UMBEL_TEST_MONGODB",
    default_url="mongodb://127.0.0.1:27017",
    port=27017,
    greeting=struct.pack("<iiiiIBi", 25 + len(_HELLO), 1, 0, 2013, 0, 0, 4 + len(_HELLO)) + _HELLO,
    answer=b"",
    programs=(),
    package="",
    start=start_mongodb,
)
