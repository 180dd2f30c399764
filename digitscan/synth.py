"""Synthetic scans of handwritten numbers, with the ink of every character known.

Characters come from `hands.py`, what is written from `contents.py`, paper, printing and the scanner from
`backgrounds.py`; `Synthesizer` joins them on a `canvas.py`. Each sample depends on the seed and its index alone, so
that processes can make separate parts of one collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digitscan import backgrounds, contents
from digitscan.canvas import Canvas, Sample
from digitscan.contents import Text
from digitscan.hands import Bitmaps, Hand, Manner, Written, bounds, moved
from digitscan.strokes import Pen, StrokeSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LINE, _PAGE = 0, 1
_STROKES = 0.7
"""Share of the hands that write with pen strokes, where there are bitmaps too."""


class _Instrument(NamedTuple):
    """A kind of pen: its ranges of width in heights of a digit, of light sent back by full ink, and of patchiness."""

    width: tuple[float, float]
    light: tuple[float, float]
    patchiness: tuple[float, float]
    swell: float
    taper: float


_BALL_PEN = _Instrument((0.05, 0.12), (0.05, 0.45), (0.0, 0.35), 0.2, 0.3)
_GEL_PEN = _Instrument((0.06, 0.14), (0.05, 0.4), (0.0, 0.15), 0.15, 0.1)
_FELT_PEN = _Instrument((0.1, 0.2), (0.02, 0.25), (0.0, 0.1), 0.15, 0.0)
_PENCIL = _Instrument((0.05, 0.12), (0.3, 0.65), (0.15, 0.8), 0.15, 0.4)
_FOUNTAIN_PEN = _Instrument((0.06, 0.16), (0.03, 0.35), (0.0, 0.2), 0.5, 0.6)
_INSTRUMENTS = (_BALL_PEN, _BALL_PEN, _GEL_PEN, _FELT_PEN, _PENCIL, _FOUNTAIN_PEN)

_HUES = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.9, 0.35, 0.2), (0.6, 0.15, 0.1), (0.2, 0.15, 0.9), (0.25, 0.6, 0.2))
"""Inks, BGR: black (twice as often), two blues, red, green; 1 where an ink sends its colour's light back."""


class _Writer(NamedTuple):
    """A hand with an instrument in it and the instrument's ink: colour (3,) BGR of light sent back, and patchiness."""

    hand: Hand
    ink: NDArray[np.float32]
    patchiness: float

    @property
    def rotation(self) -> float:
        """Of the line, in radians."""
        return self.hand.manner.shape.rotation

    @property
    def contrast(self) -> float:
        """Between strokes and white paper, on average, 0 to 1."""
        return (1 - float(self.ink.mean())) * (1 - 0.6 * self.patchiness)


class Synthesizer:
    """Makes synthetic scans; `line(i)` and `page(i)` always give the same sample for the same sources and seed.

    `strokes` must have all ten digits; signs and letters are written as far as it has them. `bitmaps` may be empty.
    """

    def __init__(self, strokes: StrokeSet, bitmaps: Sequence[Bitmaps] = (), seed: int = 0) -> None:
        self.strokes, self.bitmaps, self.seed = strokes, tuple(bitmaps), seed
        digits = np.isin(strokes.labels, list(contents.DIGITS))
        self._writers, counts = np.unique(strokes.writers[digits], return_counts=True)
        # Between 'every writer' and 'every sample' alike: a few wrote hundreds of digits, most wrote a dozen.
        self._odds = np.cumsum(np.sqrt(counts)) / np.sqrt(counts).sum()

    def line(self, index: int) -> Sample:
        """One text line on a strip: an amount, a form field, a table cell, a ledger line, or words without digits."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, index, _LINE]))
        unit, zoom = _resolution(rng, 14, 120)
        rotation = rng.normal(0, 0.012) if rng.random() < 0.8 else rng.uniform(-0.087, 0.087)
        writer = self._writer(rng, unit, float(rotation))
        text, written, pitch = _strip_text(rng, writer.hand)
        canvas, x, y = _strip_canvas(rng, written, unit, zoom)
        _surround(canvas, y, writer)
        if pitch:
            _print_comb(canvas, x, y, pitch, len(text.chars), writer.rotation)
        cover = canvas.blank()
        if rng.random() < 0.25:
            _write_neighbour(canvas, cover, writer.hand, y)
        canvas.add(cover, moved(written, x, y), 0)
        _underline(canvas, cover, text, writer.rotation, y)
        canvas.ink(cover, writer.ink, writer.patchiness)
        return _finish(canvas, zoom, (text.truth,))

    def page(self, index: int) -> Sample:
        """A small page of several text lines: a table, a form, a ledger or notes; some without any digits."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, index, _PAGE]))
        unit, zoom = _resolution(rng, 14, 60)
        rotation = float(rng.normal(0, 0.008) if rng.random() < 0.8 else rng.uniform(-0.05, 0.05))
        pitch, rows = unit * rng.uniform(1.4, 2.8), int(rng.integers(3, 13))
        columns = int(rng.integers(1, 5))
        cell = unit * rng.uniform(3.5, 8)
        left, top = rng.uniform(0.5, 2.5, 2) * unit
        width, height = (_multiple(size, zoom) for size in (2 * left + columns * cell, 2 * top + rows * pitch))
        canvas = Canvas(rng, height, width, unit)
        grid = _Grid(left, top, cell, pitch, columns, rows, float(np.tan(rotation)))
        writer = self._writer(rng, unit, rotation)
        _print_ground(canvas, 0.15, 0.35, writer.contrast)
        _print_grid(canvas, grid)
        lines = _fill(canvas, grid, writer)
        return _finish(canvas, zoom, lines)

    def _writer(self, rng: np.random.Generator, unit: float, rotation: float) -> _Writer:
        instrument = _INSTRUMENTS[int(rng.integers(len(_INSTRUMENTS)))]
        width = unit * float(np.exp(rng.uniform(*np.log(instrument.width))))
        pen = Pen(
            width, instrument.swell * rng.uniform(0, 1.5), rng.uniform(0.0, 0.15), instrument.taper * rng.random()
        )
        bitmaps = None
        if self.bitmaps and rng.random() > _STROKES:
            # The first source counts double: a source of 60,000 pictures should not be outweighed by a small one.
            bitmaps = self.bitmaps[max(int(rng.integers(-1, len(self.bitmaps))), 0)]
        person = int(
            self._writers[np.searchsorted(self._odds, rng.random(), side="right").clip(max=len(self._odds) - 1)]
        )
        light = rng.uniform(*instrument.light)
        hue = np.array(_HUES[0 if instrument is _PENCIL else int(rng.integers(len(_HUES)))])
        ink = light + rng.uniform(0.4, 0.9) * (1 - light) * hue
        hand = Hand(self.strokes, person, Manner.drawn(rng, unit, pen, rotation), rng, bitmaps)
        return _Writer(hand, ink.astype(np.float32), rng.uniform(*instrument.patchiness))


def _resolution(rng: np.random.Generator, least: float, most: float) -> tuple[float, int]:
    """Height of a digit while drawing, and by how much the picture is reduced afterwards."""
    unit = float(np.exp(rng.uniform(np.log(least), np.log(most))))
    chance = rng.random()
    zoom = 3 if unit < 24 and chance < 0.3 else 2 if unit < 40 and chance < 0.5 else 1
    return unit * zoom, zoom


def _multiple(size: float, zoom: int) -> int:
    return max(-(-round(size) // zoom), 8) * zoom


def _strip_text(rng: np.random.Generator, hand: Hand) -> tuple[Text, list[Written], float]:
    """A text, how it is written or printed, and the pitch of its comb, 0 without one."""
    unit = hand.manner.height
    kind = rng.random()
    if kind < 0.04:
        text = contents.words(rng, 4)
        return text, [Written(*one) for one in backgrounds.print_text(rng, text.chars, unit)], 0.0
    if kind < 0.11:
        text = contents.words(rng)
        return text, hand.line(text), 0.0
    if kind < 0.2:
        text, pitch = contents.plain(rng), unit * rng.uniform(0.85, 1.6)
        return text, hand.comb(text, pitch), pitch
    text = contents.numbers(rng)
    return text, hand.line(text), 0.0


def _strip_canvas(rng: np.random.Generator, written: list[Written], unit: float, zoom: int) -> tuple[Canvas, int, int]:
    """A canvas around the writing, now and then cutting it a little, and where the writing's origin comes to lie."""
    left, top, right, bottom = bounds(written)
    before, after = rng.uniform(0, 0.7 if rng.random() < 0.85 else 3, 2) * unit
    above, below = rng.uniform(-0.04, 0.6, 2) * unit
    height = _multiple(bottom - top + above + below, zoom)
    width = _multiple(right - left + before + after, zoom)
    return Canvas(rng, height, width, unit), round(before) - left, round(above) - top


def _surround(canvas: Canvas, baseline: float, writer: _Writer) -> None:
    """All that is on the paper before anybody writes."""
    rng = canvas.rng
    _print_ground(canvas, 0.1, 0.55, writer.contrast)
    cover = canvas.blank()
    if rng.random() < 0.3:
        backgrounds.ruled(rng, cover, canvas.unit, baseline, writer.rotation + rng.normal(0, 0.01))
    if rng.random() < 0.15:
        backgrounds.frame(rng, cover, canvas.unit, writer.rotation)
    if rng.random() < 0.1:
        _print_label(canvas, cover)
    _lay(canvas, cover, 0.25, 0.95)
    if rng.random() < 0.06:
        backgrounds.stamp(rng, cover := canvas.blank(), canvas.unit)
        _lay(canvas, cover, 0.2, 0.7)
    if rng.random() < 0.12:
        backgrounds.blots(rng, cover := canvas.blank(), canvas.unit)
        _lay(canvas, cover, 0.2, 0.9)


def _print_ground(canvas: Canvas, show_through: float, security: float, contrast: float) -> None:
    """With these chances, print that shines through and a security ground; never as dark as the ink will be."""
    rng = canvas.rng
    if rng.random() < show_through:
        _show_through(canvas)
    if rng.random() < security:
        cover = backgrounds.security_print(rng, canvas.height, canvas.width, canvas.unit)
        canvas.lay(cover, _print_colour(rng, min(rng.uniform(0.03, 0.42), 0.65 * contrast)))


def _lay(canvas: Canvas, cover: NDArray[np.uint8], palest: float, darkest: float) -> None:
    """Print a coverage uint8 (H, W) with a contrast between the two."""
    if cover.any():
        canvas.lay(cover.astype(np.float32) / 255, _print_colour(canvas.rng, canvas.rng.uniform(palest, darkest)))


def _print_colour(rng: np.random.Generator, contrast: float) -> NDArray[np.float32]:
    """Light (3,) BGR that a print sends back; `contrast` 0 is invisible, 1 black. Half of the prints are grey."""
    taken = rng.uniform(0.2, 1, 3) if rng.random() < 0.5 else np.ones(3)
    return np.asarray(1 - contrast * taken / taken.max(), dtype=np.float32)


def _show_through(canvas: Canvas) -> None:
    """Something faint and blurred, mirrored, from the other side of the paper."""
    rng = canvas.rng
    cover = canvas.blank()
    printed = backgrounds.print_text(rng, contents.words(rng, 6).chars, canvas.unit * rng.uniform(0.4, 1.2))
    for _ in range(2):
        x, y = rng.uniform(-0.2, 0.6) * canvas.width, rng.uniform(0.1, 1.2) * canvas.height
        canvas.add(cover, moved([Written(*one) for one in printed], round(x), round(y)), None)
    canvas.lay(backgrounds.blurred(cover[:, ::-1], canvas.unit * 0.05), _print_colour(rng, rng.uniform(0.05, 0.3)))


def _print_label(canvas: Canvas, cover: NDArray[np.uint8]) -> None:
    """A small printed word at the edge of the picture, partly cut off."""
    rng = canvas.rng
    size = canvas.unit * rng.uniform(0.25, 0.6)
    printed = [Written(*one) for one in backgrounds.print_text(rng, contents.words(rng, 2).chars, size)]
    y = canvas.height * rng.choice([0.0, 1.0]) + size * rng.uniform(0.2, 0.8)
    canvas.add(cover, moved(printed, round(rng.uniform(-0.3, 0.9) * canvas.width), round(y)), None)


def _print_comb(canvas: Canvas, x: int, y: int, pitch: float, cells: int, rotation: float) -> None:
    """Boxes or tick marks, one for each character."""
    rng, unit = canvas.rng, canvas.unit
    top, bottom = y - unit * rng.uniform(1.05, 1.4), y + unit * rng.uniform(0.05, 0.35)
    tick = bottom - unit * rng.uniform(0.15, 0.4) if rng.random() < 0.25 else top
    inset = pitch * rng.uniform(0.02, 0.08) if rng.random() < 0.25 else 0.0
    lines = []
    for cell in range(cells):
        left, right = x + cell * pitch + inset, x + (cell + 1) * pitch - inset
        lines += [[[left, tick], [left, bottom]], [[right, tick], [right, bottom]], [[left, bottom], [right, bottom]]]
        if tick == top:
            lines.append([[left, top], [right, top]])
    points = np.array(lines)
    points[..., 1] += (points[..., 0] - x) * np.tan(rotation)
    cover = canvas.blank()
    backgrounds.draw_lines(cover, points, unit * rng.uniform(0.02, 0.08))
    _lay(canvas, cover, 0.25, 0.95)


def _write_neighbour(canvas: Canvas, cover: NDArray[np.uint8], hand: Hand, baseline: int) -> None:
    """The same hand's writing above or below, of which only the edge is in the picture."""
    rng = canvas.rng
    visible = canvas.unit * rng.uniform(0.05, 0.35)
    written = hand.line(contents.numbers(rng) if rng.random() < 0.5 else contents.words(rng, 2))
    _, top, _, bottom = bounds(written)
    above = rng.random() < 0.5
    y = visible - bottom if above else canvas.height - visible - top
    clear = y + bottom < baseline - canvas.unit if above else y + top > baseline
    if clear:
        canvas.add(cover, moved(written, round(rng.uniform(-0.3, 0.6) * canvas.width), round(y)), None)


def _underline(canvas: Canvas, cover: NDArray[np.uint8], text: Text, rotation: float, baseline: int) -> None:
    """Strokes of the same pen under the writing: often under raised decimals, else now and then."""
    rng, unit = canvas.rng, canvas.unit
    raised = text.raised is not None
    boxes = [glyph.box for glyph in canvas.glyphs][-2 if raised else 0 :]
    if not boxes or rng.random() > (0.6 if raised else 0.08):
        return
    left = boxes[0].x - unit * rng.uniform(0, 0.3)
    right = boxes[-1].x + boxes[-1].width + unit * rng.uniform(0, 0.3)
    y = max(box.y + box.height for box in boxes) if raised else baseline
    slope = np.tan(rotation + rng.normal(0, 0.02)) * (right - left)
    for place in range(int(rng.integers(1, 3))):
        level = y + unit * (rng.uniform(0, 0.2) + 0.15 * place)
        backgrounds.draw_lines(
            cover, np.array([[[left, level], [right, level + slope]]]), unit * rng.uniform(0.05, 0.1)
        )


def _finish(canvas: Canvas, zoom: int, lines: tuple[str, ...]) -> Sample:
    light = canvas.light[..., 0] if canvas.light.shape[-1:] == (1,) else canvas.light
    return canvas.shrunk(backgrounds.scanned(canvas.rng, light, canvas.unit), zoom, lines)


class _Grid(NamedTuple):
    """Where the cells of a page lie, in pixels; `slope` is the fall of its rows per pixel."""

    left: float
    top: float
    cell: float
    pitch: float
    columns: int
    rows: int
    slope: float

    def baseline(self, row: int, x: float) -> float:
        """The line to write on, at `x`."""
        return self.top + (row + 0.78) * self.pitch + x * self.slope


def _print_grid(canvas: Canvas, grid: _Grid) -> None:
    """The page's form: nothing, rules, or a table's grid."""
    rng = canvas.rng
    right, bottom = grid.left + grid.columns * grid.cell, grid.top + grid.rows * grid.pitch
    rows = [[[grid.left, y], [right, y]] for y in grid.top + grid.pitch * np.arange(grid.rows + 1)]
    columns = [[[x, grid.top], [x, bottom]] for x in grid.left + grid.cell * np.arange(grid.columns + 1)]
    kind = rng.random()
    lines = np.array(rows + columns if kind < 0.45 else rows if kind < 0.7 else [])
    cover = canvas.blank()
    if len(lines):
        turned = lines + lines[..., ::-1] * [-grid.slope, grid.slope]
        backgrounds.draw_lines(cover, turned, canvas.unit * rng.uniform(0.02, 0.1), rng.uniform(0.4, 1))
    _lay(canvas, cover, 0.25, 0.95)


def _fill(canvas: Canvas, grid: _Grid, writer: _Writer) -> tuple[str, ...]:
    """Write into the cells; returns the digits of each text line that has any writing."""
    rng = canvas.rng
    ink, printing = canvas.blank(), canvas.blank()
    filled, wordy = rng.uniform(0.5, 1), rng.uniform(0, 0.5) if rng.random() < 0.85 else 1.0
    lines: list[str] = []
    for row in range(grid.rows):
        truths = []
        for column in range(grid.columns):
            cell = _cell(rng, writer.hand, grid.cell, wordy) if rng.random() < filled else None
            if cell is None:
                continue
            left, _, right, _ = bounds(cell.written)
            x = grid.left + column * grid.cell + (grid.cell - (right - left)) * rng.uniform(0.05, 0.95)
            y = grid.baseline(row, x) + canvas.unit * rng.normal(0, 0.05)
            cover = printing if cell.printed else ink
            canvas.add(cover, moved(cell.written, round(x - left), round(y)), len(lines))
            truths.append(cell.truth)
        if truths:
            lines.append(" ".join(filter(None, truths)))
    _lay(canvas, printing, 0.5, 0.95)
    canvas.ink(ink, writer.ink, writer.patchiness)
    return tuple(lines)


class _Cell(NamedTuple):
    """What stands in a cell of a page."""

    written: list[Written]
    truth: str
    printed: bool


def _cell(rng: np.random.Generator, hand: Hand, width: float, wordy: float) -> _Cell | None:
    """Something that fits into a cell, in a few attempts; words with the chance `wordy`, some of them printed."""
    for _ in range(3):
        printed = False
        if rng.random() < wordy:
            text, printed = contents.words(rng, 2), rng.random() < 0.5
        else:
            text = contents.numbers(rng)
        if printed:
            size = hand.manner.height * rng.uniform(0.4, 0.9)
            written = [Written(*one) for one in backgrounds.print_text(rng, text.chars, size)]
        else:
            written = hand.line(text)
        left, _, right, _ = bounds(written)
        if written and right - left <= width:
            return _Cell(written, text.truth, printed)
    return None
