"""Files to read, wherever they lie: on this machine, or behind a URL."""

from __future__ import annotations

import hashlib
import os
import stat
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from digitscan import remote
from digitscan.errors import PageError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stamp(NamedTuple):
    """What tells whether a file is still the same; `mtime` is in nanoseconds, or stands for a store's version."""

    size: int
    mtime: int
    sha256: str


def open_source(file: str) -> BufferedReader | BytesIO:
    """A file's content. Raises OSError, and PageError for what is no file."""
    if remote.is_url(file):
        return BytesIO(remote.read(file))
    path = Path(file)
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise PageError("it is a folder, not a file")
    if not stat.S_ISREG(mode):  # To open a FIFO would wait for its writer.
        raise PageError("it is a pipe or a device, not a file")
    return path.open("rb")


def stamp_of(file: str, checksum: bool) -> Stamp | None:
    """None for what isn't a regular file, or can't be read: it has no content to be known by."""
    try:
        found = _remote_version(file) if remote.is_url(file) else _local_version(file)
        return Stamp(*found, _sha256(file) if checksum else "") if found else None
    except OSError:
        return None


def is_folder(item: str) -> bool:
    """Raises OSError where there is no such thing, and ValueError for what can't be a name."""
    return remote.is_folder(item) if remote.is_url(item) else stat.S_ISDIR(os.stat(item).st_mode)  # noqa: PTH116


def entries(folder: str) -> Iterator[tuple[str, bool]]:
    """What a folder holds: names, and whether each is a folder. Raises OSError."""
    if remote.is_url(folder):
        yield from remote.entries(folder)
        return
    with os.scandir(folder) as found:
        for entry in found:
            yield entry.name, _is_folder(entry)


def join(folder: str, name: str) -> str:
    """A file of a folder, as `find` would print it."""
    if remote.is_url(folder):
        return remote.join(folder, name)
    return (folder if folder.endswith(("/", os.sep)) else folder + os.sep) + name


def absolute(file: str) -> str:
    """The same file for a process that works in another folder."""
    if not remote.is_url(file):
        return os.path.abspath(file)  # noqa: PTH100 (Path would follow links)
    head, chain, tail = file.rpartition("::")
    return head + chain + (tail if remote.is_url(tail) else os.path.abspath(tail))  # noqa: PTH100


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link that can't be followed; if it is called like a page, reading it says so.
        return False


def _local_version(file: str) -> tuple[int, int] | None:
    status = Path(file).stat()
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _remote_version(file: str) -> tuple[int, int] | None:
    version = remote.version(file)
    if version is None:
        return None
    return version.size, int.from_bytes(hashlib.sha256(version.name.encode()).digest()[:7])


def _sha256(file: str) -> str:
    with open_source(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
