"""Finds printed rules and the sides of boxes in a mask of ink.

They are found on whole pictures of one bit a pixel, eight pixels to a byte (after D. S. Bloomberg, Implementation
efficiency of binary morphology, 2002): most pages have no rules, and it should cost little to know that.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan.components import find_components

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_LENGTH = 24.0
"""In stroke widths: a straight run this long isn't part of a digit."""

_PICTURE_LENGTH = 10.0
"""In stroke widths: what runs through a whole picture is a rule only where that is longer than a digit, or in a box."""

_SIDE_LENGTH = 6.0
"""In stroke widths: the shortest side of a box."""

_BOX_SIDE = 8.0
"""In stroke widths: the shortest side of a box that has no long one."""

_THICKNESS = 1.8
"""In stroke widths: where ink on a rule is thicker than this, a pen stroke crosses it."""

_REACH, _ASIDE = 4, 2
"""In pixels: a side of a box ends so near to the next one, along its own direction and across it."""


def find_rules(mask: NDArray[np.bool_], stroke: float, *, framed: bool) -> NDArray[np.bool_]:
    """Pixels of long, nearly straight lines and of the sides of boxes, without the strokes that cross them.

    `mask` is bool (H, W), as is the result; `stroke` is the pen's width in pixels. In a `framed` picture, ink from side
    to side is a rule, however small the picture.
    """
    rows, columns = _packed(mask.view(np.uint8)), _packed(_transposed(mask.view(np.uint8)))
    least = 0 if framed else _PICTURE_LENGTH * stroke
    down, right = _Runs(rows, lambda: columns, stroke, least), _Runs(columns, lambda: rows, stroke, least)
    long = down.find(_LENGTH), right.find(_LENGTH)
    short = [runs.find(_BOX_SIDE) & ~rules for runs, rules in zip((down, right), long, strict=True)]
    has_boxes = all(runs.any() for runs in short)
    if not (has_boxes or any(rules.any() for rules in long)):
        return np.zeros_like(mask)
    # Level rules in the transposed picture.
    upright, level = _unpacked(long[0], len(columns)), _unpacked(long[1], len(rows))
    if has_boxes:
        sides = _boxes(_unpacked(short[0], len(columns)), _unpacked(short[1], len(rows)))
        upright, level = upright | sides[0], level | sides[1]
    if level.any():
        upright |= _transposed(_spanning(_transposed(_unpacked(down.find(_SIDE_LENGTH), len(columns))), level))
    if upright.any():
        level |= _transposed(_spanning(_transposed(_unpacked(right.find(_SIDE_LENGTH), len(rows))), upright))
    return (upright | _transposed(level)) > 0


def _boxes(upright: NDArray[np.uint8], level: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Of runs those that end at each other on all sides; level ones are in the transposed picture."""
    upright = _transposed(upright)
    for _ in range(2):  # A side that is dropped may have been the end of another.
        upright = _spanning(upright, level)
        level = _transposed(_spanning(_transposed(level), _transposed(upright)))
    return _transposed(upright), level


def find_upright_rules(mask: NDArray[np.bool_], stroke: float) -> NDArray[np.bool_]:
    """Pixels of the long lines of `find_rules` that go down a page, as the sides of a table's columns do."""
    ink = mask.view(np.uint8)
    runs = _Runs(_packed(ink), lambda: _packed(_transposed(ink)), stroke, _PICTURE_LENGTH * stroke)
    return _unpacked(runs.find(_LENGTH), mask.shape[1]).view(np.bool_)


class _Runs:
    """Nearly straight runs of thin ink that go down a picture.

    `along` is the picture, packed, uint8 (H, W / 8), and `across` gives the transposed one, (W, H / 8), which few need.
    In a picture less than `least` pixels high there are none.
    """

    def __init__(
        self, along: NDArray[np.uint8], across: Callable[[], NDArray[np.uint8]], stroke: float, least: float
    ) -> None:
        self._along, self._across = along, across
        self._stroke, self._least = stroke, least

    def find(self, length: float) -> NDArray[np.uint8]:
        """Where runs of so many stroke widths are, that may wander by a pixel; packed, uint8 (H, W / 8)."""
        if len(self._along) < self._least:
            return np.zeros_like(self._along)
        long = _opened(self._loose, round(length * self._stroke))
        return long & self._thin if long.any() else long

    @cached_property
    def _loose(self) -> NDArray[np.uint8]:
        """The ink, and the pixels on its left and right."""
        ink = self._along
        loose = np.asarray(ink | ink << 1 | ink >> 1, np.uint8)
        loose[:, 1:] |= ink[:, :-1] << 7
        loose[:, :-1] |= ink[:, 1:] >> 7
        return loose

    @cached_property
    def _thin(self) -> NDArray[np.uint8]:
        """Ink that is not too wide for a line."""
        wide = _opened(self._across(), round(_THICKNESS * self._stroke))
        return self._along & ~_packed(_transposed(_unpacked(wide, len(self._along))))


def _transposed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.transpose(picture), np.uint8)


def _packed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Eight pixels of a row in each byte, the first one highest."""
    return np.packbits(picture, axis=1)


def _unpacked(packed: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.unpackbits(packed, axis=1, count=width)


def _opened(packed: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """Upright runs of at least `length` pixels. Beyond the picture all counts as ink: a run may go on there."""
    before, after = length // 2, length - 1 - length // 2
    whole = _joined(np.pad(packed, ((before, after), (0, 0)), constant_values=0xFF), length, np.bitwise_and)
    return _joined(np.pad(whole, ((after, before), (0, 0))), length, np.bitwise_or)


def _joined(packed: NDArray[np.uint8], count: int, join: np.ufunc) -> NDArray[np.uint8]:
    """Every `count` rows that follow one another as one row: of twice as many in each step."""
    done = 1
    while done < count:
        step = min(done, count - done)
        packed = join(packed[:-step], packed[step:])
        done += step
    return packed


def _spanning(runs: NDArray[np.uint8], rules: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Of level runs, those that end at a rule on both sides, as the sides of a box do; a digit seldom does."""
    parts = find_components(runs.view(np.bool_))
    keep = np.zeros(len(parts.boxes), np.bool_)
    for index, (x, y, width, height) in enumerate(parts.boxes.tolist()):
        beside = rules[max(0, y - _ASIDE) : y + height + _ASIDE]
        ends = (beside[:, max(0, end - _REACH) : end + _REACH + 1] for end in (x, x + width - 1))
        keep[index] = all(end.any() for end in ends)
    return parts.mask(keep).view(np.uint8)
