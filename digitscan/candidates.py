"""Labels what a lattice really contains: the steps of a scan run over synthetic lines whose every character is known.

A classifier that is trained on these candidates has seen exactly what it will meet: digits as the ink and segment
steps leave them, halves of digits, two digits together, points, dashes, letters and crumbs of rules.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from digitscan.contents import DIGITS
from digitscan.hands import Bitmaps
from digitscan.ink import find_ink
from digitscan.model import sha256
from digitscan.normalize import normalize_all
from digitscan.pool import workers
from digitscan.schema import NOT_A_DIGIT, WRONG_CUT, Lattice, Layout, Samples
from digitscan.segment import segment
from digitscan.strokes import StrokeSet
from digitscan.synth import Synthesizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from digitscan.canvas import Sample

UNCERTAIN = 255
"""Label of a candidate that a person would argue about; not trained on."""

_WHOLE, _PART = 0.9, 0.6
"""Share of a digit's ink: from the first on it is all there, below the second it is a part."""

_CLEAN, _UNCLEAN = 0.15, 0.35
"""Share of other ink in a candidate: up to the first it may be anything, up to the second no other character's."""

_BLUR = 5
"""In working pixels: the ink this near to a character's strokes is its own."""

_NO_DIGIT = 0.1
"""Share of digit ink in a candidate that is a mark."""


_DIGIT_LIKE = frozenset("OoIl|SZBbqg")
"""Letters that only their neighbours tell from digits: a classifier of single glyphs can't learn them."""

_MARK, _LOOKALIKE = -1, -2

_LINES_A_TASK = 250

_WEIGHT_LINES = 3000
"""Synthetic lines that the path weights are fitted on; there are few of these weights."""

_SHARES = {NOT_A_DIGIT: 0.6, WRONG_CUT: 1.0}
"""Marks and wrong cuts kept for each digit; lattices hold several times as many, all much alike."""


class Labelled(NamedTuple):
    """Lattices, the glyphs of their edges uint8 (E, 28, 28) and the classes of these uint8 (E,)."""

    lattices: Sequence[Lattice]
    glyphs: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Lessons:
    """What synthetic lines teach: `candidates` for the network, other lines' `lattices` for the path weights.

    `sources` are the files that the lines were written with, by name, with their SHA-256.
    """

    candidates: Samples
    lattices: Labelled
    sources: dict[str, str]


_synthesizer: Synthesizer
"""In a worker: what it makes lines with; sent once, not with each task."""


def write_lessons(
    strokes: Sequence[Path],
    bitmaps: Sequence[Samples],
    lines: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> Lessons:
    """Write `lines` synthetic lines and as many more as path weights need.

    They are written with the pen strokes of the files `strokes`, and with pictures of digits, ink 255 on 0, of any
    size. `progress` is told the lines done and wanted.
    """
    synthesizer = make_synthesizer(strokes, bitmaps, seed)
    candidates = make_candidates(synthesizer, lines, progress)
    sources = {path.name: sha256(path.read_bytes()) for path in strokes}
    return Lessons(candidates, make_lattices(synthesizer, lines, _WEIGHT_LINES), sources)


def make_synthesizer(strokes: Sequence[Path], bitmaps: Sequence[Samples], seed: int) -> Synthesizer:
    """One that writes with the pen strokes of these files, and with these pictures of digits."""
    sets = [StrokeSet.load(path) for path in strokes]
    digits = [found.select(np.isin(found.labels, list(DIGITS))) for found in sets]
    others = [found.select(~np.isin(found.labels, list(DIGITS))) for found in sets]
    # Only digits are weeded: among letters and signs, many look alike.
    merged = StrokeSet.merged([StrokeSet.merged(digits).weeded(), *others])
    return Synthesizer(merged, [Bitmaps(*pair) for pair in bitmaps], seed)


def make_candidates(synthesizer: Synthesizer, lines: int, progress: Callable[[int, int], None]) -> Samples:
    """Labelled candidates of the first `lines` synthetic lines.

    Depends on the synthesizer alone, not on the number of processors. `progress` is told the lines done and wanted.
    """
    ends = [*range(0, lines, _LINES_A_TASK), lines]
    parts = []
    with workers(os.cpu_count() or 1, _take_synthesizer, synthesizer) as pool:
        for end, part in zip(ends[1:], pool.map(_label_lines, pairwise(ends)), strict=True):
            parts.append(part)
            progress(end, lines)
    return Samples(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def make_lattices(synthesizer: Synthesizer, first: int, lines: int) -> Labelled:
    """All candidates of synthetic lines number `first` and on, as the lattices that they stand in.

    Lines with more marks than digits, such as words, are left out where there are others: from these one would learn to
    skip digits.
    """
    found = [part for index in range(first, first + lines) for part in label_sample(synthesizer.line(index))]
    numbers = [part for part in found if np.sum(part[2] < NOT_A_DIGIT) > np.sum(part[2] == NOT_A_DIGIT)]
    lattices, glyphs, labels = zip(*(numbers or found), strict=True)
    return Labelled(lattices, np.concatenate(glyphs), np.concatenate(labels))


def _take_synthesizer(synthesizer: Synthesizer) -> None:
    global _synthesizer
    _synthesizer = synthesizer


def _label_lines(span: tuple[int, int]) -> Samples:
    found = [part for index in range(*span) for part in label_sample(_synthesizer.line(index))]
    glyphs = np.concatenate([part[1] for part in found])
    labels = np.concatenate([part[2] for part in found])
    rng = np.random.default_rng(np.random.SeedSequence([_synthesizer.seed, span[0]]))
    digits = np.flatnonzero(labels < NOT_A_DIGIT)
    chosen = [digits]
    for label, share in _SHARES.items():
        alike = np.flatnonzero(labels == label)
        count = min(len(alike), round(share * len(digits)))
        chosen.append(rng.choice(alike, count, replace=False))
    order = np.concatenate(chosen)
    return Samples(glyphs[order], labels[order])


def label_sample(sample: Sample) -> list[tuple[Lattice, NDArray[np.uint8], NDArray[np.uint8]]]:
    """The lattices of a synthetic strip, each with its glyphs, uint8 (E, 28, 28), and their classes, uint8 (E,)."""
    ink = find_ink(sample.pixels, deskew=False)
    owner = _owner(sample, ink.mask.shape)
    characters = [glyph.label for glyph in sample.glyphs]
    digits = np.array([*(int(label) if label in DIGITS else _MARK for label in characters), _MARK])
    digits[[index for index, label in enumerate(characters) if label in _DIGIT_LIKE]] = _LOOKALIKE
    # Ink of nobody counts as one more character, the last one.
    owner = np.where(owner < 0, len(sample.glyphs), owner)
    totals = np.bincount(owner[ink.mask], minlength=len(digits))
    segments = segment(ink, Layout.LINE)
    glyphs = normalize_all(segments.inks)
    labelled, end = [], 0
    for lattice in segments.lattices:
        start, end = end, end + len(lattice.edges)
        labels = [
            _label(_own(owner, box, part, len(digits)), totals, digits)
            for box, part in zip(lattice.boxes.tolist(), segments.inks[start:end], strict=True)
        ]
        labelled.append((lattice, glyphs[start:end], np.array(labels, np.uint8)))
    return labelled


def _owner(sample: Sample, shape: tuple[int, ...]) -> NDArray[np.int16]:
    """Who wrote each pixel of the working picture; blur carries ink a little beyond the strokes."""
    owner = cv2.resize(sample.owner(), shape[::-1], interpolation=cv2.INTER_NEAREST)
    around = cv2.dilate(owner, np.ones((_BLUR, _BLUR), np.uint8))
    return np.where(owner < 0, around, owner)


def _own(owner: NDArray[np.int16], box: list[int], ink: NDArray[np.uint8], count: int) -> NDArray[np.intp]:
    """How many pixels of a candidate each character wrote."""
    top, left = max(0, box[1] - 1), max(0, box[0] - 1)
    window = owner[top : top + ink.shape[0], left : left + ink.shape[1]]
    return np.bincount(window[ink > 96], minlength=count)


def _label(own: NDArray[np.intp], totals: NDArray[np.intp], digits: NDArray[np.intp]) -> int:
    size = max(1, own.sum())
    is_digit = digits >= 0
    if own[is_digit].sum() < _NO_DIGIT * size:
        return NOT_A_DIGIT if own[digits == _LOOKALIKE].sum() < _CLEAN * size else UNCERTAIN
    best = int(np.argmax(np.where(is_digit, own, -1)))
    covered = own[best] / max(1, totals[best])
    foreign = 1 - own[best] / size
    characters = 1 - (own[best] + own[-1]) / size
    if covered >= _WHOLE and (foreign <= _CLEAN or (foreign <= _UNCLEAN and characters <= _CLEAN / 2)):
        return int(digits[best])
    others = np.delete(own[:-1] / np.maximum(1, totals[:-1]), best)
    if covered < _PART or foreign > 2 * _CLEAN or others.max(initial=0) > 1 - _PART:
        return WRONG_CUT
    return UNCERTAIN
