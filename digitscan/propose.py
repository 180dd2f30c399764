"""Finds on an empty form where people are meant to write: frames, rows of boxes and lines, and proposes a template."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from digitscan.errors import UsageError
from digitscan.form import Rectangle, read_reference
from digitscan.ink import find_contrast, strong

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_HEIGHT = (0.012, 0.06)
"""Of a box, in longer sides of the page: what a digit is written into."""

_LEAST_WIDTH = 0.5
"""Of a box, in its heights."""

_FILLED = 0.85
"""Share of its bounding box that the paper inside of a frame fills."""

_GAP = 0.35
"""In heights: boxes of a row are no further apart."""

_LINE = (0.06, 0.004)
"""In longer sides of the page: the shortest line to write on, and the thickest."""

_ABOVE = 0.022
"""In longer sides of the page: the height of a field on a line."""

_INSIDE = 0.02
"""Share of ink inside of a box from which it is printed text."""


class Place(NamedTuple):
    """A proposed field, and how many boxes it has; 0 for a frame or a line."""

    place: Rectangle
    boxes: int


def find_fields(reference: Path) -> list[Place]:
    """The fields that an empty form seems to have, from top to bottom. Raises UsageError where there are none."""
    mask = strong(find_contrast(read_reference(reference)))
    boxes = _boxes(mask)
    places = [_row(row) for row in _rows(boxes)]
    places += [line for line in _lines(mask) if not any(_touches(line.place, other.place) for other in places)]
    if not places:
        raise UsageError(f"{reference} has no boxes or lines that could be fields; write the template by hand")
    return sorted(places, key=lambda place: (round(place.place.y / (0.5 * place.place.height)), place.place.x))


def template(reference: Path, output: Path, places: list[Place]) -> str:
    """The template in TOML, with names and types to edit; it is to lie at `output`."""
    name = os.path.relpath(reference, output.parent)
    parts = [
        f"reference = {json.dumps(name)}\n# Boxes are [x, y, width, height] in pixels of the reference.\n"
        "# Types: digits (length, check, range, values), number (decimals, range), date (order).\n"
    ]
    for index, (place, boxes) in enumerate(places, 1):
        lines = ["[[field]]", f'name = "field{index}"', f"box = {[round(side) for side in place]}", 'type = "digits"']
        parts.append("\n".join([*lines, *([f"boxes = {boxes}"] if boxes else [])]) + "\n")
    return "\n".join(parts)


def _boxes(mask: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """Frames of print with hardly anything inside: paper that is closed in."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((~mask).view(np.uint8), connectivity=4)
    low, high = (share * max(mask.shape) for share in _HEIGHT)
    _, _, width, height, area = stats[1:].T
    fits = (height >= low) & (height <= high) & (width >= _LEAST_WIDTH * height) & (area >= _FILLED * width * height)
    return sorted(map(tuple, stats[1:][fits, :4].tolist()), key=lambda box: (box[1], box[0]))


def _rows(boxes: list[tuple[int, int, int, int]]) -> list[list[tuple[int, int, int, int]]]:
    """Boxes of one size that stand side by side; any other is a row of its own."""
    rows: list[list[tuple[int, int, int, int]]] = []
    for box in sorted(boxes, key=lambda box: box[0]):
        row = next((row for row in rows if _continues(row[-1], box)), None)
        if row:
            row.append(box)
        else:
            rows.append([box])
    return rows


def _continues(last: tuple[int, int, int, int], box: tuple[int, int, int, int]) -> bool:
    x, y, width, height = last
    unit = _GAP * height
    alike = abs(box[2] - width) < unit and abs(box[3] - height) < unit and abs(box[1] - y) < unit
    # A frame wider than it is high isn't a box for one digit.
    return alike and width < 1.6 * height and -unit < box[0] - x - width < unit


def _row(row: list[tuple[int, int, int, int]]) -> Place:
    left, top = min(box[0] for box in row), min(box[1] for box in row)
    right, bottom = max(box[0] + box[2] for box in row), max(box[1] + box[3] for box in row)
    is_boxed = len(row) > 1
    return Place(Rectangle(left, top, right - left, bottom - top), len(row) if is_boxed else 0)


def _lines(mask: NDArray[np.bool_]) -> list[Place]:
    """Places above printed lines, where nothing is printed."""
    shortest, thickest = (round(share * max(mask.shape)) for share in _LINE)
    high = round(_ABOVE * max(mask.shape))
    runs = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, np.ones((1, shortest), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(runs)
    places = []
    for x, y, width, height, _ in stats[1:].tolist():
        above = mask[max(0, y - high) : max(0, y - 1), x : x + width]
        if height <= max(2, thickest) and y > high and above.mean() < _INSIDE:
            places.append(Place(Rectangle(x, y - high, width, high), 0))
    return places


def _touches(one: Rectangle, other: Rectangle) -> bool:
    wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return wide > 0 and high > -0.5 * other.height
