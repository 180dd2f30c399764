"""Splits the ink of a page into text lines, and each line into a lattice of candidate glyphs.

Over-segmentation: the ink is cut wherever two digits may touch, neighbouring pieces are joined again in every sensible
way, and the classifier decides later which of the pieces are digits. A line reader tells beforehand which components
hold one digit at most, which aren't cut, where two digits must be cut apart, however much ink there is, and what is
certainly two digits and so not joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

from digitscan.cells import find_fences
from digitscan.components import Components, find_components
from digitscan.cut import Cuts, Guide, find_cuts
from digitscan.lines import digit_height, find_lines
from digitscan.paths import SPAN
from digitscan.schema import Ink, Lattice, Layout, StripPredictor
from digitscan.stacks import part_stacked
from digitscan.strips import Middles, Strip, draw_strip, find_middles, find_places

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_WIDTH = 1.6
"""In digit heights: no digit is wider."""

_MAX_HEIGHT = 2.0
"""In digit heights: the tallest that several pieces make together."""

_MAX_GAP = 0.3
"""In digit heights: pieces of one digit are no further apart."""

_MIN_CUT_WIDTH = 0.7
"""In digit heights: narrower components aren't cut."""

_VALLEY = 0.25
"""Share of the way from one digit's middle to the next in which they aren't cut apart, at both ends."""

_SEEN, _POSSIBLE = 0.5, 0.02
"""Probability from which the line reader sees a digit, and from which there may be one."""

_CERTAIN = 0.98
"""Probability from which there is a digit to the line reader whatever the classifier will say."""

_HELD = 0.8
"""In half widths of a candidate: digits whose middles are that near to its own are in it. Those further out may be
neighbours that it overhangs.
"""

_ONE_DIGIT = 16.0
"""In columns of a strip: a place that is wider may be the middles of several digits."""

_NO_SPANS = np.empty((0, 2), np.intp)
_NO_GUIDE = Guide(_NO_SPANS, _NO_SPANS)
_NO_MIDDLES = np.empty(0, np.float32)
_NO_CUTS = Cuts(np.empty((0, 0), np.int32), np.empty(0, np.float32))


class Segments(NamedTuple):
    """The lattices of a page in reading order, the ink of their candidates, uint8 (h, w), edge after edge, the strip of
    each line, and what the line reader says of it, float32 (T, FRAME_CLASS_COUNT); None without a line reader.
    """

    lattices: tuple[Lattice, ...]
    inks: tuple[NDArray[np.uint8], ...]
    strips: tuple[Strip, ...]
    frames: tuple[NDArray[np.float32], ...] | None


class _Atoms(NamedTuple):
    """Pieces of ink: `boxes` int32 (A, 4), `component` int32 (A,), `cut` float32 (A,) strokes cut at the left side."""

    boxes: NDArray[np.int32]
    component: NDArray[np.int32]
    cut: NDArray[np.float32]

    def take(self, order: NDArray[np.intp]) -> _Atoms:
        """Some of the atoms, in a new order."""
        return _Atoms(self.boxes[order], self.component[order], self.cut[order])


class LineFinder(Protocol):
    """Anything that groups components into lines."""

    def __call__(self, boxes: NDArray[np.int32], height: float, /) -> list[NDArray[np.intp]]:
        """Indices of the components of each line, at least one; `boxes` is int32 (N, 4), `height` that of a digit."""


def segment(
    ink: Ink, layout: Layout, read_strips: StripPredictor | None = None, find: LineFinder = find_lines
) -> Segments:
    """The lattice of every text line of a page, lines from top to bottom; `read_strips` helps to cut digits apart.

    With `Layout.LINE` all ink belongs to one line; with `Layout.DIGIT` it is one candidate; else `find` groups it.
    """
    if not ink.mask.any():
        return Segments((), (), (), () if read_strips else None)
    if layout is Layout.DIGIT:
        return _single(ink, read_strips)
    components = find_components(ink.mask)
    height = digit_height(components.boxes, ink.stroke)
    if layout is Layout.PAGE:
        parted = part_stacked(ink.mask, ink.rules, components, height)
        components = components if parted is ink.mask else find_components(parted)
    labels, boxes = components.labels, components.boxes
    lines = [np.arange(len(boxes))] if layout is Layout.LINE else find(boxes, height)
    heights = [digit_height(boxes[line], ink.stroke) for line in lines]
    strips = tuple(_strip(ink.level, labels, boxes, *each) for each in zip(lines, heights, strict=True))
    frames = _frames(strips, read_strips)
    atoms, atom_map = _split(ink, components, height, _guides(lines, boxes, strips, frames))
    fences = [find_fences(ink.rules, boxes[line], own) for line, own in zip(lines, heights, strict=True)]
    certain = [find_middles(read, _CERTAIN).columns for read in frames] if frames else [_NO_MIDDLES] * len(lines)
    lattices, inks = [], []
    for line, own_height, strip, middles, crossing in zip(lines, heights, strips, certain, fences, strict=True):
        members = np.flatnonzero(np.isin(atoms.component, line))
        centres = atoms.boxes[members, 0] * 2 + atoms.boxes[members, 2]
        members = members[np.argsort(centres, kind="stable")]
        lattice = _lattice(atoms.take(members), own_height, strip, ink.to_page, middles, crossing)
        lattices.append(lattice)
        inks.extend(_cut_out(ink.level, atom_map, members, lattice))
    return Segments(tuple(lattices), tuple(inks), strips, frames)


def _frames(strips: tuple[Strip, ...], read_strips: StripPredictor | None) -> tuple[NDArray[np.float32], ...] | None:
    return tuple(read_strips([strip.pixels for strip in strips])) if read_strips else None


def _guides(
    lines: list[NDArray[np.intp]],
    boxes: NDArray[np.int32],
    strips: tuple[Strip, ...],
    frames: tuple[NDArray[np.float32], ...] | None,
) -> list[Guide | None]:
    """What the line reader says of each component; None where there is one digit at most, which must not be cut."""
    guides: list[Guide | None] = [_NO_GUIDE] * len(boxes)
    for line, strip, read in zip(lines, strips, frames or (), strict=bool(frames)):
        seen = find_middles(read, _SEEN)
        possible, widths = find_places(read, _POSSIBLE)
        left, right = (strip.columns(boxes[line, 0] + side) for side in (0, boxes[line, 2]))
        several = _count(seen.columns, left, right) > 1
        several |= _count(possible, left, right) > 1
        several |= _count(possible[widths > _ONE_DIGIT], left, right) > 0
        for index, *sides, is_cut in zip(line, left, right, several, strict=True):
            guides[index] = _guide(strip, seen, sides, boxes[index, 0]) if is_cut else None
    return guides


def _guide(strip: Strip, seen: Middles, sides: list[float], x: int) -> Guide:
    """Between these columns of the strip; spans are counted from working column x."""
    inside = (sides[0] < seen.columns) & (seen.columns < sides[1])
    columns, half, missing = seen.columns[inside], seen.widths[inside] / 2, seen.missing[inside]
    aside = _VALLEY * np.diff(columns)
    first, last = columns - np.append(half[:1], aside), columns + np.append(aside, half[-1:])
    single = (missing <= 1 - _CERTAIN) & (2 * half <= _ONE_DIGIT)
    spans = np.stack([first, last], axis=1)[single]
    valleys = np.stack([last[:-1], first[1:]], axis=1)
    return Guide(*((strip.working(each) - x).astype(np.intp) for each in (valleys, spans)))


def _count(middles: NDArray[np.float32], left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.intp]:
    """How many of the middles, which are sorted, lie between each pair of columns."""
    return np.searchsorted(middles, right) - np.searchsorted(middles, left, "right")


def _single(ink: Ink, read_strips: StripPredictor | None) -> Segments:
    """All ink as one candidate."""
    box = np.array([cv2.boundingRect(ink.level)], np.int32)
    x, y, width, height = box[0]
    edge = np.array([[0, 1]], np.int32)
    glyph = ink.level[y : y + height, x : x + width]
    strip = draw_strip(glyph, x, y, box, float(height))
    place = _on_strip(box, strip)
    none = np.zeros(1, np.float32)
    lattice = Lattice(edge, box, np.ones(1, np.bool_), none, *place, float(height), ink.to_page, none[:0])
    return Segments((lattice,), (glyph,), (strip,), _frames((strip,), read_strips))


def _split(
    ink: Ink, components: Components, height: float, guides: list[Guide | None]
) -> tuple[_Atoms, NDArray[np.int32]]:
    """Cut the wide components and those with valleys; also the map of atom numbers, int32 (H, W), -1 on paper."""
    labels, boxes = components.labels, components.boxes
    wide = (boxes[:, 3] >= 0.5 * height) & (boxes[:, 2] >= _MIN_CUT_WIDTH * height)
    chosen = {index: own for index, own in enumerate(guides) if own is not None and (wide[index] or len(own.valleys))}
    crops = [_crop(ink.level, labels, boxes[index], index + 1) for index in chosen]
    cuts = dict(zip(chosen, find_cuts(crops, ink.stroke, list(chosen.values())), strict=True))
    counts = np.array([1 + len(cuts.get(index, _NO_CUTS).ink) for index in range(len(boxes))])
    first = np.cumsum(counts) - counts
    component = np.repeat(np.arange(len(boxes), dtype=np.int32), counts)
    atoms = _Atoms(boxes[component], component, np.zeros(len(component), np.float32))
    atom_map = np.full(labels.shape, -1, np.int32)
    atom_map.reshape(-1)[components.places] = first[components.owners - 1]
    for index, own in cuts.items():
        x, y, width, rows = boxes[index].tolist()
        window = np.s_[y : y + rows, x : x + width]
        inside, piece = labels[window] == index + 1, _pieces(own, width)
        atom_map[window] += np.where(inside, piece, 0).astype(np.int32)
        for number in range(counts[index]):
            box = cv2.boundingRect((inside & (piece == number)).view(np.uint8))
            atoms.boxes[first[index] + number] = np.add(box, (x, y, 0, 0))
        atoms.cut[first[index] + 1 : first[index] + counts[index]] = own.ink
    return atoms, atom_map


def _crop(level: NDArray[np.uint8], labels: NDArray[np.int32], box: NDArray[np.int32], label: int) -> NDArray[np.uint8]:
    x, y, width, height = box.tolist()
    part = level[y : y + height, x : x + width]
    return np.where(labels[y : y + height, x : x + width] == label, part, 0).astype(np.uint8)


def _pieces(cuts: Cuts, width: int) -> NDArray[np.intp]:
    """Number of the piece that each pixel of a component belongs to."""
    return np.asarray((np.arange(width) >= cuts.columns[:, :, None]).sum(axis=0))


class _Joins(NamedTuple):
    """Runs of neighbouring atoms, one beginning at each atom; all fields are int (A,)."""

    left: NDArray[np.int32]
    top: NDArray[np.int32]
    right: NDArray[np.int32]
    bottom: NDArray[np.int32]
    tallest: NDArray[np.int32]
    """Height of the tallest atom."""
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    """The first and the last atom of all components that are touched."""
    lowest: NDArray[np.int32]
    highest: NDArray[np.int32]
    """Of the components' numbers: where they are the same, there is only one."""

    @classmethod
    def single(cls, atoms: _Atoms) -> _Joins:
        """Every atom for itself."""
        left, top, width, height = atoms.boxes.T
        order = np.arange(len(left))
        first, last = np.full(atoms.component.max() + 1, len(left)), np.zeros(atoms.component.max() + 1, np.intp)
        np.minimum.at(first, atoms.component, order)
        np.maximum.at(last, atoms.component, order)
        own = atoms.component
        return cls(left, top, left + width, top + height, height, first[own], last[own], own, own)

    def at(self, order: NDArray[np.intp]) -> _Joins:
        """Those that begin at these atoms."""
        return _Joins._make(values[order] for values in self)

    def with_next(self, atom: _Joins) -> _Joins:
        """Each run with one more atom at its end."""
        lower, higher = np.minimum, np.maximum
        return _Joins(
            lower(self.left, atom.left),
            lower(self.top, atom.top),
            higher(self.right, atom.right),
            higher(self.bottom, atom.bottom),
            higher(self.tallest, atom.tallest),
            lower(self.first, atom.first),
            higher(self.last, atom.last),
            lower(self.lowest, atom.lowest),
            higher(self.highest, atom.highest),
        )


def _lattice(
    atoms: _Atoms,
    height: float,
    strip: Strip,
    to_page: NDArray[np.float64],
    middles: NDArray[np.float32],
    fences: NDArray[np.float32],
) -> Lattice:
    """All sensible joins of neighbouring atoms; each is made from the one that is an atom shorter.

    `middles` float32 (K,) are those of digits that are certain, in columns of the strip.
    """
    count = len(atoms.boxes)
    start = np.arange(count)
    single = _Joins.single(atoms)
    joins, alive = single, np.ones(count, np.bool_)
    found = [_edges(joins, start, start + 1)]
    for length in range(2, SPAN + 1):
        atom = single.at(np.minimum(start + length - 1, count - 1))
        gap = atom.left - joins.right
        joins = joins.with_next(atom)
        alive = alive & (start + length <= count) & _joinable(joins, gap, height)
        found.append(_edges(joins, start, start + length)[alive])
    table = np.concatenate(found)
    table = table[~_is_several(table, strip, middles)]
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    cut = np.append(atoms.cut, np.float32(0))
    boxes = table[:, 2:6].astype(np.int32)
    return Lattice(
        table[:, :2].astype(np.int32),
        boxes,
        table[:, 6] > 0,
        cut[table[:, 0]] + cut[table[:, 1]],
        *_on_strip(boxes, strip),
        height,
        to_page,
        fences,
    )


def _is_several(edges: NDArray[np.intp], strip: Strip, middles: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each of `_edges` joins several certain digits. Single atoms stay, so that there is always a path."""
    column, reach = _on_strip(edges[:, 2:6], strip)
    held = _count(middles, column - _HELD * reach, column + _HELD * reach)
    return np.asarray((held > 1) & (edges[:, 1] - edges[:, 0] > 1))


def _on_strip(boxes: NDArray[np.integer], strip: Strip) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Middle and half the width of each box in columns of the strip."""
    return strip.columns(boxes[:, 0] + boxes[:, 2] / 2), (boxes[:, 2] * (strip.scale / 2)).astype(np.float32)


def _edges(joins: _Joins, start: NDArray[np.intp], stop: NDArray[np.intp]) -> NDArray[np.intp]:
    """Start, stop, box and whether all of their components is in them; int (A, 7)."""
    box = (joins.left, joins.top, joins.right - joins.left, joins.bottom - joins.top)
    return np.stack([start, stop, *box, (joins.first >= start) & (joins.last < stop)], axis=1)


def _joinable(joins: _Joins, gap: NDArray[np.int32], height: float) -> NDArray[np.bool_]:
    """Whether the runs may be one digit, judged by the usual height or, of pieces of one component, by their own."""
    own = joins.bottom - joins.top
    unit = np.maximum(height, np.where(joins.lowest == joins.highest, own, joins.tallest))
    fits = (joins.right - joins.left <= _MAX_WIDTH * unit) & (own <= _MAX_HEIGHT * unit)
    return np.asarray(fits & (gap <= _MAX_GAP * unit))


def _cut_out(
    level: NDArray[np.uint8], atom_map: NDArray[np.int32], members: NDArray[np.intp], lattice: Lattice
) -> list[NDArray[np.uint8]]:
    """The ink of each candidate of a line, with the soft edge around it."""
    windows = [_around(box) for box in lattice.boxes.tolist()]
    shapes = [level[window].shape for window in windows]
    widths = [width + 1 for _, width in shapes]
    lefts = (np.cumsum(widths) - widths).tolist()
    # All candidates side by side, a column of paper after each, so that the work is done once for them all.
    size = max(height for height, _ in shapes), sum(widths)
    levels, atoms = np.zeros(size, np.uint8), np.full(size, -1, np.int32)
    places = [np.s_[:height, left : left + width] for left, (height, width) in zip(lefts, shapes, strict=True)]
    for place, window in zip(places, windows, strict=True):
        levels[place], atoms[place] = level[window], atom_map[window]
    orders = np.full(atoms.max() + 2, -1, np.int16)
    orders[members] = np.arange(len(members))
    order, (start, stop) = orders[atoms], np.repeat(lattice.edges.T, widths, axis=1)
    inks = _soft_ink(levels, (order >= start) & (order < stop), atoms >= 0)
    return [inks[place] for place in places]


def _strip(
    level: NDArray[np.uint8],
    labels: NDArray[np.int32],
    boxes: NDArray[np.int32],
    line: NDArray[np.intp],
    height: float,
) -> Strip:
    """The strip of the line that these components make."""
    own = boxes[line]
    is_member = np.zeros(len(boxes) + 1, np.bool_)
    is_member[line + 1] = True
    (left, top), (right, bottom) = own[:, :2].min(axis=0), (own[:, :2] + own[:, 2:]).max(axis=0)
    window = _around([int(left), int(top), int(right - left), int(bottom - top)])
    ink = _soft_ink(level[window], is_member[labels[window]], labels[window] > 0)
    return draw_strip(ink, window[1].start, window[0].start, own, height)


def _around(box: list[int]) -> tuple[slice, slice]:
    """Rows and columns of a box with the soft edge around it."""
    x, y, width, height = box
    return slice(max(0, y - 1), y + height + 1), slice(max(0, x - 1), x + width + 1)


def _soft_ink(level: NDArray[np.uint8], own: NDArray[np.bool_], inked: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The ink of the pixels `own`, with their soft edge where no other glyph's ink lies."""
    mask = own.view(np.uint8)
    soft = cv2.bitwise_and(cv2.dilate(mask, np.ones((3, 3), np.uint8)), (~inked | own).view(np.uint8))
    return np.asarray(cv2.bitwise_and(level, level, mask=soft), np.uint8)
