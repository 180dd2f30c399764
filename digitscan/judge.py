"""What the plots of an evaluation are drawn from: which digits are mistaken for which, what confidences are worth, and
the worst errors with their pictures.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digitscan.model import DIGIT_COUNT, score_classes
from digitscan.pictures import PagePixels, cut_out
from digitscan.schema import NOT_A_DIGIT, Box, PageFailure, PageNumbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from digitscan.schema import Samples, Settings
    from digitscan.truth import ComparedLine, ComparedPage

_WORST = 24
"""How many errors are kept: the surest ones."""

_AROUND = 5
"""Digits shown before and after the one that is wrong."""


class Mistake(NamedTuple):
    """An error: its picture, uint8 (H, W) grey or (H, W, 3) BGR, dark on light; what is right and what was read."""

    picture: NDArray[np.uint8]
    right: str
    read: str
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """How N digits or lines were read.

    `confusion` is int64 (10, 11) as in `ModelResult`; `confidences` float64 (R,), 0 to 1, and `right` bool (R,) are
    those of what was read at all, R of `total`; `worst` are the errors with the highest confidence, falling.
    """

    unit: str
    confusion: NDArray[np.int64]
    confidences: NDArray[np.float64]
    right: NDArray[np.bool_]
    total: int
    worst: list[Mistake]


def judge_digits(probabilities: NDArray[np.float32], samples: Samples) -> Judgement:
    """Judge a classifier by its probabilities of some digits, float32 (N, 12)."""
    images, labels = samples
    read = probabilities.argmax(axis=1)
    confidences, right = probabilities.max(axis=1).astype(np.float64), read == labels
    wrong = np.flatnonzero(~right)
    worst = wrong[np.argsort(-confidences[wrong], kind="stable")][:_WORST]
    mistakes = [
        Mistake(~images[at], str(labels[at]), str(read[at]) if read[at] < NOT_A_DIGIT else "none", confidences[at])
        for at in worst.tolist()
    ]
    confusion = score_classes(read, labels).confusion
    return Judgement("digits", confusion, confidences, right, len(labels), mistakes)


def _mistake(pixels: NDArray[np.uint8], line: ComparedLine, page: PageNumbers) -> Mistake:
    """The first digit that is wrong in a line, with a few before and after it."""
    digits = [digit for number in page.numbers if number.line == line.read_line for digit in number.digits]
    right, read = (text.replace(" ", "") for text in (line.expected, line.read))
    differing = (place for place, pair in enumerate(zip(right, read, strict=False)) if pair[0] != pair[1])
    wrong = next(differing, min(len(right), len(read)))
    part = slice(max(0, wrong - _AROUND), wrong + _AROUND + 1)
    right, read = ("…" * (part.start > 0) + text[part] + "…" * (part.stop < len(text)) for text in (right, read))
    box = Box.around([digit.box for digit in digits[part]])
    return Mistake(cut_out(pixels, box), right or "nothing", read, line.confidence or 0.0)


class LineJudge:
    """Judges the lines of pages in the order of a scan."""

    def __init__(self, settings: Settings) -> None:
        """`settings` are those of the scan."""
        self._pixels = PagePixels(settings)
        self._confusion = np.zeros((DIGIT_COUNT, DIGIT_COUNT + 1), np.int64)
        self._read: list[tuple[float, bool]] = []
        self._total = 0
        self._worst: list[tuple[float, int, Mistake]] = []
        self._order = count()

    def add(self, compared: ComparedPage, page: PageNumbers | PageFailure) -> None:
        """Judge a page, which was compared with what is written on it."""
        self._total += len(compared.lines)
        bad: list[ComparedLine] = []
        for line in compared.lines:
            expected, read = line.expected.replace(" ", ""), line.read.replace(" ", "")
            if len(expected) == len(read):  # Else it isn't known which digit was read as which.
                for pair in zip(map(int, expected), map(int, read), strict=True):
                    self._confusion[pair] += 1
            if line.confidence is not None:
                self._read.append((line.confidence, line.right))
                bad += [] if line.right else [line]
        if isinstance(page, PageNumbers):
            self._keep(page, bad)

    def _keep(self, page: PageNumbers, bad: list[ComparedLine]) -> None:
        """Keep the pictures of the lines that are among the worst so far."""
        least = self._worst[0][0] if len(self._worst) == _WORST else -1.0
        found = self._pixels.upright(page) if any((line.confidence or 0.0) > least for line in bad) else None
        if found is None:
            return
        upright, read = found
        for line in bad:
            mistake = _mistake(upright.pixels, line, read)
            heapq.heappush(self._worst, (mistake.confidence, next(self._order), mistake))
            if len(self._worst) > _WORST:
                heapq.heappop(self._worst)

    def judgement(self) -> Judgement:
        """What came of all pages."""
        worst = [mistake for *_, mistake in sorted(self._worst, key=lambda item: item[:2], reverse=True)]
        confidences, right = zip(*self._read, strict=True) if self._read else ((), ())
        return Judgement(
            "lines", self._confusion, np.array(confidences, float), np.array(right, bool), self._total, worst
        )
