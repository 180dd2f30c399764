"""One run at a time on a report."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from digitscan.errors import BusyError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator


def real_target(path: Path) -> Path:
    """What is replaced where `path` is written: a link stays a link."""
    return path.resolve() if path.is_symlink() else path


@contextmanager
def locked(output: str | None, wait: float = 0.0) -> Iterator[None]:
    """Keeps other runs from the report `output` for the time of a block; None, "-" and devices need no lock.

    The lock is the operating system's, on the file `.NAME.lock` beside the report. It ends with the process that holds
    it, however that ends: a lock file that was left behind locks nothing.

    Args:
        output: The report.
        wait: How long another run is waited for, in seconds.

    Raises:
        BusyError: Another run has the report, and still had it after `wait` seconds.
        OutputError: The lock file can't be made.
    """
    path = Path(output or "-")
    if path == Path("-") or (path.exists() and not path.is_file()):
        yield
        return
    from filelock import FileLock, Timeout

    target = real_target(path)
    lock_file = target.with_name(f".{target.name}.lock")
    lock = FileLock(lock_file, timeout=wait)
    try:
        target.parent.stat()  # The library would make the folder.
        lock.acquire()
    except Timeout as error:
        raise BusyError(
            f"{output} is being written by another run; try again when that is done, or wait for it with --wait SECONDS"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{output} can't be written: {error.filename or lock_file}: {error.strerror or error}"
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps the file.
            lock_file.unlink()  # While it is locked: who waits for it looks again.
        lock.release()
