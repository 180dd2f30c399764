"""Finds where touching digits may be cut apart: the paths from top to bottom that go through the least ink.

After the 'drop fall' algorithms (G. Congedo et al., Segmentation of numeric strings, ICDAR 1995), as a dynamic program:
every column of the component's middle row has one cheapest path, and the local minima among these are cuts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_CUT_LIMIT = 2.4
"""In strokes: the most ink that a cut goes through. A touch is one stroke, a closed loop is two."""

_CUT_DISTANCE = 1.5
"""In strokes: the least distance between two cuts, and of a cut from the component's side."""

_SIDESTEP = 0.1
"""Cost of going down diagonally instead of straight, in pixels of ink."""

_WALL = 1e3
"""Cost of a pixel between two components, so that no path leaves its own."""


class Cuts(NamedTuple):
    """The cuts of one component, from left to right.

    `columns` is int32 (K, h): in each row the first pixel to the right of the cut; `ink` float32 (K,): the ink that the
    cut goes through, in strokes.
    """

    columns: NDArray[np.int32]
    ink: NDArray[np.float32]


class Guide(NamedTuple):
    """What is known of a component before it is cut: first and last columns, int (K, 2), of its middle row.

    `valleys` lie between two digits: there is a cut however much ink it costs, and where none is found, one is made
    that stays between them. `digits` are the middles of single digits, through which no cut goes.
    """

    valleys: NDArray[np.intp]
    digits: NDArray[np.intp]


def find_cuts(inks: Sequence[NDArray[np.uint8]], stroke: float, guides: Sequence[Guide]) -> list[Cuts]:
    """Cuts of many components at once; `inks` are uint8 (h, w) of each, `stroke` the pen's width in pixels."""
    if not inks:
        return []
    cost, lefts, tops = _strip(inks)
    down, up = _cheapest(cost), _cheapest(cost[::-1])[::-1]
    middle = cost.shape[0] // 2
    through = (down[middle] + up[middle] - cost[middle]) / stroke
    chosen = [
        left + _outside(_minima(through[left : left + ink.shape[1]], stroke), guide.digits)
        for ink, left, guide in zip(inks, lefts, guides, strict=True)
    ]
    paths = _trace(down, up, middle, np.concatenate(chosen))
    cuts = []
    ends = np.cumsum([len(columns) for columns in chosen])
    for ink, left, top, columns, end, guide in zip(inks, lefts, tops, chosen, ends, guides, strict=True):
        rows, area = slice(top, top + ink.shape[0]), slice(left, left + ink.shape[1])
        found = [Cuts(paths[end - len(columns) : end, rows] - left, through[columns].astype(np.float32))]
        found += [
            _between(cost[rows, area], stroke, *valley)
            for valley in guide.valleys
            if not _inside(columns - left, valley).any()
        ]
        cuts.append(_useful(_in_order(found), ink, stroke))
    return cuts


def _between(cost: NDArray[np.float32], stroke: float, first: int, last: int) -> Cuts:
    """The cheapest cut of a component that leaves the columns `first` to `last` nowhere."""
    band = np.pad(cost[:, first : last + 1], ((0, 0), (1, 1)), constant_values=_WALL)
    down, up = _cheapest(band), _cheapest(band[::-1])[::-1]
    middle = len(band) // 2
    through = down[middle] + up[middle] - band[middle]
    start = through.argmin(keepdims=True)
    return Cuts(_trace(down, up, middle, start) + np.int32(first - 1), through[start] / np.float32(stroke))


def _in_order(parts: Sequence[Cuts]) -> Cuts:
    columns, ink = np.concatenate([part.columns for part in parts]), np.concatenate([part.ink for part in parts])
    order = np.argsort(columns[:, columns.shape[1] // 2], kind="stable")
    return Cuts(columns[order], ink[order])


def _strip(inks: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], list[int], list[int]]:
    """All components side by side, their middle rows in line, so that one pass over the rows serves them all."""
    height = max(ink.shape[0] for ink in inks)
    width = sum(ink.shape[1] + 1 for ink in inks) + 1
    cost = np.zeros((height, width), np.float32)
    lefts: list[int] = []
    tops: list[int] = []
    left = 1
    cost[:, 0] = _WALL
    for ink in inks:
        top = height // 2 - ink.shape[0] // 2
        cost[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
        lefts.append(left)
        tops.append(top)
        left += ink.shape[1] + 1
        cost[:, left - 1] = _WALL * 255
    cost /= 255
    return cost, lefts, tops


def _cheapest(cost: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ink on the cheapest path from the first row to each pixel, the pixel included."""
    total = cost.copy()
    for row in range(1, len(cost)):
        above = total[row - 1]
        best = above.copy()
        np.minimum(best[1:], above[:-1] + _SIDESTEP, out=best[1:])
        np.minimum(best[:-1], above[1:] + _SIDESTEP, out=best[:-1])
        total[row] += best
    return total


def _minima(through: NDArray[np.float32], stroke: float) -> NDArray[np.intp]:
    """Columns of the local minima, the cheapest first to claim its neighbourhood."""
    distance = max(1, round(_CUT_DISTANCE * stroke))
    free = through <= _CUT_LIMIT
    free[:distance] = free[-distance:] = False
    chosen: list[int] = []
    for column in np.argsort(through, kind="stable"):
        if free[column]:
            chosen.append(int(column))
            free[max(0, column - distance) : column + distance + 1] = False
    return np.array(sorted(chosen), np.intp)


def _outside(columns: NDArray[np.intp], digits: NDArray[np.intp]) -> NDArray[np.intp]:
    """The columns that lie in none of the spans."""
    for span in digits:
        columns = columns[~_inside(columns, span)]
    return columns


def _inside(columns: NDArray[np.intp], span: NDArray[np.intp]) -> NDArray[np.bool_]:
    return np.asarray((span[0] <= columns) & (columns <= span[1]))


def _trace(
    down: NDArray[np.float32], up: NDArray[np.float32], middle: int, starts: NDArray[np.intp]
) -> NDArray[np.int32]:
    """Follow the cheapest paths from the middle row up and down; int32 (K, H) columns."""
    paths = np.empty((len(starts), len(down)), np.int32)
    paths[:, middle] = starts
    for rows, total in ((range(middle - 1, -1, -1), down), (range(middle + 1, len(down)), up)):
        at = starts
        for row in rows:
            near = np.stack([total[row, at], total[row, at - 1] + _SIDESTEP, total[row, at + 1] + _SIDESTEP])
            at = at + np.array([0, -1, 1])[near.argmin(axis=0)]
            paths[:, row] = at
    return paths


def _useful(cuts: Cuts, ink: NDArray[np.uint8], stroke: float) -> Cuts:
    """Only cuts that leave a piece of ink on both sides, and each only once."""
    columns = np.sort(np.clip(cuts.columns, 0, ink.shape[1]), axis=0)
    area = np.zeros((ink.shape[0], ink.shape[1] + 1))
    np.cumsum(ink > 127, axis=1, out=area[:, 1:])
    left = area[np.arange(len(ink)), columns].sum(axis=1)
    pieces = np.diff(left, prepend=0)
    least = 1.5 * stroke * stroke
    keep = (pieces >= least) & (area[:, -1].sum() - left >= least)
    return Cuts(columns[keep], cuts.ink[keep])
