"""Shows what each step makes of a page: the steps' own functions are called once more, and their results are drawn.

The pictures follow the way of the data, so that the first one that looks wrong names the step to look into.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan import ink as ink_step
from digitscan.annotate import faded, write_text
from digitscan.normalize import normalize_all
from digitscan.scan import page_ink
from digitscan.schema import FRAME, GLYPH_SIZE, NOT_A_DIGIT, NOTHING, WRONG_CUT, Ink, Lattice, Layout, Page
from digitscan.segment import Segments, segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from digitscan.annotate import Colour
    from digitscan.scan import Reader

    Picture = NDArray[np.uint8]

_COLOURS: tuple[Colour, ...] = (
    *((178, 114, 0), (0, 94, 213), (115, 158, 0), (167, 121, 204)),
    *((0, 159, 230), (233, 180, 86)),
)
"""BGR of M. Okabe and K. Ito (2008); neighbours get different ones."""

_DIGIT, _MARK, _WRONG = (115, 158, 0), (150, 150, 150), (0, 94, 213)
_GONE, _CAME = (0, 94, 213), (178, 114, 0)

_COLUMNS = 24
_ZOOM = 2
_CAPTION = 11
_MARGIN = 4
_CELL = _ZOOM * GLYPH_SIZE + _MARGIN
"""Of the sheet of candidates, in pixels: a cell has a glyph, enlarged, above a line of text, and a margin."""


def step_pictures(page: Page, layout: Layout, reader: Reader) -> Iterator[tuple[str, Picture]]:
    """One picture a step, each uint8 (H, W, 3) BGR with the ending of its name, such as `-2-mask`.

    All but the last are in working pixels: the page scaled and turned as the ink step left it.
    """
    ink = page_ink(page, layout)
    contrast = ink_step.find_contrast(_work(page.pixels, ink), _scale(ink))
    mask = ink_step.strong(contrast)
    segments = segment(ink, layout, reader.read_strips)
    glyphs = normalize_all(segments.inks)
    yield "-1-contrast", _paper(contrast)
    yield "-2-mask", _paper(mask * np.uint8(255))
    yield "-3-rules", _changes(mask, ink.mask)
    yield "-4-ink", _paper(ink.level)
    yield "-5-atoms", _atoms(ink, segments)
    yield "-6-lines", _lines(ink, segments)
    yield "-7-candidates", _sheet(segments.lattices, glyphs, reader.classify(glyphs))
    if segments.frames:
        yield "-8-strips", _strips([strip.pixels for strip in segments.strips], segments.frames)


def _work(pixels: Picture, ink: Ink) -> Picture:
    """The page in working pixels, grey, dark on light, as it is where the ink step takes the ink from it."""
    angle = float(np.degrees(np.arctan2(ink.to_page[1, 0], ink.to_page[0, 0])))
    work, _ = ink_step.upright(ink_step.to_grey(pixels), _scale(ink), angle)
    # White on black: what was found to be ink is brighter than the rest.
    return ~work if ink.mask.any() and work[ink.mask].mean() > work.mean() else work


def _scale(ink: Ink) -> float:
    """From the page to working pixels."""
    return float(1 / np.hypot(*ink.to_page[:, 0]))


def _paper(level: Picture) -> Picture:
    """Ink, 0 for none to 255, as black on white."""
    return np.asarray(cv2.cvtColor(~level, cv2.COLOR_GRAY2BGR), np.uint8)


def _changes(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Picture:
    """What was taken out of a mask in vermilion, what came to it in blue, what stayed in grey."""
    picture = np.full((*before.shape, 3), 255, np.uint8)
    picture[before & after] = 150
    picture[before & ~after] = _GONE
    picture[after & ~before] = _CAME
    return picture


def _atoms(ink: Ink, segments: Segments) -> Picture:
    """Every atom in the colour after its left neighbour's: where the colour changes within a stroke, it may be cut."""
    picture = np.full((*ink.mask.shape, 3), 255, np.uint8)
    edges = [edge for lattice in segments.lattices for edge in lattice.edges.tolist()]
    boxes = [box for lattice in segments.lattices for box in lattice.boxes.tolist()]
    for (start, stop), box, part in zip(edges, boxes, segments.inks, strict=True):
        if stop == start + 1:
            _paint(picture, box, part, _COLOURS[start % len(_COLOURS)])
    return picture


def _paint(picture: Picture, box: list[int], part: Picture, colour: Colour) -> None:
    """Colour a candidate's ink, which may come with a soft edge one pixel wide around its box."""
    x, y, width, height = box
    top = max(0, y - 1) if part.shape[0] > height else y
    left = max(0, x - 1) if part.shape[1] > width else x
    picture[top : top + part.shape[0], left : left + part.shape[1]][part > 127] = colour


def _lines(ink: Ink, segments: Segments) -> Picture:
    """Each line's atoms in boxes of the line's colour, joined in reading order, with its number in front."""
    picture = faded(_paper(ink.level))
    for place, lattice in enumerate(segments.lattices):
        colour = _COLOURS[place % len(_COLOURS)]
        boxes = lattice.boxes[np.diff(lattice.edges, axis=1)[:, 0] == 1]
        for x, y, width, height in boxes.tolist():
            cv2.rectangle(picture, (x, y), (x + width - 1, y + height - 1), colour, 1)
        cv2.polylines(picture, [boxes[:, :2] + boxes[:, 2:] // 2], False, colour, 1, cv2.LINE_AA)
        corner = (boxes[0, 0] - lattice.height, boxes[0, 1] + boxes[0, 3])
        write_text(picture, str(place + 1), corner, lattice.height / 2, colour)
    return picture


def _sheet(lattices: tuple[Lattice, ...], glyphs: Picture, probabilities: NDArray[np.float32]) -> Picture:
    """All candidates as the classifier gets them, a heading a line, each with its likeliest class and probability.

    Above a glyph stand the atoms that it joins, below it the class: a digit in green, `mark` in grey, `cut` in
    vermilion.
    """
    row = _CELL + 2 * _CAPTION
    places: list[tuple[int, int]] = []
    headings: list[int] = []
    bottom = 0
    for lattice in lattices:
        headings.append(bottom)
        top = bottom + 2 * _CAPTION
        places += [(top + row * (n // _COLUMNS), _CELL * (n % _COLUMNS)) for n in range(len(lattice.edges))]
        bottom = top + row * -(-len(lattice.edges) // _COLUMNS)
    picture = np.full((max(1, bottom), _CELL * _COLUMNS, 3), 255, np.uint8)
    for number, heading in enumerate(headings, 1):
        write_text(picture, f"line {number}", (_MARGIN, heading + 2 * _CAPTION - _MARGIN), _CAPTION, (0, 0, 0))
    edges = [edge for lattice in lattices for edge in lattice.edges.tolist()]
    for (top, left), edge, glyph, belief in zip(places, edges, glyphs, probabilities, strict=True):
        _cell(picture[top : top + row, left : left + _CELL], edge, glyph, belief)
    return picture


def _strips(strips: Sequence[Picture], frames: Sequence[NDArray[np.float32]]) -> Picture:
    """The lines as the line reader gets them, and above each frame the digit whose middle it takes it for."""
    rows = [_strip_row(*pair) for pair in zip(strips, frames, strict=True)]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    return np.concatenate(padded)


def _strip_row(strip: Picture, frames: NDArray[np.float32]) -> Picture:
    picture = _paper(strip.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1))
    heading = np.full((_CAPTION, picture.shape[1], 3), 255, np.uint8)
    classes = frames.argmax(axis=1)
    for place in np.flatnonzero((classes != NOTHING) & (np.diff(classes, prepend=NOTHING) != 0)).tolist():
        write_text(heading, str(classes[place]), (_ZOOM * FRAME * place, _CAPTION - 1), _CAPTION - 2, _DIGIT)
    return np.concatenate([heading, picture])


def _cell(cell: Picture, edge: list[int], glyph: Picture, belief: NDArray[np.float32]) -> None:
    label = int(belief.argmax())
    name = {NOT_A_DIGIT: "mark", WRONG_CUT: "cut"}.get(label, str(label))
    colour = {NOT_A_DIGIT: _MARK, WRONG_CUT: _WRONG}.get(label, _DIGIT)
    side = _ZOOM * GLYPH_SIZE
    cell[_CAPTION : _CAPTION + side, :side] = glyph.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)[:, :, None]
    write_text(cell, f"{edge[0]}-{edge[1]}", (0, _CAPTION - 2), _CAPTION - 4, _MARK)
    write_text(cell, f"{name}  {belief[label]:.0%}", (0, side + 2 * _CAPTION - 2), _CAPTION - 3, colour)
