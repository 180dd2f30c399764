"""Draws a text line for the line reader: all its ink at one scale, levelled, on a strip of `STRIP_HEIGHT` rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from digitscan.quantile import median, quantile
from digitscan.schema import FRAME, NOTHING, STRIP_HEIGHT

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGIT_ROWS = STRIP_HEIGHT // 2
"""Height of a usual digit on a strip, as in MNIST's box."""

_LEVEL_PIECES = 4
"""With fewer tall pieces the slope of a line isn't known."""

_TALLEST = 1.5
"""Times the usual height of a digit: taller ones than this would not fit, and their line is drawn smaller."""

_STEEPEST = 0.15
"""Slope of a line beyond which the measure is not believed."""

_MARGIN = 4
"""Empty columns on both sides."""


class Strip(NamedTuple):
    """The picture of a line, uint8 (STRIP_HEIGHT, W), 0 for paper to 255 for full ink, and how it lies on the page.

    Column c of it is working column `left` + c / `scale`.
    """

    pixels: NDArray[np.uint8]
    left: float
    scale: float

    def columns(self, x: NDArray[np.floating]) -> NDArray[np.float32]:
        """Columns of the strip, float32 (N,), of working columns (N,)."""
        return ((x - self.left) * self.scale).astype(np.float32)

    def working(self, columns: NDArray[np.floating]) -> NDArray[np.float32]:
        """Inverse of `columns`."""
        return (columns / self.scale + self.left).astype(np.float32)


def draw_strip(ink: NDArray[np.uint8], x: int, y: int, boxes: NDArray[np.int32], height: float) -> Strip:
    """The strip of a line.

    `ink` is uint8 (h, w), the line's ink alone, cut out of the working picture at `x`, `y`; `boxes` int32 (N, 4) are
    its pieces in working pixels, `height` the usual height of its digits.
    """
    scale = DIGIT_ROWS / max(height, quantile(boxes[:, 3], 0.9) / _TALLEST)
    size = max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(ink, size, interpolation=method)
    middle, slope = _middle(boxes, height)
    # The shear keeps columns where they are, so that candidates are found again by their columns alone.
    drop = STRIP_HEIGHT / 2 - (middle + slope * x - y) * scale
    level = np.array([[1.0, 0.0, _MARGIN], [-slope, 1.0, drop]])
    pixels = cv2.warpAffine(small, level, (size[0] + 2 * _MARGIN, STRIP_HEIGHT), flags=cv2.INTER_LINEAR)
    return Strip(np.asarray(pixels, np.uint8), x - _MARGIN / scale, scale)


def find_places(frames: NDArray[np.float32], least: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the line reader sees middles of digits, whichever and however many, with at least this probability.

    `frames` is float32 (T, FRAME_CLASS_COUNT), as `LineReader` gives them. Returns the middle of each place and its
    width, float32 (K,), in columns of the strip.
    """
    starts, stops = _runs(frames[:, NOTHING] <= 1 - least)
    return _middle_columns(starts, stops), _widths(starts, stops)


class Middles(NamedTuple):
    """Where single digits have their middles on a strip, each float32 (K,).

    `columns` are those of the strip, as are the `widths` of the frames that say so; `missing` is the probability that
    there is no digit after all.
    """

    columns: NDArray[np.float32]
    widths: NDArray[np.float32]
    missing: NDArray[np.float32]


def find_middles(frames: NDArray[np.float32], least: float) -> Middles:
    """The middles of single digits: the places of `find_places`, parted where one digit turns into another.

    Digits that overlap may leave no frame between their middles.
    """
    # Blurred: a single frame in which a digit looks like another one is not a digit more.
    digits = cv2.blur(frames[:, :NOTHING], (1, 3)).argmax(axis=1)
    starts, stops = _runs(np.where(frames[:, NOTHING] <= 1 - least, digits + 1, 0))
    missing = np.array(
        [frames[start:stop, NOTHING].min() for start, stop in zip(starts, stops, strict=True)], np.float32
    )
    return Middles(_middle_columns(starts, stops), _widths(starts, stops), missing)


def _runs(labels: NDArray[np.generic]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First frame of each run with the same label, and the first after it; 0 is no label."""
    framed = np.concatenate([[0], labels, [0]])
    edges = np.flatnonzero(np.diff(framed))
    own = framed[edges[:-1] + 1] != 0
    return edges[:-1][own], edges[1:][own]


def _middle_columns(starts: NDArray[np.intp], stops: NDArray[np.intp]) -> NDArray[np.float32]:
    return np.asarray(FRAME / 2 * (starts + stops), np.float32)


def _widths(starts: NDArray[np.intp], stops: NDArray[np.intp]) -> NDArray[np.float32]:
    return np.asarray(FRAME * (stops - starts), np.float32)


def _middle(boxes: NDArray[np.int32], height: float) -> tuple[float, float]:
    """The line's middle as a straight line: its height at x = 0 and its slope."""
    tall = boxes[boxes[:, 3] >= 0.6 * height]
    tall = tall if len(tall) else boxes
    x, y = tall[:, 0] + tall[:, 2] / 2, tall[:, 1] + tall[:, 3] / 2
    if len(tall) >= _LEVEL_PIECES and np.ptp(x) > 2 * height:
        slope, start = np.polyfit(x, y, 1)
        if abs(slope) <= _STEEPEST:
            return float(start), float(slope)
    return median(y), 0.0
