"""Finds the files to read: walks folders in natural order, each real file once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitscan import sources
from digitscan.errors import NoInputError
from digitscan.remote import forget, is_url, whole_url
from digitscan.schema import PageFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".pdf")
"""Names that a walk takes, in any case. What a file really holds is decided when it is read."""


def find_pages(inputs: Sequence[str]) -> Iterator[str | PageFailure]:
    """Finds every file that may hold pages, as a stream in a fixed order.

    Inputs come in the order given. Within a folder, files and sub-folders alike come in natural order of their names
    (`page2` before `page10`, `b` before `C`), and a sub-folder's contents come at the place of its name.

    A walk takes what has a known suffix, be it a pipe, whose reading says so; it follows links, and leaves out names
    that start with a dot. A file named explicitly is taken whatever it is called. A real file or folder (by device and
    inode) is visited once, however many ways lead to it, which also cuts loops of links. Only the listings of the
    folders on the way to the present file are in memory, and one pair of numbers for each file already found. Behind
    URLs there are no links: there a file is known by its name, and what lies in an earlier input is left out.

    Args:
        inputs: Files and folders as the user typed them, or URLs of them.

    Returns:
        Paths exactly as `find INPUT` prints them; names that aren't UTF-8 hold surrogate escapes. A folder that
        can't be listed comes as a `PageFailure` with its path.

    Raises:
        NoInputError: An input doesn't exist or can't be reached (at the call, before any file is found), or all
            of them together hold nothing to read (at the end of the stream).
    """
    forget()
    kinds = [(whole_url(item), _is_folder(whole_url(item))) for item in inputs]
    return _find(kinds)


def _is_folder(item: str) -> bool:
    try:
        return sources.is_folder(item)
    except OSError as error:
        raise NoInputError(f"{item!r} can't be read: {error.strerror or error}") from error
    except ValueError as error:  # A null character in the name.
        raise NoInputError(f"{item!r} can't be read: {error}") from error


def _find(inputs: Sequence[tuple[str, bool]]) -> Iterator[str | PageFailure]:
    seen = _Seen()
    found = False
    for item, is_folder in inputs:
        for page in _walk(item, seen) if is_folder else _file(item, seen):
            found = True
            yield page
        seen.inputs.append(item)
    if not found:
        names = " ".join(repr(item) for item, _ in inputs)
        raise NoInputError(f"no PNG, JPEG, WebP, BMP, TIFF or PDF files in {names}")


class _Seen:
    """What was found before."""

    def __init__(self) -> None:
        self.inputs: list[str] = []
        """Those that are done."""
        self._files: set[tuple[int, int]] = set()

    def is_new(self, path: str) -> bool:
        """Whether the file or folder wasn't seen before; from now on it was. Raises OSError."""
        if is_url(path):
            return not any(path == item or path.startswith(item.rstrip("/") + "/") for item in self.inputs)
        status = Path(path).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in self._files:
            return False
        self._files.add(identity)
        return True


def _file(path: str, seen: _Seen) -> Iterator[str]:
    """Yields `path` unless its file was seen."""
    try:
        is_new = seen.is_new(path)
    except OSError:
        is_new = True  # A dangling link, or gone since it was listed: reading it says so.
    if is_new:
        yield path


def _walk(folder: str, seen: _Seen) -> Iterator[str | PageFailure]:
    """Yields the files below `folder`. A stack of its own, because paths nest deeper than Python recurses."""
    stack: list[Iterator[tuple[str, bool]]] = [iter([(folder, True)])]
    while stack:
        path, is_folder = next(stack[-1], ("", False))
        if not path:
            stack.pop()
        elif not is_folder:
            yield from _file(path, seen)
        else:
            try:
                if seen.is_new(path):
                    stack.append(_listing(path))
            except OSError as error:
                yield PageFailure(path, 1, f"the folder can't be listed: {error.strerror or error}")


def _listing(folder: str) -> Iterator[tuple[str, bool]]:
    """The entries of `folder` that a walk takes, in natural order: path, and whether it is a folder."""
    natural = _natural_key()
    taken = [
        (name, is_folder)
        for name, is_folder in sources.entries(folder)
        if not name.startswith(".") and (is_folder or name.lower().endswith(SUFFIXES))
    ]
    taken.sort(key=lambda item: (natural(item[0]), item))  # The name itself decides between 1.png and 01.png.
    return ((sources.join(folder, name), is_folder) for name, is_folder in taken)


@cache
def _natural_key() -> Callable[[str], Any]:
    from natsort import natsort_keygen, ns  # Slow to import, and a file alone needs no order.

    return natsort_keygen(alg=ns.IGNORECASE)
