"""Parts writing that reaches from one line of a table into the next: two digits, one above the other, that touch."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan.lines import find_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from digitscan.components import Components

_TALL = 1.5
"""In digit heights: what is taller may be two digits above each other."""

_LOW = 0.5
"""In digit heights: what is lower doesn't tell where its line runs."""

_NEAR = 4.0
"""In digit heights: how far to the side a line may be into which the upper or the lower digit belongs."""

_APART = 0.8
"""In digit heights: the middles of two lines are no nearer."""

_BESIDE = 0.5
"""In digit heights: how far a rule between the lines must go on to both sides."""

_RULED = 0.6
"""Share of the columns that the rule takes; strokes may hide it."""

_LEAN = 2
"""In pixels upwards and downwards, over the width of the writing and what is beside it."""

_AROUND = 0.25
"""In digit heights: how far from the rule the cut may run."""


def part_stacked(
    mask: NDArray[np.bool_], rules: NDArray[np.bool_], components: Components, height: float
) -> NDArray[np.bool_]:
    """The ink without one row of each tall component that a rule between two lines of writing crosses.

    `mask` and `rules` are bool (H, W), `components` those of the mask, `height` is that of a digit. Returns the mask
    itself where nothing is parted. Without a rule nothing is: a single large digit may stand beside two lines of print.
    """
    boxes = components.boxes
    tall = boxes[:, 3] >= _TALL * height
    if not tall.any() or not rules.any():
        return mask
    usual = boxes[~tall & (boxes[:, 3] >= _LOW * height)]
    line_of = np.empty(len(usual), np.intp)
    for number, line in enumerate(find_lines(usual, height)):
        line_of[line] = number
    parted = mask
    for index in np.flatnonzero(tall):
        middles = _middles(boxes[index], usual, line_of, height)
        if len(middles) < 2:
            continue
        x, _, width, _ = boxes[index].tolist()
        own = components.labels[:, x : x + width] == index + 1
        for row in _cuts(own, rules, boxes[index], middles, height):
            parted = parted.copy() if parted is mask else parted
            parted[row, x : x + width] &= ~own[row]
    return parted


def _middles(box: NDArray[np.int32], usual: NDArray[np.int32], line_of: NDArray[np.intp], height: float) -> list[float]:
    """How high the lines that a component reaches into run where they are nearest to it: from top to bottom."""
    x, y, width, rows = box.tolist()
    middles = usual[:, 1] + usual[:, 3] / 2
    away = np.maximum(usual[:, 0] - x - width, x - usual[:, 0] - usual[:, 2])
    near = np.flatnonzero((away <= _NEAR * height) & (y <= middles) & (middles <= y + rows))
    near = near[np.argsort(away[near])]
    _, nearest = np.unique(line_of[near], return_index=True)
    return sorted(middles[near[nearest]].tolist())


def _cuts(
    own: NDArray[np.bool_], rules: NDArray[np.bool_], box: NDArray[np.int32], middles: list[float], height: float
) -> Iterator[int]:
    """The rows with the least ink of a component, `own` (H, w), beside the rules between two of the `middles`."""
    for upper, lower in pairwise(middles):
        if lower - upper < _APART * height:
            continue
        first, last = round(upper) + 1, round(lower)
        ruled = np.flatnonzero(_is_ruled(rules[first:last], box, height))
        if len(ruled):
            rule, around = first + round(float(ruled.mean())), round(_AROUND * height)
            first, last = max(first, rule - around), min(last, rule + around + 1)
            yield first + int(own[first:last].sum(axis=1).argmin())


def _is_ruled(rules: NDArray[np.bool_], box: NDArray[np.int32], height: float) -> NDArray[np.bool_]:
    """Whether each row of the rules, (R, W), has one that crosses a component and goes on beside it."""
    beside = round(_BESIDE * height)
    window = rules[:, max(0, int(box[0]) - beside) : int(box[0] + box[2]) + beside]
    leaning = cv2.dilate(np.ascontiguousarray(window).view(np.uint8), np.ones((2 * _LEAN + 1, 1), np.uint8))
    return np.asarray(leaning.mean(axis=1) >= _RULED)
