"""Finds printed rules and the sides of boxes in a mask of ink.

They are found on whole pictures of one bit a pixel, eight pixels to a byte (after D. S. Bloomberg, Implementation
efficiency of binary morphology, 2002): most pages have no rules, and it should cost little to know that.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan.components import Components, find_components

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_LENGTH = 24.0
"""In stroke widths: a straight run this long isn't part of a digit."""

_PICTURE_LENGTH = 10.0
"""In stroke widths: what runs through a whole picture is a rule only where that is longer than a digit, or in a box."""

_SIDE_LENGTH = 6.0
"""In stroke widths: the shortest side of a box."""

_CROSSED = 3.0
"""In stroke widths: what crosses the side of a box hides no more of it than this."""

THICKNESS = 1.8
"""In stroke widths: where ink on a rule is thicker than this, a pen stroke crosses it."""

_REACH, _ASIDE = 4, 2
"""In pixels: a side of a box ends so near to the next one, along its own direction and across it."""


def find_rules(
    mask: NDArray[np.bool_], stroke: float, *, framed: bool, thickness: float = THICKNESS
) -> NDArray[np.bool_]:
    """Pixels of long, nearly straight lines and of the sides of boxes, without the strokes that cross them.

    `mask` is bool (H, W), as is the result; `stroke` is the pen's width in pixels. In a `framed` picture, ink from side
    to side is a rule, however small the picture. Lines thicker than `thickness`, in stroke widths, are no rules.
    """
    rows, columns = _packed(mask.view(np.uint8)), _packed(_transposed(mask.view(np.uint8)))
    least = 0 if framed else _PICTURE_LENGTH * stroke
    down = _Runs(rows, lambda: columns, stroke, thickness, least)
    right = _Runs(columns, lambda: rows, stroke, thickness, least)
    long, short = ([runs.find(length) for runs in (down, right)] for length in (_LENGTH, _SIDE_LENGTH))
    if not (any(runs.any() for runs in long) or all(runs.any() for runs in short)):
        return np.zeros_like(mask)
    upright = _Sides(long[0], down.whole(short[0]), len(columns))
    level = _Sides(long[1], right.whole(short[1]), len(rows))
    for _ in range(2):  # A side that is dropped may have been the end of another.
        level.keep_between(upright)
        upright.keep_between(level)
    # Without what crosses them.
    thin = map(_unpacked, short, (len(columns), len(rows)))
    found = [sides.rules & runs for sides, runs in zip((upright, level), thin, strict=True)]
    return (found[0] | _transposed(found[1])) > 0


def find_upright_rules(mask: NDArray[np.bool_], stroke: float) -> NDArray[np.bool_]:
    """Pixels of the long lines of `find_rules` that go down a page, as the sides of a table's columns do."""
    ink = mask.view(np.uint8)
    runs = _Runs(_packed(ink), lambda: _packed(_transposed(ink)), stroke, THICKNESS, _PICTURE_LENGTH * stroke)
    return _unpacked(runs.find(_LENGTH), mask.shape[1]).view(np.bool_)


class _Sides:
    """Upright runs that may be sides of boxes, and long ones, which are rules in any case; level ones likewise, in the
    transposed picture.
    """

    def __init__(self, long: NDArray[np.uint8], sides: NDArray[np.uint8], width: int) -> None:
        self._long = _unpacked(long, width)
        self.rules = self._long | _unpacked(sides, width)

    @cached_property
    def _parts(self) -> Components:
        return find_components(self.rules > self._long)

    def keep_between(self, others: _Sides) -> None:
        """Keep those that end at the others above and below, as the sides of a box do; a digit seldom does."""
        places = np.flatnonzero(others.rules.view(np.bool_))
        if not len(places):
            self.rules = self._long
            return
        x, y, width, height = self._parts.boxes.T
        keep = np.ones(len(x), np.bool_)
        for end in (y, y + height - 1):
            keep &= _any_in(places, x - _ASIDE, width + 2 * _ASIDE, len(self.rules), end)
        self.rules = self._long | self._parts.mask(keep).view(np.uint8)


def _any_in(
    places: NDArray[np.intp], rows: NDArray[np.intp], counts: NDArray[np.intp], width: int, column: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """For each window of a picture that is `width` wide, whether one of the ordered `places` lies in it: bool (N,).

    Windows have so many rows from the given ones on, and columns around the given one.
    """
    first = np.cumsum(counts) - counts
    row = np.arange(counts.sum()) + np.repeat(rows - first, counts)
    left, right = (
        row * width + np.repeat(np.clip(column + reach, 0, width), counts) for reach in (-_REACH, _REACH + 1)
    )
    return np.logical_or.reduceat(np.searchsorted(places, left) < np.searchsorted(places, right), first)


class _Runs:
    """Nearly straight runs of thin ink that go down a picture.

    `along` is the picture, packed, uint8 (H, W / 8), and `across` gives the transposed one, (W, H / 8), which few need.
    `stroke` is the pen's width in pixels, `thickness` that of a run in strokes, at most. In a picture less than `least`
    pixels high there are none.
    """

    def __init__(
        self,
        along: NDArray[np.uint8],
        across: Callable[[], NDArray[np.uint8]],
        stroke: float,
        thickness: float,
        least: float,
    ) -> None:
        self._along, self._across = along, across
        self._stroke, self._thickness = stroke, thickness
        self._least = least

    def find(self, length: float) -> NDArray[np.uint8]:
        """Where runs of so many stroke widths are, that may wander by a pixel; packed, uint8 (H, W / 8)."""
        if len(self._along) < self._least:
            return np.zeros_like(self._along)
        long = _opened(self._loose, round(length * self._stroke))
        return long & self._thin if long.any() else long

    def whole(self, sides: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Runs with what crosses them."""
        wide_gaps = _opened(~sides, round(_CROSSED * self._stroke))
        return self._along & ~wide_gaps

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
        wide = _opened(self._across(), round(self._thickness * self._stroke))
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
    whole = _joined(_framed(packed, before, after, 0xFF), length, np.bitwise_and)
    return _joined(_framed(whole, after, before, 0), length, np.bitwise_or)


def _framed(packed: NDArray[np.uint8], above: int, below: int, value: int) -> NDArray[np.uint8]:
    """With rows of this value above and below; `np.pad` takes longer than all else that is done with them."""
    framed = np.full((above + len(packed) + below, packed.shape[1]), value, np.uint8)
    framed[above : above + len(packed)] = packed
    return framed


def _joined(packed: NDArray[np.uint8], count: int, join: np.ufunc) -> NDArray[np.uint8]:
    """Every `count` rows that follow one another as one row: of twice as many in each step."""
    done = 1
    while done < count:
        step = min(done, count - done)
        packed = join(packed[:-step], packed[step:])
        done += step
    return packed
