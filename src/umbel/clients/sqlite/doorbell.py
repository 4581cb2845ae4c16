"""Wake up who waits for a database: a datagram to a Unix socket of each listener, sent after a commit.

Listeners bind sockets in the directory ``<database>-bell`` beside the file. Where a socket's path would be too long it is written by way of
``/proc/self/fd``, and where there is none, the directory is one in the temporary directory named after a hash of the path. A ring carries nothing; whoever hears it looks into the database. A listener that does not read has a full
socket soon, and ringing it costs one refused system call. A socket whose owner died refuses, and is removed by whoever rings it or opens another.

Anybody may make a directory or a link of that name where the folder is everybody's. So the directory is used only if it is one (no link), and
belongs to us, to root or to the owner of the database; and nothing but sockets is ever removed from it.

Where there are no Unix sockets (Windows) or the directory cannot be made, `Listener.socket` is ``None`` and one polls the database.
"""

# A ring follows each publish: bare strings cost less than paths.
# ruff: noqa: PTH101, PTH102, PTH106, PTH108, PTH112, PTH116, PTH118, PTH120, PTH208

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from typing import Final

#: What listeners wait for; the first letter of their sockets' names.
MESSAGES: Final = "m"
RESULTS: Final = "r"

#: Bytes of a Unix socket's path that every system allows (macOS: 104, with the final zero).
_LONGEST_PATH: Final = 100
_NAME_LENGTH: Final = 20
#: Through it a directory's own path counts no bytes; only Linux has it.
_DESCRIPTORS: str | None = "/proc/self/fd" if hasattr(os, "O_PATH") and os.path.isdir("/proc/self/fd") else None
_ATTEMPTS: Final = 3


def directory_of(database: str) -> str:
    """Return the directory where the listeners of a database bind their sockets."""
    beside = f"{database}-bell"
    if _DESCRIPTORS or _fits(beside):
        return beside
    key = hashlib.sha256(os.fsencode(os.path.realpath(database))).hexdigest()[:16]
    return os.path.join(tempfile.gettempdir(), f"{_prefix()}{key}")


def _prefix() -> str:
    return f"umbel-{os.getuid()}-"


def _fits(directory: str) -> bool:
    return len(os.fsencode(directory)) + 1 + _NAME_LENGTH <= _LONGEST_PATH


def _open_near(directory: str) -> tuple[str, int | None]:
    """Another name of a directory, short enough for the paths of sockets in it, and the descriptor with which it ends."""
    if _DESCRIPTORS is None or _fits(directory):
        return directory, None
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    return f"{_DESCRIPTORS}/{descriptor}", descriptor


@contextlib.contextmanager
def _near(directory: str) -> Iterator[str]:
    near, descriptor = _open_near(directory)
    try:
        yield near
    finally:
        if descriptor is not None:
            os.close(descriptor)


class _Paths(list[str]):
    """Paths of sockets, and the descriptor by which they are near; opening it takes as long as a ring.

    It is closed with the last thread that uses the list. A lock might be held by nobody after a fork.
    """

    _descriptor: int | None = None

    def approach(self, directory: str) -> str:
        near, self._descriptor = _open_near(directory)
        return near

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def _is_trusted(directory: str, database: str) -> bool:
    """Report whether a directory is one, and of somebody who may delete the database, too."""
    try:
        found = os.lstat(directory)
    except OSError:
        return False
    owners = {0, os.getuid()}
    with contextlib.suppress(OSError):
        owners.add(os.stat(database).st_uid)
    return stat.S_ISDIR(found.st_mode) and found.st_uid in owners


def _remove(path: str) -> None:
    """Remove a socket; nothing else."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)


def _mode_of(database: str) -> int:
    # Who may write to the database may ring.
    try:
        return os.stat(database).st_mode & 0o666
    except OSError:
        return 0o600


class Listener:
    """A socket that is rung. Opening never fails: without it, ``socket`` is ``None``."""

    def __init__(self, database: str, kind: str) -> None:
        self._database = database
        self._kind = kind
        self._path = ""
        self.socket: socket.socket | None = None

    def open(self) -> None:
        """Bind a new socket, closing an older one."""
        self.close()
        if not hasattr(socket, "AF_UNIX") or not hasattr(os, "getuid"):
            return
        for _ in range(_ATTEMPTS):  # another listener, the last one, may remove the directory meanwhile
            with contextlib.suppress(OSError):
                self._bind(directory_of(self._database))
                return

    def _bind(self, directory: str) -> None:
        mode = _mode_of(self._database)
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
            os.chmod(directory, mode | (mode & 0o444) >> 2)
        if not _is_trusted(directory, self._database):
            return
        if directory != f"{self._database}-bell":
            _sweep_others(directory)
        _sweep(directory)
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name = f"{self._kind}{os.getpid():x}-{os.urandom(4).hex()}"
            path = f"{directory}/{name}"
            ear.setblocking(False)
            with _near(directory) as near:
                ear.bind(f"{near}/{name}")
            os.chmod(path, mode)
        except OSError:
            ear.close()
            raise
        self.socket, self._path = ear, path

    def drain(self) -> None:
        """Forget the rings so far."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                while self.socket.recv(16):
                    pass

    def close(self) -> None:
        """Close and remove the socket, and the directory if it was the last."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            with contextlib.suppress(OSError):
                os.unlink(self._path)
                os.rmdir(os.path.dirname(self._path))

    def abandon(self) -> None:
        """Let go of a socket inherited over a fork; the parent's goes on."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class Bell:
    """Rings the listeners of one database. Never blocks, never fails, may be used by several threads."""

    def __init__(self, database: str, kind: str) -> None:
        self._database = database
        self._kind = kind
        self._sender: socket.socket | None = None
        self._seen: tuple[int, int] | None = None
        self._listeners = _Paths()
        self.ring: Callable[[], None] = self._ring
        try:
            self._directory = directory_of(database)
        except AttributeError:  # no user ids: not a Unix
            self.ring = _nothing

    def _ring(self) -> None:
        try:
            found = os.stat(self._directory)
        except OSError:
            return
        seen = (found.st_mtime_ns, found.st_ino)
        if seen != self._seen:
            self._listeners = self._paths()
            # A change within the clock's tick of this one would not show: look again next time until the tick is over.
            self._seen = seen if _settled(found.st_mtime_ns) else None
        if not self._listeners:
            return
        sender = self._sender
        if sender is None:
            sender = self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            sender.setblocking(False)
        for path in self._listeners:
            try:
                sender.sendto(b"!", path)
            except BlockingIOError:
                continue  # rung often enough
            except ConnectionRefusedError:  # its owner died
                _remove(path)
            except OSError:
                self._seen = None

    def _paths(self) -> _Paths:
        """List the sockets of the listeners."""
        found = _Paths()
        if not _is_trusted(self._directory, self._database):
            return found
        with contextlib.suppress(OSError):
            near = found.approach(self._directory)
            found.extend(f"{near}/{name}" for name in os.listdir(near) if name.startswith(self._kind))
        return found

    def close(self) -> None:
        """Close the sending socket; the next ring opens it again."""
        self._listeners, self._seen = _Paths(), None
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()


def _sweep(directory: str) -> None:
    """Remove the sockets of listeners that died."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as prober, _near(directory) as near:
        for name in os.listdir(directory):
            path = f"{near}/{name}"
            try:
                prober.connect(path)
            except ConnectionRefusedError:
                _remove(path)
            except OSError:
                continue


def _sweep_others(directory: str) -> None:
    """In the temporary directory, remove what listeners of other databases left that died; nobody may ever open those again."""
    parent, own = os.path.split(directory)
    for name in os.listdir(parent):
        if name.startswith(_prefix()) and name != own:
            other = f"{parent}/{name}"
            with contextlib.suppress(OSError):  # in use: a socket is in it
                found = os.lstat(other)
                if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                    _sweep(other)
                    os.rmdir(other)


def _settled(changed_ns: int) -> bool:
    from umbel.runtime.clock import SYSTEM

    return SYSTEM.now() - changed_ns / 1e9 > 0.05


def _nothing() -> None:
    return None
