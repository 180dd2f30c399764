"""Labels what a lattice really contains: the steps of a scan run over synthetic lines whose every character is known.

A classifier that is trained on these candidates has seen exactly what it will meet: digits as the ink and segment
steps leave them, halves of digits, two digits together, points, dashes, letters and crumbs of rules.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import cv2
import numpy as np

from digitscan.allographs import with_invented_writers
from digitscan.contents import DIGITS
from digitscan.errors import DigitscanError
from digitscan.hands import Bitmaps
from digitscan.ink import find_ink
from digitscan.model import sha256
from digitscan.normalize import normalize_all
from digitscan.pool import LossyPool
from digitscan.schema import (
    FRAME,
    NOT_A_DIGIT,
    NOTHING,
    UNCERTAIN,
    WRONG_CUT,
    Ink,
    LabelledLine,
    Layout,
    Samples,
    StripPredictor,
)
from digitscan.segment import segment
from digitscan.strokes import StrokeSet
from digitscan.synth import Synthesizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from digitscan.canvas import Sample
    from digitscan.strips import Strip

Part = TypeVar("Part")

_WHOLE, _PART = 0.8, 0.6
"""Share of a digit's ink: from the first on it is all there, below the second it is a part."""

_CLEAN, _UNCLEAN = 0.2, 0.35
"""Share of other ink in a candidate: up to the first it may be anything, up to the second no other character's."""

_BLUR = 5
"""In working pixels: the ink this near to a character's strokes is its own."""

_NO_DIGIT = 0.1
"""Share of digit ink in a candidate that is a mark."""


_DIGIT_LIKE = frozenset("OoIl|SZBbqg")
"""Letters that only their neighbours tell from digits: a classifier of single glyphs can't learn them."""

_MARK, _LOOKALIKE = -1, -2

_LINES_A_TASK = 250

_WEIGHT_LINES = 9000
"""Synthetic lines that the path weights are fitted on; there are few of these weights."""

_SHARES = {NOT_A_DIGIT: 0.6, WRONG_CUT: 1.0}
"""Marks and wrong cuts kept for each digit; lattices hold several times as many, all much alike."""


_MIDDLE, _NEAR = 0.15, 0.3
"""In widths of a digit: up to the first, a frame is in its middle; from the second on it is not."""

_LEAST_MIDDLE, _LEAST_NEAR = 2.0, 3.0
"""The same in columns of a strip, for narrow digits: a 1 that is asked for in one frame only is missed as often as not,
since nobody can tell its middle to the pixel.
"""

_VISIBLE = 0.5
"""Share of a digit's ink that must have been found for the digit to be there."""

_INVENTED_WRITERS = 1500

_HELD_OUT = 0.08
"""Share of the writers whose lines only the path weights are fitted on: networks are too sure of hands they know."""


class StripSamples(NamedTuple):
    """Strips of lines and what is in their frames, both as in `LabelledLine`."""

    strips: Sequence[NDArray[np.uint8]]
    frames: Sequence[NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Lessons:
    """What synthetic lines teach: `candidates` and `strips` for the networks, other writers' `lines` for path weights.

    `sources` are the files that the lines were written with, by name, with their SHA-256.
    """

    candidates: Samples
    strips: StripSamples
    lines: Sequence[LabelledLine]
    sources: dict[str, str]


_synthesizer: Synthesizer
_read_strips: StripPredictor | None = None
"""In a worker: what it makes lines with, and what it cuts them with; sent once, not with each task."""


def write_lessons(
    synthesizers: tuple[Synthesizer, Synthesizer],
    lines: int,
    progress: Callable[[int, int], None],
    strokes: Sequence[Path],
) -> Lessons:
    """Write `lines` lines with the first synthesizer, and with the second as many as path weights need.

    `progress` is told the lines done and wanted; `strokes` are the files that the synthesizers write with.
    """
    training, held_out = synthesizers
    candidates, strips = make_candidates(training, lines, progress)
    return Lessons(candidates, strips, make_lines(held_out), source_checksums(strokes))


def source_checksums(strokes: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of the files of pen strokes by their names."""
    return {path.name: sha256(path.read_bytes()) for path in strokes}


def make_synthesizers(
    strokes: Sequence[Path], bitmaps: Sequence[Samples], seed: int
) -> tuple[Synthesizer, Synthesizer]:
    """Two that write with the pen strokes of these files and with these pictures of digits.

    The first is to train with; the digits' writers of the second are others, as far as there are enough of them.
    """
    sets = [StrokeSet.load(path) for path in strokes]
    digits = StrokeSet.merged([found.select(np.isin(found.labels, list(DIGITS))) for found in sets])
    others = [found.select(~np.isin(found.labels, list(DIGITS))) for found in sets]
    # Only digits are weeded: among letters and signs, many look alike.
    held_out, training = digits.weeded().split_by_writer(_HELD_OUT, seed)
    held_out = held_out if set(DIGITS) <= set(held_out.by_label) else training
    pictures = [Bitmaps(*pair) for pair in bitmaps]
    first, second = (
        Synthesizer(
            with_invented_writers(StrokeSet.merged([part, *others]), _INVENTED_WRITERS, part_seed), pictures, part_seed
        )
        for part, part_seed in ((training, seed), (held_out, seed + 1))
    )
    return first, second


def make_candidates(
    synthesizer: Synthesizer, lines: int, progress: Callable[[int, int], None]
) -> tuple[Samples, StripSamples]:
    """Labelled candidates of the first `lines` synthetic lines, and the strips of these lines.

    Depends on the synthesizer alone, not on the number of processors. `progress` is told the lines done and wanted.
    """
    parts = []
    for end, part in _in_parts(synthesizer, lines, _label_lines):
        parts.append(part)
        progress(end, lines)
    images, labels, strips = zip(*parts, strict=True)
    joined = StripSamples(*(list(chain.from_iterable(each)) for each in zip(*strips, strict=True)))
    return Samples(np.concatenate(images), np.concatenate(labels)), joined


def make_lines(
    synthesizer: Synthesizer, read_strips: StripPredictor | None = None, lines: int = _WEIGHT_LINES
) -> list[LabelledLine]:
    """The first `lines` synthetic lines, cut apart as in a scan with the line reader `read_strips`."""
    return [line for _, part in _in_parts(synthesizer, lines, _write_lines, read_strips) for line in part]


def _in_parts(
    synthesizer: Synthesizer,
    lines: int,
    task: Callable[[tuple[int, int]], Part],
    read_strips: StripPredictor | None = None,
) -> Iterator[tuple[int, Part]]:
    """What `task` makes of the synthesizer's lines, in worker processes and in order: the lines done, and a part."""
    spans = [*pairwise([*range(0, lines, _LINES_A_TASK), lines])]
    with LossyPool(os.cpu_count() or 1, None, _take_tools, synthesizer, read_strips) as pool:
        outcomes = [pool.submit(_once, task, span) for span in spans]
        for (_, end), outcome in zip(spans, outcomes, strict=True):
            parts = outcome.result().items
            if not parts:
                raise DigitscanError(
                    "a process that writes lines was killed, usually for want of memory; try again with more free"
                )
            yield end, parts[0]


def _once(task: Callable[[tuple[int, int]], Part], span: tuple[int, int]) -> Iterator[Part]:
    yield task(span)


def _take_tools(synthesizer: Synthesizer, read_strips: StripPredictor | None) -> None:
    global _synthesizer, _read_strips
    _synthesizer, _read_strips = synthesizer, read_strips


def _write_lines(span: tuple[int, int]) -> list[LabelledLine]:
    return [line for index in range(*span) for line in label_sample(_synthesizer.line(index), _read_strips)]


def _label_lines(span: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], StripSamples]:
    found = _write_lines(span)
    glyphs = np.concatenate([line.glyphs for line in found])
    labels = np.concatenate([line.labels for line in found])
    rng = np.random.default_rng(np.random.SeedSequence([_synthesizer.seed, span[0]]))
    digits = np.flatnonzero(labels < NOT_A_DIGIT)
    chosen = [digits]
    for label, share in _SHARES.items():
        alike = np.flatnonzero(labels == label)
        count = min(len(alike), round(share * len(digits)))
        chosen.append(rng.choice(alike, count, replace=False))
    order = np.concatenate(chosen)
    return glyphs[order], labels[order], StripSamples([line.strip for line in found], [line.frames for line in found])


def label_sample(sample: Sample, read_strips: StripPredictor | None = None) -> list[LabelledLine]:
    """The text lines of a synthetic strip: one, or none where no ink is found; cut apart with a line reader's help."""
    ink = find_ink(sample.pixels, deskew=False)
    written = cv2.resize(sample.owner(), ink.mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    owner = _with_blur(np.asarray(written, np.int16))
    characters = [glyph.label for glyph in sample.glyphs]
    digits = np.array([*(int(label) if label in DIGITS else _MARK for label in characters), _MARK])
    digits[[index for index, label in enumerate(characters) if label in _DIGIT_LIKE]] = _LOOKALIKE
    # Ink of nobody counts as one more character, the last one.
    owner = np.where(owner < 0, len(sample.glyphs), owner)
    totals = np.bincount(owner[ink.mask], minlength=len(digits))
    visible = totals >= _VISIBLE * np.bincount(written[written >= 0], minlength=len(digits))
    segments = segment(ink, Layout.LINE, read_strips)
    glyphs = normalize_all(segments.inks)
    labelled, end = [], 0
    for lattice, strip in zip(segments.lattices, segments.strips, strict=True):
        start, end = end, end + len(lattice.edges)
        known = [
            _label(_own(owner, box, part, len(digits)), totals, digits)
            for box, part in zip(lattice.boxes.tolist(), segments.inks[start:end], strict=True)
        ]
        labels, readings = np.array(known, np.uint8).T
        frames = _frames(sample, ink, strip, np.where(visible, digits, _LOOKALIKE))
        text = "".join(characters)
        labelled.append(LabelledLine(lattice, glyphs[start:end], labels, readings, strip.pixels, frames, text))
    return labelled


def _frames(sample: Sample, ink: Ink, strip: Strip, digits: NDArray[np.intp]) -> NDArray[np.uint8]:
    """The digit in whose middle each frame of a strip lies, uint8 (T,); UNCERTAIN beside the middle.

    `digits` has what each character is: a digit, `_MARK`, or `_LOOKALIKE` where that is uncertain.
    """
    boxes = [glyph.box for glyph in sample.glyphs]
    middles = np.array([box.x + box.width / 2 for box in boxes]) / ink.to_page[0, 0]
    widths = np.array([box.width for box in boxes]) / ink.to_page[0, 0] * strip.scale
    count = -(-strip.pixels.shape[1] // FRAME)
    away = np.abs(FRAME * np.arange(count) + (FRAME - 1) / 2 - strip.columns(middles)[:, None])
    frames = np.full(count, NOTHING, np.uint8)
    known, unsure = digits[:-1] >= 0, digits[:-1] == _LOOKALIKE
    near = away <= np.maximum(_NEAR * widths, _LEAST_NEAR)[:, None]
    beside = away <= widths[:, None] / 2
    frames[(near & known[:, None]).any(axis=0) | (beside & unsure[:, None]).any(axis=0)] = UNCERTAIN
    middle = (away <= np.maximum(_MIDDLE * widths, _LEAST_MIDDLE)[:, None]) & known[:, None]
    # Where the middles of two digits meet, the frame is that of the nearer one.
    nearest = np.where(middle, away, np.inf).argmin(axis=0) if len(boxes) else np.zeros(count, np.intp)
    inside = middle.any(axis=0)
    frames[inside] = digits[nearest[inside]]
    return frames


def _with_blur(owner: NDArray[np.int16]) -> NDArray[np.int16]:
    """Who wrote each pixel of the working picture; blur carries ink a little beyond the strokes."""
    around = cv2.dilate(owner, np.ones((_BLUR, _BLUR), np.uint8))
    return np.where(owner < 0, around, owner)


def _own(owner: NDArray[np.int16], box: list[int], ink: NDArray[np.uint8], count: int) -> NDArray[np.intp]:
    """How many pixels of a candidate each character wrote."""
    top, left = max(0, box[1] - 1), max(0, box[0] - 1)
    window = owner[top : top + ink.shape[0], left : left + ink.shape[1]]
    return np.bincount(window[ink > 96], minlength=count)


def _label(own: NDArray[np.intp], totals: NDArray[np.intp], digits: NDArray[np.intp]) -> tuple[int, int]:
    """The class of a candidate, and what it is on a right path: there also a digit without the ink that it shares."""
    is_digit = digits >= 0
    size = max(1, own.sum())
    if own[is_digit].sum() < _NO_DIGIT * size:
        label = NOT_A_DIGIT if own[digits == _LOOKALIKE].sum() < _CLEAN * size else UNCERTAIN
        return label, label
    best = int(np.argmax(np.where(is_digit, own, -1)))
    covered = own[best] / max(1, totals[best])
    foreign = 1 - own[best] / size
    characters = 1 - (own[best] + own[-1]) / size
    if covered >= _WHOLE and (foreign <= _CLEAN or (foreign <= _UNCLEAN and characters <= _CLEAN / 2)):
        return int(digits[best]), int(digits[best])
    others = np.delete(own[:-1] / np.maximum(1, totals[:-1]), best)
    if covered < _PART or foreign > 2 * _CLEAN or others.max(initial=0) > 1 - _PART:
        return WRONG_CUT, WRONG_CUT
    return UNCERTAIN, int(digits[best])
