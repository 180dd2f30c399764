"""Writes pictures of the pages that were read into a folder.

A scan doesn't keep pages: their pixels are read once more, a page at a time.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from digitscan.errors import OutputError
from digitscan.image import read_pages
from digitscan.schema import Box, FieldValue, Page, PageFailure, PageNumbers, Settings
from digitscan.turn import turned, turned_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


_MARGIN = (0.6, 0.35)
"""Of a picture around its number: to the sides, and above and below; in heights of the number."""

_LARGEST = (2400, 96)
"""A picture is reduced until it is no wider and no higher than this, in pixels."""


class Draw(Protocol):
    """Anything that makes pictures of an upright page, each with what its name ends in."""

    def __call__(self, page: Page, read: PageNumbers, /) -> Iterable[tuple[str, NDArray[np.uint8]]]:
        """Endings of names, without suffix, and pictures: uint8, (H, W) grey or (H, W, 3) BGR."""


class PagePixels:
    """Finds the pixels of pages that were read, asked for in the order of the scan."""

    def __init__(self, settings: Settings) -> None:
        """`settings` are those of the scan."""
        self._settings = settings
        self._next = ("", 0)
        self._pages: Iterator[Page | PageFailure] = iter(())

    def upright(self, read: PageNumbers) -> tuple[Page, PageNumbers] | None:
        """The page turned upright, and its numbers where they are then; None where the file has changed since."""
        if (read.file, read.page) != self._next:
            self._pages = read_pages(read.file, self._settings, read.page)
        self._next = (read.file, read.page + 1)
        page = next(self._pages, None)
        if not isinstance(page, Page):
            return None
        degrees, shape = self._settings.rotate, page.pixels.shape
        numbers = tuple(turned_number(number, shape, degrees) for number in read.numbers)
        return page._replace(pixels=turned(page.pixels, degrees)), replace(read, numbers=numbers)


class PagePictures:
    """Pictures of pages in the order of a scan: `FOLDER/NAME-p1` with the endings that `draw` gives, and `.png`.

    NAME is the file's own; where files in several folders have the same one, it is followed by a number from the
    second on. Raises OutputError where the folder or a picture can't be written.
    """

    def __init__(self, folder: Path, draw: Draw, settings: Settings) -> None:
        """Makes the folder; `settings` are those of the scan."""
        self._folder = folder
        self._draw = draw
        self._pixels = PagePixels(settings)
        self._file = ""
        self._name = ""
        self._used: set[str] = set()
        make_folder(folder)

    def add(self, read: PageNumbers | PageFailure) -> None:
        """Draw one page; a page that couldn't be read has no pictures."""
        found = None if isinstance(read, PageFailure) else self._pixels.upright(read)
        if found is None:
            return
        if read.file != self._file:
            self._file = read.file
            self._name = self._unused(Path(read.file).name)
        for ending, picture in self._draw(*found):
            _write(self._folder / f"{self._name}-p{read.page}{ending}.png", picture)

    def _unused(self, name: str) -> str:
        unused, count = name, 1
        while unused in self._used:
            count += 1
            unused = f"{name}-{count}"
        self._used.add(unused)
        return unused


def make_folder(folder: Path) -> None:
    """Make a folder for pictures, unless it is there. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {folder} can't be made: {error.strerror or error}") from error


def cut_out(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """A number, or a line, with some of what is around it, and no larger than a person needs to see it."""
    beside, above = (round(share * box.height) for share in _MARGIN)
    top, left = max(0, box.y - above), max(0, box.x - beside)
    part = pixels[top : box.y + box.height + above, left : box.x + box.width + beside]
    if not part.size:  # A report of other pages than those that are there now.
        return np.full((1, 1), 255, np.uint8)
    scale = min(1.0, *(most / size for most, size in zip(_LARGEST, part.shape[1::-1], strict=True)))
    size = [max(1, round(scale * length)) for length in part.shape[1::-1]]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def cut_field(pixels: NDArray[np.uint8], field: FieldValue) -> NDArray[np.uint8]:
    """A form's field, as upright as on the form, with some of what is around it, and no larger than `cut_out` gives."""
    corners = np.array(field.corners, np.float32)
    width, height = (float(np.linalg.norm(corners[end] - corners[0])) for end in (1, 3))
    scale = min(1.0, *(most / size for most, size in zip(_LARGEST, (width, height), strict=True)))
    margin = _MARGIN[1] * scale * height
    left, top, right, bottom = margin, margin, margin + scale * width, margin + scale * height
    target = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
    size = max(1, round(right + margin)), max(1, round(bottom + margin))
    upright = cv2.getPerspectiveTransform(corners, target)
    return np.asarray(cv2.warpPerspective(pixels, upright, size, flags=cv2.INTER_AREA, borderValue=(255, 255, 255)))


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    _, content = cv2.imencode(".png", picture)
    temporary = path.with_name(".digitscan.tmp")
    try:
        temporary.write_bytes(content.tobytes())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
