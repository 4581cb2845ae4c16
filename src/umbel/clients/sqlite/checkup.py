"""Facts that matter about a SQLite file in which messages or results are kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from umbel.clients.finding import Finding, judge

#: File systems on which locks do not hold, or do not hold between machines.
_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "lustre", "afs"})
#: Bytes of free room below which it is told.
_ROOM: Final = 100 * 2**20


def check(path: str, subject: str, mounts: str = "/proc/mounts") -> Iterator[Finding]:
    """Look a file over.

    Args:
        path: of it; it need not exist yet.
        subject: of the findings.
        mounts: the table of mounted file systems.
    """
    good, warning, error = judge(subject)
    file = Path(path)
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        yield error(f"{path} cannot be written", "the file and its folder must be writable")
        return
    kind = _file_system(file, mounts)
    if kind in _NETWORK:
        yield error(
            f"{path} is on a network file system ({kind}), where SQLite's locks do not hold", "use a local disk, or Redis or RabbitMQ"
        )
    else:
        yield good(f"{path} is there to be written" if file.exists() else f"{path} can be made")
    free = shutil.disk_usage(file.parent).free
    if free < _ROOM:
        yield warning(f"its disk has {free // 2**20} MB left", "make room: what does not fit is refused")


def _file_system(path: Path, mounts: str) -> str:
    try:
        lines = [line.split() for line in Path(mounts).read_text(errors="replace").splitlines()]
    except OSError:
        return ""
    place = str(path.parent.resolve())
    under = [(len(fields[1]), fields[2]) for fields in lines if len(fields) > 2 and (place + "/").startswith(fields[1].rstrip("/") + "/")]
    return max(under, default=(0, ""))[1]
