"""Values as files of one folder, named by their keys, as Celery writes them (5.7, ``FilesystemBackend``). A file's age is the value's."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.results.filesystem.locks import held
from umbel.results.keyvalue.values import Change
from umbel.runtime.clock import SYSTEM, Clock

#: What a file's name cannot hold, or what would lead out of the folder; the percent sign, because it stands for these.
_UNFIT: Final = re.compile(r'[%/\\:*?"<>|\x00-\x1f]' if os.name == "nt" else r"[%/\x00]")
#: Bytes of a file's name.
_LONGEST: Final = 240
#: Files that are locked in place of the many: keys whose sums agree wait for each other.
_LOCKS: Final = 64
_LOCK, _NEW = ".umbel-lock-", ".umbel-new-"
#: The process's mask, which can only be read by setting it: at import, before there are threads.
_MASK: Final = os.umask(0o077)
os.umask(_MASK)


class FileValues:
    """`umbel.results.keyvalue.values.Values` in a folder.

    Args:
        folder: where the files are; it must be there.
        clock: tells the time.
    """

    def __init__(self, folder: Path, clock: Clock = SYSTEM) -> None:
        self._folder = folder
        self._clock = clock

    def read(self, keys: Sequence[str], keep: float | None) -> dict[str, bytes]:
        found = {}
        for key in keys:
            data = self._read(self._path(key), keep)
            if data is not None:
                found[key] = data
        if not found:
            self._check()
        return found

    def _read(self, path: Path, keep: float | None) -> bytes | None:
        try:
            with path.open("rb") as file:
                if keep and os.fstat(file.fileno()).st_mtime <= self._clock.now() - keep:
                    return None
                return file.read() or None  # empty: somebody begins to write it in place
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(error) from error

    def change(self, changes: Mapping[str, Change], keep: float | None) -> None:
        for key, change in changes.items():
            path = self._path(key)
            try:
                with held(self._folder / f"{_LOCK}{zlib.crc32(path.name.encode(errors='surrogatepass')) % _LOCKS:02}"):
                    data = change(self._read(path, keep))
                    if data is not None:
                        self._write(path, data)
            except OSError as error:
                raise self._refused(error) from error

    def _write(self, path: Path, data: bytes) -> None:
        """Replace a file in one step, so that nobody reads half of it."""
        number, name = tempfile.mkstemp(prefix=_NEW, dir=self._folder)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
            Path(name).chmod(0o666 & ~_MASK)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def drop(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                self._path(key).unlink(missing_ok=True)
            except OSError as error:
                raise self._refused(error) from error

    def cleanup(self, prefixes: Mapping[str, float | None]) -> int:
        dropped, now = 0, self._clock.now()
        known = {_fit(prefix): keep for prefix, keep in prefixes.items() if keep}
        known[_NEW] = 3600.0  # of writers that have died
        try:
            with os.scandir(self._folder) as files:
                for file in files:
                    keep = next((keep for prefix, keep in known.items() if file.name.startswith(prefix)), None)
                    if keep is not None:
                        dropped += _drop_if_older(file, now - keep)
        except OSError as error:
            raise self._refused(error) from error
        return dropped

    def public_url(self) -> str:
        return f"file://{self._folder}"

    def close(self) -> None:
        """No file stays open."""

    def _path(self, key: str) -> Path:
        name = _fit(key)
        if len(name.encode(errors="surrogatepass")) > _LONGEST:
            name = f"{name[:40]}~{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()}"
        return self._folder / name

    def _check(self) -> None:
        if not self._folder.is_dir():
            raise self._refused(FileNotFoundError("there is no such folder"))

    def _refused(self, error: OSError) -> OperationalError:
        why = error.strerror or str(error)
        is_permanent = not self._folder.is_dir() or isinstance(error, PermissionError)
        text = f"results cannot be kept in {self._folder}: {why}. The folder must be there, and workers and clients must be able to write in it."
        return OperationalError(text, permanent=is_permanent)


def _fit(key: str) -> str:
    """Return a key as the name of a file."""
    return _UNFIT.sub(lambda found: f"%{ord(found[0]):02X}", key)


def _drop_if_older(file: os.DirEntry[str], time: float) -> bool:
    try:
        if file.stat().st_mtime >= time:
            return False
        os.unlink(file.path)  # noqa: PTH108
    except FileNotFoundError:  # somebody else cleans up, too
        return False
    return True


def folder_of(url: str) -> Path:
    """Find the folder in a URL: ``file:///path`` or ``file://localhost/path``.

    Args:
        url: of the store.

    Raises:
        ImproperlyConfigured: it names none.
    """
    rest = url.partition("://")[2].partition("?")[0]
    host, slash, path = rest.partition("/")
    if host not in ("", "localhost") or not slash or not path:
        raise ImproperlyConfigured(f"result_backend {url!r} names no folder: expected file:///path/of/a/folder, with three slashes")
    path = unquote(path)
    return Path(path if re.match(r"[A-Za-z]:", path) else f"/{path}")
