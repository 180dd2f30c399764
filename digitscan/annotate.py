"""Draws on a page what was read there: a box around each digit, each number's text above it, confidence as colour.

Numbers that a person should look at have a frame.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from digitscan.schema import Box, Number, PageNumbers

    Colour = tuple[int, int, int]

_CONFIDENCES = (0.5, 0.8, 1.0)
_COLOURS = ((0, 94, 213), (0, 159, 230), (115, 158, 0))
"""BGR: vermilion, orange, bluish green of M. Okabe and K. Ito (2008), which colour-blind people can tell apart."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 22.0
"""Height of a digit at scale 1, in pixels."""

_BOLD_HEIGHT = 12.0
"""Text of at least this many pixels is bold; in smaller text, strokes would run together."""

_MIN_HEIGHT = 24.0
"""Pages on which digits are lower than this many pixels are enlarged, so that the text can be read."""

_TEXT = 0.5
"""Height of the text in digit heights."""


def annotate(pixels: NDArray[np.uint8], page: PageNumbers, min_confidence: float = 0.0) -> NDArray[np.uint8]:
    """A picture of the page with its numbers, uint8 (H, W, 3) BGR.

    `pixels` is uint8 (h, w) grey or (h, w, 3) BGR. The page is faded, has a margin, and where its digits are small it
    is enlarged by a whole number. Its digits have boxes in the colour of their confidence, its numbers their text and
    confidence in percent; those below `min_confidence` have a frame and a question mark.
    """
    height = _digit_height(page)
    scale = max(1, math.ceil(_MIN_HEIGHT / height))
    text = height * scale * _TEXT
    margin = math.ceil(2 * text)
    enlarged = faded(pixels).repeat(scale, axis=0).repeat(scale, axis=1)
    picture = np.pad(enlarged, ((margin, margin), (margin, margin), (0, 0)), constant_values=255)
    for number in page.numbers:
        _draw(picture, number, scale, margin, text, doubtful=number.is_doubtful(min_confidence))
    return picture


def faded(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The page at half its contrast, uint8 (H, W, 3) BGR, so that what is drawn on it stands out."""
    colour = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if pixels.ndim == 2 else pixels
    return np.asarray(cv2.addWeighted(colour, 0.5, np.full_like(colour, 255), 0.5, 0), np.uint8)


def write_text(
    picture: NDArray[np.uint8], text: str, corner: tuple[float, float], height: float, colour: Colour
) -> None:
    """Write ASCII text of `height` pixels into a uint8 (H, W, 3) picture, with a white halo.

    `corner` is x and y of its lower left; text that would leave the picture is moved inside as far as it can.
    """
    scale = height / _FONT_HEIGHT
    thickness = 2 if height >= _BOLD_HEIGHT else 1
    (width, rise), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    x = max(0, min(round(corner[0]), picture.shape[1] - width))
    y = min(max(round(corner[1]), rise), picture.shape[0] - 1)
    halo = max(1, round(height / 10))
    for place in product((x - halo, x, x + halo), (y - halo, y, y + halo)):
        cv2.putText(picture, text, place, _FONT, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    cv2.putText(picture, text, (x, y), _FONT, scale, colour, thickness, cv2.LINE_AA)


def confidence_colour(confidence: float) -> Colour:
    """BGR from vermilion over orange to green; `confidence` is 0 to 1."""
    blue, green, red = (round(float(np.interp(confidence, _CONFIDENCES, part))) for part in zip(*_COLOURS, strict=True))
    return blue, green, red


def _digit_height(page: PageNumbers) -> float:
    heights = [digit.box.height for number in page.numbers for digit in number.digits]
    return max(1.0, float(np.median(heights))) if heights else _MIN_HEIGHT


def _draw(picture: NDArray[np.uint8], number: Number, scale: int, margin: int, text: float, *, doubtful: bool) -> None:
    def corners(box: Box) -> tuple[tuple[int, int], tuple[int, int]]:
        left, top = margin + box.x * scale, margin + box.y * scale
        return (left, top), (left + box.width * scale - 1, top + box.height * scale - 1)

    for digit in number.digits:
        cv2.rectangle(picture, *corners(digit.box), confidence_colour(digit.confidence), max(1, round(text / 12)))
    (left, top), (right, bottom) = corners(number.box)
    if doubtful:
        away = max(2, round(text / 4))
        top, left, right, bottom = top - away, left - away, right + away, bottom + away
        outline = [(left, top), (right, top), (right, bottom), (left, bottom)]
        if number.field:  # Which may lie in any direction.
            outline = [(round(margin + x * scale), round(margin + y * scale)) for x, y in number.field.corners]
        cv2.polylines(picture, [np.array(outline)], True, _COLOURS[0], max(2, round(text / 6)))
    # Rounded down: 100 means no doubt at all.
    said = f"{number.text} {math.floor(100 * number.confidence)}%" + (" ?" if doubtful else "")
    write_text(picture, said, (left, top - text / 3), text, confidence_colour(number.confidence))
