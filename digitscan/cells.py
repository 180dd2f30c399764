"""Tells the cells of a table, which part numbers, from the boxes of a comb, which hold one digit each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digitscan.quantile import median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_TALL = 0.5
"""In digit heights: what is lower doesn't tell where its line runs."""

_BAND, _BEYOND = np.linspace(-0.3, 0.3, 7), (np.linspace(-2.0, -0.9, 12), np.linspace(0.9, 2.0, 12))
"""In digit heights from the middle of a line: where a fence must cross it, and where it must go on above or below: the
sides of boxes that stand alone aren't that long.
"""

_ACROSS, _GOES_ON = 0.6, 0.8
"""Shares of these places, in the band and beyond, that are on a rule; strokes that cross it hide others."""

_LEAN = 2
"""In pixels to both sides, over the height of the places."""

_INSIDE = 0.1
"""Share of a digit's width that may lie outside of its cell."""

_SAME_FENCE = 0.3
"""In digit heights: fences of two lines that are no further apart are one."""

_SAME_GRID = 0.5
"""Share of the fences of the line that has fewer which the other one has, too, where both are of one grid."""

_NARROW = 1.8
"""In digit heights: the cells of combs and of squared paper are no wider."""

_LEAST = 0.8
"""In digit heights: no cell is narrower; the two edges of a thick rule may be so near."""

_BESIDE = 1.8
"""In digit heights: how far beside what is written fences are looked for."""

_TOGETHER = 3
"""Lines that are searched for fences together: strokes that lie on a fence hide it on their line."""

_NEARBY = 2
"""Lines above and below that tell which fences strokes hide."""

_HIDES = 0.1
"""In digit heights: strokes so near to a fence may hide it."""

_MUCH_NEARER = 0.3
"""In digit heights: a mark on a fence belongs to what is so much nearer than what is on its other side."""

_SEVERAL = 0.2
"""Share of the cells with digits that hold several. A comb may have some by mistake: a digit that was read as two."""

_REGULAR, _OFF = 0.9, 0.2
"""Share of the widths between fences that are multiples of the least where cells are alike, and how far from a multiple
each may be.
"""

_NO_FENCES = np.empty(0, np.float32)


class Row(NamedTuple):
    """What was read on a line: its fences, the boxes of its marks from left to right, int32 (M, 4), which of them are
    digits, bool (M,), and the usual height of a digit.
    """

    fences: NDArray[np.float32]
    boxes: NDArray[np.int32]
    is_digit: NDArray[np.bool_]
    height: float


def find_fences(rules: NDArray[np.bool_], boxes: NDArray[np.int32], height: float) -> NDArray[np.float32]:
    """Where upright rules that go on to other lines cross a line of writing: x from left to right, float32 (K,).

    `rules` is bool (H, W); `boxes`, int32 (N, 4), are those of the line's components, at least one; `height` is that of
    a digit.
    """
    beside = round(_BESIDE * height)
    left = max(int(boxes[:, 0].min()) - beside, 0)
    right = min(int((boxes[:, 0] + boxes[:, 2]).max()) + beside, rules.shape[1])
    tall = boxes[boxes[:, 3] >= _TALL * height]
    if not len(tall) or not rules[:, left:right].any():
        return np.empty(0, np.float32)
    centres = tall[:, :2] + tall[:, 2:] / 2
    centres = centres[np.argsort(centres[:, 0])]
    middle = np.interp(np.arange(left, right), *centres.T)
    columns = np.flatnonzero(_ruled(rules[:, left:right], np.arange(right - left), middle, _BAND * height) >= _ACROSS)
    above, below = (_ruled(rules[:, left:right], columns, middle[columns], places * height) for places in _BEYOND)
    filled = np.zeros(right - left, np.int8)
    filled[columns[np.maximum(above, below) >= _GOES_ON]] = 1
    sides = np.flatnonzero(np.diff(np.pad(filled, 1)))
    return np.asarray(left + sides.reshape(-1, 2).mean(axis=1), np.float32)


def _ruled(
    rules: NDArray[np.bool_], columns: NDArray[np.intp], middle: NDArray[np.float64], places: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of the places above and below the `middle` of each column, in pixels, where a rule is beside or on it."""
    y = np.rint(middle + places[:, None]).astype(np.intp)
    inside = (y >= 0) & (y < len(rules))
    y = np.clip(y, 0, len(rules) - 1)
    on_rule = np.zeros(y.shape, np.bool_)
    for aside in range(-_LEAN, _LEAN + 1):
        on_rule |= rules[y, np.clip(columns + aside, 0, rules.shape[1] - 1)]
    return np.asarray((on_rule & inside).mean(axis=0))


def parted(rows: Sequence[Row]) -> list[NDArray[np.bool_]]:
    """For each line, whether each mark and the next are parted by a side of a table's cell: bool (M - 1,)."""
    grids: list[list[Row]] = []
    for row in rows:
        if not len(row.fences):
            continue
        if grids and _is_same_grid(grids[-1][-1], row):
            grids[-1].append(row)
        else:
            grids.append([row])
    walls = {id(row): _walls(grid, place) for grid in grids if _is_table(grid) for place, row in enumerate(grid)}
    return [np.diff(_cells(row, walls.get(id(row), _NO_FENCES))) > 0 for row in rows]


def _walls(grid: Sequence[Row], place: int) -> NDArray[np.float32]:
    """The fences of one line of a grid, and those that its strokes hide: two lines nearby have them."""
    row = grid[place]
    nearby = [other.fences for other in (*grid[max(0, place - _NEARBY) : place], *grid[place + 1 :][:_NEARBY])]
    seen, same = np.sort(np.concatenate([_NO_FENCES, *nearby])), _SAME_FENCE * row.height
    groups = np.split(seen, np.flatnonzero(np.diff(seen) > same) + 1)
    usual = np.array([group.mean() for group in groups if len(group) > 1], np.float32)[:, None]
    left, reach = row.boxes[:, 0], _HIDES * row.height
    hidden = ((left - reach <= usual) & (usual <= left + row.boxes[:, 2] + reach)).any(axis=1)
    hidden &= (np.abs(usual - row.fences) > same).all(axis=1)
    return np.sort(np.concatenate([row.fences, usual[hidden, 0]]))


def _is_same_grid(one: Row, other: Row) -> bool:
    fewer, more = sorted((one.fences, other.fences), key=len)
    away = np.abs(fewer[:, None] - more).min(axis=1)
    return bool(np.mean(away <= _SAME_FENCE * one.height) >= _SAME_GRID)


def _is_table(grid: Sequence[Row]) -> bool:
    """Whether the cells are wide enough for several digits, and hold them."""
    widths = np.concatenate([_widths(grid[first : first + _TOGETHER]) for first in range(len(grid))])
    if len(widths) and _usual_width(widths) < _NARROW:
        return False
    used, several = np.sum([_count(row) for row in grid], axis=0)
    return bool(several > max(1, _SEVERAL * used))


def _widths(rows: Sequence[Row]) -> NDArray[np.floating]:
    """Of the cells of neighbouring lines, in digit heights."""
    steps = np.diff(np.sort(np.concatenate([row.fences for row in rows]))) / rows[0].height
    return steps[steps > _LEAST]


def _usual_width(widths: NDArray[np.floating]) -> float:
    """Of cells, some of whose fences are hidden: the least width where all are multiples of it, as on squared paper."""
    pitch = median(widths / np.rint(widths / widths.min()))
    multiples = widths / pitch
    is_regular = np.mean(np.abs(multiples - np.rint(multiples)) <= _OFF) >= _REGULAR
    return pitch if is_regular else median(widths)


def _count(row: Row) -> tuple[int, int]:
    """How many cells of a line have digits, and how many have several. Those that reach out of their cells don't count:
    in a comb they may have come into the next one.
    """
    first, cells, last = (found[row.is_digit] for found in _reach(row, row.fences))
    return len(np.unique(cells)), int(np.sum(np.bincount(cells[first == last]) > 1))


def _reach(row: Row, fences: NDArray[np.float32]) -> tuple[NDArray[np.intp], ...]:
    """The cells of each mark's left side, middle and right side, counted from the left."""
    left, width = row.boxes[:, 0], row.boxes[:, 2]
    return tuple(np.searchsorted(fences, left + share * width) for share in (_INSIDE, 0.5, 1 - _INSIDE))


def _cells(row: Row, fences: NDArray[np.float32]) -> NDArray[np.intp]:
    """The cell to which each mark belongs: that of its middle or, where it crosses a fence, that of its neighbour which
    is much nearer than the other one.
    """
    first, cells, last = _reach(row, fences)
    left, width = row.boxes[:, 0], row.boxes[:, 2]
    gaps = np.maximum(left[1:] - (left + width)[:-1], 0) / row.height
    before, after = np.append(np.inf, gaps), np.append(gaps, np.inf)
    cells = np.where(after > before + _MUCH_NEARER, first, cells)
    return np.asarray(np.where(before > after + _MUCH_NEARER, last, cells))
