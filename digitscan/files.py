"""Finds the files to read: walks folders in natural order, each real file once."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitscan.errors import NoInputError
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
    folders on the way to the present file are in memory, and one pair of numbers for each file already found.

    Args:
        inputs: Files and folders as the user typed them.

    Returns:
        Paths exactly as `find INPUT` prints them; names that aren't UTF-8 hold surrogate escapes. A folder that
        can't be listed comes as a `PageFailure` with its path.

    Raises:
        NoInputError: An input doesn't exist or can't be reached (at the call, before any file is found), or all
            of them together hold nothing to read (at the end of the stream).
    """
    for item in inputs:
        _check(item)
    return _find(inputs)


def _check(item: str) -> None:
    try:
        os.stat(item)  # noqa: PTH116 (Path("") would be the current folder)
    except OSError as error:
        raise NoInputError(f"{item!r} can't be read: {error.strerror}") from error
    except ValueError as error:  # A null character in the name.
        raise NoInputError(f"{item!r} can't be read: {error}") from error


def _find(inputs: Sequence[str]) -> Iterator[str | PageFailure]:
    seen: set[tuple[int, int]] = set()
    found = False
    for item in inputs:
        walk = _walk(item, seen) if Path(item).is_dir() else _file(item, seen)
        for page in walk:
            found = True
            yield page
    if not found:
        names = " ".join(repr(item) for item in inputs)
        raise NoInputError(f"no PNG, JPEG, WebP, BMP, TIFF or PDF files in {names}")


def _file(path: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Yields `path` unless its file was seen."""
    try:
        status = Path(path).stat()
    except OSError:
        yield path  # A dangling link, or gone since it was listed: reading it says so.
        return
    if _is_new(status, seen):
        yield path


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[str | PageFailure]:
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
                if _is_new(Path(path).stat(), seen):
                    stack.append(_listing(path))
            except OSError as error:
                yield PageFailure(path, 1, f"the folder can't be listed: {error.strerror}")


def _listing(folder: str) -> Iterator[tuple[str, bool]]:
    """The entries of `folder` that a walk takes, in natural order: path, and whether it is a folder."""
    start = folder if folder.endswith(("/", os.sep)) else folder + os.sep
    natural, taken = _natural_key(), []
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = _is_folder(entry)
            if not entry.name.startswith(".") and (is_folder or entry.name.lower().endswith(SUFFIXES)):
                taken.append((entry.name, is_folder))
    taken.sort(key=lambda item: (natural(item[0]), item))  # The name itself decides between 1.png and 01.png.
    return ((start + name, is_folder) for name, is_folder in taken)


@cache
def _natural_key() -> Callable[[str], Any]:
    from natsort import natsort_keygen, ns  # Slow to import, and a file alone needs no order.

    return natsort_keygen(alg=ns.IGNORECASE)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link that can't be followed; if it is called like a page, reading it says so.
        return False


def _is_new(status: os.stat_result, seen: set[tuple[int, int]]) -> bool:
    """Whether the file or folder wasn't seen before; from now on it was."""
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return False
    seen.add(identity)
    return True
