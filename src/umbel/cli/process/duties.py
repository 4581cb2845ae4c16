"""Process duties of a program: a pidfile, a user of its own, its names in file names."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from umbel.worker.options import fill

#: Hundredths of a second for which the lock of a pidfile's folder is waited for.
_PATIENCE = 500


def dump_stacks_on_usr1() -> None:
    """Have ``kill -USR1`` write the stacks of all threads to stderr."""
    if hasattr(signal, "SIGUSR1") and sys.__stderr__ is not None:
        with contextlib.suppress(ValueError, OSError):  # stderr without a file, in tests
            faulthandler.register(signal.SIGUSR1, file=sys.__stderr__, all_threads=True)


def file_name(template: str, node: str) -> str:
    """Fill in ``%n`` (the node's own name), ``%h`` and ``%d`` in a path, ``template``, for ``node``."""
    name, _, host = node.partition("@")
    return fill(template, {"n": name, "h": host, "d": host.partition(".")[2], "i": "0", "I": "", "p": node})


@contextlib.contextmanager
def pidfile(path: Path) -> Iterator[None]:
    """Hold a pidfile, ``path``; removed at the end if it is still ours.

    Raises:
        click.ClickException: another running process holds it, or it cannot be written.
    """
    if path.exists() and not path.is_file():
        raise click.ClickException(f"Cannot write the pidfile {path}: it is not a plain file.")
    # Of two workers that find one stale file at one moment, the second must see what the first has written.
    with _locked(path.parent):
        pid = holder(path)
        if pid is not None:
            raise click.ClickException(f"{path} belongs to process {pid}, which is running. Is this worker started twice?")
        try:
            path.unlink(missing_ok=True)
            number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            try:
                with os.fdopen(number, "w") as file:
                    file.write(f"{os.getpid()}\n")
            except OSError:
                path.unlink(missing_ok=True)
                raise
        except FileExistsError as error:
            raise click.ClickException(f"{path} was taken by another worker just now.") from error
        except OSError as error:
            raise click.ClickException(f"Cannot write the pidfile {path}: {error.strerror}.") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            if int(path.read_text()) == os.getpid():
                path.unlink()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which the kernel takes back; another process may have it for a few seconds at most."""
    try:
        import fcntl

        number = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # Windows; or whatever comes next says it better
        yield
        return
    try:
        for _ in range(_PATIENCE):
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(0.01)
            else:
                break
        yield
    finally:
        os.close(number)


def holder(path: Path) -> int | None:
    """The running process that wrote a pidfile, ``path``, or ``None`` when the file is absent or stale."""
    try:
        pid = int(path.read_text())
        written = path.stat().st_mtime
        os.kill(pid, 0)
    except (OSError, ValueError, OverflowError) as error:
        return int(path.read_text()) if isinstance(error, PermissionError) and path.is_file() else None
    started = _started(pid)
    # A process that began after the file was written only happens to have the same number. Two seconds: clock ticks are coarse.
    return None if pid == os.getpid() or (started is not None and started > written + 2) else pid


def _started(pid: int) -> float | None:
    """Find when a process began, seconds since the epoch (Linux)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
        return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def become(uid: str | int | None, gid: str | int | None, umask: str | int | None) -> None:
    """Change to a group, a user and a umask, in the order that works.

    Args:
        uid: name or number of the user; ``None`` stays the same.
        gid: name or number of the group; ``None`` stays the same.
        umask: octal text, or a number; ``None`` stays the same.

    Raises:
        click.ClickException: there is no such user or group, or we may not.
        click.BadParameter: the umask is not an octal number.
    """
    if umask is not None:
        try:
            os.umask(umask if isinstance(umask, int) else int(umask, 8))
        except ValueError as error:
            raise click.BadParameter(f"{umask!r} is not an octal number, e.g. 022", param_hint="--umask") from error
    if uid is None and gid is None:
        return
    uid, gid = None if uid is None else str(uid), None if gid is None else str(gid)
    import grp
    import pwd

    try:
        user = None if uid is None else pwd.getpwuid(int(uid)) if uid.isdigit() else pwd.getpwnam(uid)
    except KeyError as error:
        raise click.ClickException(f"There is no user {uid!r}.") from error
    try:
        group = None if gid is None else grp.getgrgid(int(gid)) if gid.isdigit() else grp.getgrnam(gid)
    except KeyError as error:
        raise click.ClickException(f"There is no group {gid!r}.") from error
    try:
        group_id = group.gr_gid if group is not None else user.pw_gid if user is not None else os.getgid()
        if os.geteuid() == 0:
            os.initgroups(user.pw_name, group_id) if user is not None else os.setgroups([group_id])
        os.setgid(group_id)
        if user is not None:
            os.setuid(user.pw_uid)
    except PermissionError as error:
        raise click.ClickException("Only root can change to another user or group.") from error
    if not os.access(os.__file__, os.R_OK):
        raise click.ClickException(
            f"The user {user.pw_name if user else os.getuid()} cannot read Python itself, in {Path(os.__file__).parent}."
        )
