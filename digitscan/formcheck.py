"""Tries a template on pages: draws its fields where they are found, and says how well each page matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from digitscan.annotate import confidence_colour, faded, write_text
from digitscan.fields import field_corners, find_form
from digitscan.image import read_pages
from digitscan.pictures import PagePictures
from digitscan.schema import FieldValue, Number, PageFailure, PageNumbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from digitscan.form import Form
    from digitscan.register import Registration
    from digitscan.schema import Page, Settings

_NAME = 0.35
"""Height of a field's name, in heights of the field."""


class Match(NamedTuple):
    """How well a page matches: `quality` from 0 to 1, or None and a message."""

    file: str
    page: int
    quality: float | None
    message: str = ""


def check(form: Form, found: Iterable[str | PageFailure], settings: Settings, folder: Path) -> Iterator[Match]:
    """The match of every page; a picture of each that matches is written to the folder. Raises OutputError."""
    pictures = PagePictures(folder, lambda page, read: [("", draw_fields(page.pixels, read))], settings)
    for file in found:
        pages = [file] if isinstance(file, PageFailure) else read_pages(file, settings)
        for page in pages:
            match = page if isinstance(page, PageFailure) else find_form(page, [form])
            if isinstance(match, PageFailure):
                yield Match(match.file, match.page, None, match.message)
                continue
            assert not isinstance(page, PageFailure), "a form was found on it"
            pictures.add(_unread(page, form, match[1]))
            yield Match(page.file, page.number, match[1].quality)


def _unread(page: Page, form: Form, registration: Registration) -> PageNumbers:
    """The fields of a page where they lie, with nothing in them."""
    values = [
        FieldValue(field.name, "", "", corners)
        for field, corners in zip(form.fields, field_corners(form, registration), strict=True)
    ]
    numbers = tuple(Number(line, 1, 1.0, (), value) for line, value in enumerate(values, 1))
    return PageNumbers(page.file, page.number, numbers, form=form.name)


def draw_fields(pixels: NDArray[np.uint8], read: PageNumbers) -> NDArray[np.uint8]:
    """The page, faded, with the fields' outlines and names: uint8 (H, W, 3) BGR."""
    picture = faded(pixels).copy()
    colour = confidence_colour(0.5)
    for field in (number.field for number in read.numbers if number.field):
        corners = np.array(field.corners)
        height = float(np.linalg.norm(corners[3] - corners[0]))
        outline = np.rint(corners).astype(np.int32)
        cv2.polylines(picture, [outline], True, colour, max(1, round(height / 20)), cv2.LINE_AA)
        name = field.name.encode("ascii", "replace").decode()
        write_text(picture, name, (corners[0][0], corners[0][1] - 0.1 * height), _NAME * height, colour)
    return picture
