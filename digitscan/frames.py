"""Finds what is drawn around digits: rings by hand around a mark, printed circles and boxes with round corners."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from digitscan.components import Components

_MARK = 3.0
"""In stroke widths: the least height of what may be written in a frame."""

_WRITING = 0.25
"""Share of a frame's height that what is written in it has at least; a zero may have a dot."""

_SIZE = (0.9, 1.6)
"""Times the size of a frame: a part may be another one, and the digit that touches it or sticks out."""

_COVERED = 0.75
"""Share of a frame that a part must cover to be another one."""

_DIRECTIONS = 180
"""From the middle of a frame; the outermost ink in each is the frame's."""

_COARSE, _CLOSED = 36, 0.9
"""So few directions, and the share of them in which a frame must lie: rings by hand may stay open."""

_NEAR_HULL = 0.15
"""Share of a frame's shorter side: it is convex but for so much."""

_THICKER = 1.5
"""Times as thick as a frame is usually, at most: what reaches further inside is a digit that touches it."""

_PITCH = 4
"""In pixels: where the middle of a mark is."""


def find_frames(parts: Components, stroke: float) -> NDArray[np.bool_]:
    """Where in a page's ink frames are with other ink inside, and others like these; bool (H, W).

    `stroke` is the width of the pen in pixels.
    """
    found = np.zeros(parts.shape, np.bool_)
    around = _around_others(parts, stroke)
    left = np.ones(len(parts.boxes), np.bool_)
    sizes = parts.boxes[:, 2:]
    for frame in around[np.argsort(parts.areas[around])]:  # Those with the least of a digit on them first.
        if not left[frame]:
            continue
        ring = _ring(_ink(parts, frame))
        if not ring.any():
            continue
        ratios = sizes / sizes[frame]
        for part in np.flatnonzero(left & (ratios >= _SIZE[0]).all(axis=1) & (ratios <= _SIZE[1]).all(axis=1)):
            under = _under(ring, _ink(parts, part))
            x, y, width, height = parts.boxes[part]
            found[y : y + height, x : x + width] |= under
            left[part] = not under.any()
    return found


def _under(ring: NDArray[np.uint8], ink: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The ink of a part, (H, W), under a ring that is laid on it as well as can be; none where it covers too little of
    the ring.
    """
    reach = max(ring.shape) // 8 + 1
    framed = cv2.copyMakeBorder(ink, reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    covered = cv2.matchTemplate(framed.astype(np.float32), ring.astype(np.float32), cv2.TM_CCORR)
    _, most, _, (left, top) = cv2.minMaxLoc(covered)
    if most < _COVERED * np.count_nonzero(ring):
        return np.zeros(ink.shape, np.bool_)
    laid = np.zeros_like(framed)
    laid[top : top + ring.shape[0], left : left + ring.shape[1]] = ring
    laid = cv2.dilate(laid, np.ones((3, 3), np.uint8))[reach:-reach, reach:-reach]
    return np.asarray((ink > 0) & (laid > 0))


def _ink(parts: Components, part: np.intp) -> NDArray[np.uint8]:
    """The ink of one part in its box."""
    x, y, width, height = parts.boxes[part]
    return np.asarray(parts.labels[y : y + height, x : x + width] == part + 1).view(np.uint8)


def _around_others(parts: Components, stroke: float) -> NDArray[np.intp]:
    """The parts in whose boxes others lie, int (K,)."""
    marks = np.flatnonzero(parts.boxes[:, 3] >= _MARK * stroke)
    boxes = parts.boxes[marks]
    x, y, width, height = boxes.T
    around = []
    for place in np.flatnonzero(_middles_inside(boxes, parts.shape) > 1):  # One is its own.
        inside = (x > x[place]) & (x + width < x[place] + width[place]) & (height >= _WRITING * height[place])
        inside &= (y > y[place]) & (y + height < y[place] + height[place])
        if inside.any():
            around.append(marks[place])
    return np.array(around, np.intp)


def _middles_inside(boxes: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.intp]:
    """In how many boxes' middles lie in each of the boxes, int32 (N, 4), of a picture, about; int (N,)."""
    first, middle, last = (
        (boxes[:, 1::-1] + part * boxes[:, :1:-1]).astype(np.intp) // _PITCH + 1 for part in (0, 0.5, 1)
    )
    before = np.zeros([side // _PITCH + 2 for side in shape], np.intp)
    np.add.at(before, tuple(middle.T), 1)
    before = before.cumsum(axis=0).cumsum(axis=1)
    (top, left), (bottom, right) = first.T - 1, last.T
    return np.asarray(before[bottom, right] - before[top, right] - before[bottom, left] + before[top, left])


def _ring(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What of a part is a frame, uint8 (H, W): the outermost ink along its convex hull, without digits that touch it
    from inside. All is 0 where it leaves more of the hull open than a ring by hand does.
    """
    framed = cv2.copyMakeBorder(ink, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    hull = cv2.fillConvexPoly(np.zeros_like(framed), cv2.convexHull(np.asarray(cv2.findNonZero(framed))), 1)
    depth = cv2.distanceTransform(hull, cv2.DIST_L2, 3)[1:-1, 1:-1]
    ring = np.asarray(ink & (depth <= _NEAR_HULL * min(ink.shape)), np.uint8)
    directions, radii = _polar(ring)
    if len(np.unique(directions // (_DIRECTIONS // _COARSE))) < _CLOSED * _COARSE:
        return np.zeros_like(ink)
    outer = np.zeros(_DIRECTIONS)
    np.maximum.at(outer, directions, radii)
    seen = outer > 0
    thickness = np.bincount(directions, minlength=_DIRECTIONS)[seen] / (outer[seen] * 2 * np.pi / _DIRECTIONS)
    ring[ring > 0] = radii >= outer[directions] - _THICKER * np.median(thickness)
    return ring


def _polar(ink: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """In which direction from the middle, and how far from it, each pixel of ink is: int and float (P,)."""
    y, x = np.nonzero(ink)
    down, right = y - (ink.shape[0] - 1) / 2, x - (ink.shape[1] - 1) / 2
    turns = np.arctan2(down, right) / (2 * np.pi) % 1
    return np.minimum((turns * _DIRECTIONS).astype(np.intp), _DIRECTIONS - 1), np.hypot(down, right)
