"""Turns pages that were scanned lying on a side or upside down; a turn is 0, 90, 180 or 270 degrees clockwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan.schema import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from digitscan.schema import Number

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def turned(pixels: NDArray[np.uint8], degrees: int) -> NDArray[np.uint8]:
    """The page, uint8 (H, W) or (H, W, 3), turned."""
    return np.asarray(cv2.rotate(pixels, _TURNS[degrees]), np.uint8) if degrees else pixels


def turned_back(shape: tuple[int, ...], degrees: int) -> NDArray[np.float64]:
    """The map, float64 (2, 3), from the turned page back to the page, whose shape is given."""
    height, width = shape[:2]
    maps = {
        0: ((1, 0, 0), (0, 1, 0)),
        90: ((0, 1, 0), (-1, 0, height)),
        180: ((-1, 0, width), (0, -1, height)),
        270: ((0, -1, width), (1, 0, 0)),
    }
    return np.array(maps[degrees], np.float64)


def turned_number(number: Number, shape: tuple[int, ...], degrees: int) -> Number:
    """The number where it stands on the turned page; `shape` is that of the page before."""
    digits = (replace(digit, box=_turned_box(digit.box, shape, degrees)) for digit in number.digits)
    return number._replace(digits=tuple(digits))


def _turned_box(box: Box, shape: tuple[int, ...], degrees: int) -> Box:
    height, width = shape[:2]
    for _ in range(degrees // 90):
        box = Box(height - box.y - box.height, box.x, box.height, box.width)
        height, width = width, height
    return box
