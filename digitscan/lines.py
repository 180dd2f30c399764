"""Groups the components of a page into text lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from digitscan.quantile import median

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REACH = 4.0
"""In digit heights: neighbours on one line are linked over gaps up to this, so that a line may bend or slope."""

_OVERLAP = 0.4
"""Share of the lower one's height that two neighbours on one line have in common."""


def digit_height(boxes: NDArray[np.int32], stroke: float) -> float:
    """Usual height of the glyphs in pixels: the area-weighted median of what is taller than a point or a dash."""
    heights = boxes[:, 3].astype(np.float64)
    tall = heights >= 3 * stroke
    if not tall.any():
        return float(heights.max(initial=stroke))
    heights, weights = heights[tall], (boxes[tall, 2] + stroke) * 1.0
    order = np.argsort(heights)
    middle = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
    return float(heights[order][middle])


def find_lines(boxes: NDArray[np.int32], height: float) -> list[NDArray[np.intp]]:
    """Indices of the components of each line; lines from top to bottom.

    `boxes` is int32 (N, 4) with x, y, width, height; `height` the usual height of a digit.
    """
    if not len(boxes):
        return []
    tall = np.flatnonzero(boxes[:, 3] >= 0.5 * height)
    if not len(tall):
        return [np.arange(len(boxes))]
    parts = _link(boxes[tall], height)
    lines = _merge_columns([tall[part] for part in parts], boxes, height)
    return _with_small(lines, tall, boxes, height)


def _link(boxes: NDArray[np.int32], height: float) -> list[NDArray[np.intp]]:
    """Join every component with its next neighbour on the right that stands at the same height."""
    order = np.lexsort((boxes[:, 1], boxes[:, 0]))
    last = _neighbours(boxes[order], height)
    while not np.array_equal(last, further := last[last]):
        last = further
    ends = np.flatnonzero(last == np.arange(len(last)))
    return [np.sort(order[last == end]) for end in ends]


def _neighbours(boxes: NDArray[np.int32], height: float) -> NDArray[np.intp]:
    """Of boxes from left to right, the next neighbour of each: itself where it has none."""
    left, top, width, rows = boxes.T
    bottom = top + rows
    ends = np.searchsorted(left, left + width + _REACH * height)
    neighbours = np.arange(len(boxes))
    # The next box is asked of all boxes at once, then the one after it of those that haven't found theirs.
    searching, step = neighbours.copy(), 1
    while len(searching := searching[searching + step < ends[searching]]):
        other = searching + step
        common = np.minimum(bottom[other], bottom[searching]) - np.maximum(top[other], top[searching])
        level = common >= _OVERLAP * np.minimum(rows[other], rows[searching])
        neighbours[searching[level]] = other[level]
        searching, step = searching[~level], step + 1
    return neighbours


def _merge_columns(parts: list[NDArray[np.intp]], boxes: NDArray[np.int32], height: float) -> list[NDArray[np.intp]]:
    """Parts side by side at the same height are one line: the columns of a table."""
    middles = [median(boxes[part, 1] + boxes[part, 3] / 2) for part in parts]
    lines: list[NDArray[np.intp]] = []
    last = -np.inf
    for index in np.argsort(middles):
        if middles[index] - last < 0.5 * height and not _stacked(lines[-1], parts[index], boxes):
            lines[-1] = np.concatenate([lines[-1], parts[index]])
        else:
            lines.append(parts[index])
            last = middles[index]
    return lines


def _stacked(one: NDArray[np.intp], other: NDArray[np.intp], boxes: NDArray[np.int32]) -> bool:
    """Whether two parts stand above each other rather than side by side: most of one is above or below the other."""
    left, right = boxes[:, 0], boxes[:, 0] + boxes[:, 2]
    common = np.minimum.outer(right[one], right[other]) - np.maximum.outer(left[one], left[other])
    shared = [(common > 0).any(axis=axis).mean() for axis in (0, 1)]
    return bool(max(shared) > 0.5)


def _with_small(
    lines: list[NDArray[np.intp]], tall: NDArray[np.intp], boxes: NDArray[np.int32], height: float
) -> list[NDArray[np.intp]]:
    """Give points, dashes and broken pieces to the line whose nearest glyph is closest."""
    is_small = np.ones(len(boxes), np.bool_)
    is_small[tall] = False
    members = np.concatenate(lines)
    line_of = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    extra: list[list[int]] = [[] for _ in lines]
    for index in np.flatnonzero(is_small):
        gaps = _gap(boxes[index], boxes[members])
        nearest = gaps.argmin()
        if gaps[nearest] < height:
            extra[line_of[nearest]].append(int(index))
    return [np.concatenate([line, np.array(more, np.intp)]) for line, more in zip(lines, extra, strict=True)]


def _gap(box: NDArray[np.int32], others: NDArray[np.int32]) -> NDArray[np.float64]:
    """Distance of a box to others; across the line it counts twice."""
    across = np.maximum(others[:, 1] - box[1] - box[3], box[1] - others[:, 1] - others[:, 3])
    along = np.maximum(others[:, 0] - box[0] - box[2], box[0] - others[:, 0] - others[:, 2])
    return np.asarray(np.maximum(along, 0) + 2.0 * np.maximum(across, 0), np.float64)
