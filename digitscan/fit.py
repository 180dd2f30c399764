"""Fits the weights of `decode.py` on synthetic lines, so that the right paths through their lattices are likely ones.

Maximum likelihood of a conditional random field with hidden segmentation (after L. Morency et al., Latent-dynamic
discriminative models, 2007): the gradient is what the features sum to along right paths less what they sum to along
all paths, both from forward-backward.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digitscan import paths
from digitscan.contents import DIGITS
from digitscan.decode import (
    DIGIT_FEATURES,
    MARK_FEATURES,
    PLAIN_WEIGHTS,
    Features,
    as_kinds,
    doubted,
    edge_scores,
    features,
    read_lines,
)
from digitscan.schema import NOT_A_DIGIT, LabelledLine, Lattice, PathWeights, StripPredictor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_STEPS = 300
_RATE = 0.1
_MOMENTS = (0.9, 0.99)
"""Of Adam (D. Kingma and J. Ba, 2015)."""

_GROUP = 128
"""Lattices that are worked on together."""

_SHARPNESS = np.geomspace(0.25, 2.0, 40).tolist()

_PLAIN = frozenset(DIGITS + ".,-=")
"""Characters of lines that the path weights are fitted on."""

_LETTERS: Sequence[float] = np.linspace(0.0, -12.0, 25).tolist()

_LEAST_CHANCE = 1e-6
"""A number that is wrong against all odds counts as one in a million."""

_PULL = 1e-3
"""Towards the plain weights: keeps a feature that synthetic lines say nothing of where it was."""


class Known(NamedTuple):
    """Lattices, their edges' class probabilities float32 (E, 12) and what they are on right paths uint8 (E,), and the
    line reader's frames of each lattice float32 (T, 11), or None.
    """

    lattices: Sequence[Lattice]
    probabilities: NDArray[np.float32]
    readings: NDArray[np.uint8]
    frames: Sequence[NDArray[np.float32]] | None = None


def fit_lines(
    lines: Sequence[LabelledLine],
    classify: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    read_strips: StripPredictor | None = None,
) -> PathWeights:
    """All weights for a classifier and perhaps a line reader, from what they say of these lines.

    Lines of digits and plain marks say what a path should look like. Among letters and other signs, some are just like
    digits: there one would learn to distrust the networks. Such lines only say how much to doubt digits among letters.
    """
    plain = [line for line in lines if _PLAIN.issuperset(line.text)]
    others = [line for line in lines if not _PLAIN.issuperset(line.text)]
    weights = fit_weights(_known(plain or lines, classify, read_strips))
    if not others:
        return weights
    digits = ["".join(filter(DIGITS.__contains__, line.text)) for line in others]
    return weights._replace(letters=fit_letters(_known(others, classify, read_strips), digits, weights))


def _known(
    lines: Sequence[LabelledLine],
    classify: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    read_strips: StripPredictor | None,
) -> Known:
    return Known(
        [line.lattice for line in lines],
        classify(np.concatenate([line.glyphs for line in lines])),
        np.concatenate([line.readings for line in lines]),
        read_strips([line.strip for line in lines]) if read_strips else None,
    )


def fit_letters(known: Known, texts: Sequence[str], weights: PathWeights) -> float:
    """What makes the confidences of numbers likeliest, where each line of `known` says the digits of its text."""
    lines = read_lines(known.lattices, known.probabilities, known.frames, weights)
    right = ["".join(read.number.text for read in line) == text for line, text in zip(lines, texts, strict=True)]
    outcomes = [(read, is_right) for line, is_right in zip(lines, right, strict=True) for read in line]

    def likelihood(letters: float) -> float:
        sure = np.array([doubted(read, letters).confidence for read, _ in outcomes])
        chances = np.where([is_right for _, is_right in outcomes], sure, 1 - sure)
        return float(np.log(np.maximum(chances, _LEAST_CHANCE)).sum())

    return max(_LETTERS, key=likelihood)


class _Line(NamedTuple):
    """What is known of one lattice; `right` (E, 11) says whether a right path may read the edge so."""

    lattice: Lattice
    probabilities: NDArray[np.float32]
    right: NDArray[np.bool_]
    frames: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class _Problem:
    """Some lattices of about the same length."""

    lattices: Sequence[Lattice]
    inputs: Features
    right: NDArray[np.bool_]


def fit_weights(known: Known) -> PathWeights:
    """The weights that make the right readings of `known` most likely. Lattices without a right path don't count.

    The sharpness is fitted on every third lattice, which the other weights haven't seen.
    """
    lines = _lines(known)
    held_out = lines[2::3]
    weights = _fit(_problems([line for place, line in enumerate(lines) if place % 3 != 2]))
    problems = _problems(held_out)
    return weights._replace(sharpness=max(_SHARPNESS, key=lambda by: _likelihood(problems, weights, by)))


def _lines(known: Known) -> list[_Line]:
    ends = np.cumsum([len(lattice.edges) for lattice in known.lattices])[:-1]
    right = known.readings[:, None] == np.arange(NOT_A_DIGIT + 1)
    frames: Sequence[NDArray[np.float32] | None] = known.frames or [None] * len(known.lattices)
    parts = np.split(known.probabilities, ends), np.split(right, ends)
    return [_Line(*each) for each in zip(known.lattices, *parts, frames, strict=True)]


def _problems(lines: Sequence[_Line]) -> list[_Problem]:
    """The lines that have a right path, in groups of alike length: the longest of a group sets the work for all."""
    ordered = sorted(lines, key=lambda line: int(line.lattice.edges[:, 1].max()))
    groups = [ordered[start : start + _GROUP] for start in range(0, len(ordered), _GROUP)]
    solvable = [list(itertools.compress(group, _solvable(group))) for group in groups]
    return [_problem(group) for group in solvable if group]


def _solvable(lines: Sequence[_Line]) -> NDArray[np.bool_]:
    lattices = [line.lattice for line in lines]
    index = paths.pairs(lattices)
    possible = as_kinds(np.where(np.concatenate([line.right for line in lines]), 0.0, -np.inf))
    table = paths.scores(lattices, possible, index, np.zeros(len(index.first)))
    return np.isfinite(paths.log_total(paths.forward(table)))


def _problem(lines: Sequence[_Line]) -> _Problem:
    lattices = [line.lattice for line in lines]
    frames = [line.frames for line in lines if line.frames is not None]
    probabilities = np.concatenate([line.probabilities for line in lines])
    return _Problem(
        lattices, features(lattices, probabilities, frames or None), np.concatenate([line.right for line in lines])
    )


def _fit(problems: Sequence[_Problem]) -> PathWeights:
    start = np.array([*PLAIN_WEIGHTS.digit, *PLAIN_WEIGHTS.mark, *PLAIN_WEIGHTS.pair])
    weights, mean, square = start.copy(), np.zeros_like(start), np.zeros_like(start)
    count = sum(len(problem.lattices) for problem in problems)
    for step in range(1, _STEPS + 1):
        unpacked = _unpacked(weights)
        gradient = sum(_gradient(problem, unpacked) for problem in problems) / max(1, count) - _PULL * (weights - start)
        mean += (1 - _MOMENTS[0]) * (gradient - mean)
        square += (1 - _MOMENTS[1]) * (gradient**2 - square)
        rate = _RATE * (1 - step / (_STEPS + 1))
        weights += rate * (mean / (1 - _MOMENTS[0] ** step)) / np.sqrt(square / (1 - _MOMENTS[1] ** step) + 1e-12)
    return _unpacked(weights)


def _unpacked(weights: Floats) -> PathWeights:
    parts = np.split(weights, np.cumsum([len(DIGIT_FEATURES), len(MARK_FEATURES)]))
    digit, mark, pair = (tuple(part.tolist()) for part in parts)
    return PathWeights(digit, mark, pair)


def _likelihood(problems: Sequence[_Problem], weights: PathWeights, sharpness: float) -> float:
    """Sum of the log-probabilities of the right readings."""
    return sum(_log_probability(problem, weights, sharpness) for problem in problems)


def _log_probability(problem: _Problem, weights: PathWeights, sharpness: float) -> float:
    scores = sharpness * edge_scores(problem.inputs, weights)
    pair_scores = sharpness * (problem.inputs.pair @ weights.pair)
    right = np.where(problem.right, scores, -np.inf)
    sums = [paths.log_total(paths.forward(_table(problem, values, pair_scores))) for values in (right, scores)]
    return float((sums[0] - sums[1]).sum())


def _table(problem: _Problem, scores: Floats, pair_scores: Floats) -> paths.Scores:
    return paths.scores(problem.lattices, as_kinds(scores), problem.inputs.neighbours, pair_scores)


def _gradient(problem: _Problem, weights: PathWeights) -> Floats:
    scores, pair_scores = edge_scores(problem.inputs, weights), problem.inputs.pair @ weights.pair
    right = np.where(problem.right, scores, -np.inf)
    expected = [_expected(problem, values, pair_scores) for values in (right, scores)]
    return expected[0] - expected[1]


def _expected(problem: _Problem, scores: Floats, pair_scores: Floats) -> Floats:
    """What each feature sums to along a path, on average over the paths that `scores` allow."""
    known = problem.inputs
    edges, together = paths.posteriors(_table(problem, scores, pair_scores), known.neighbours)
    used = edges[paths.place(problem.lattices)]
    total = np.logaddexp.reduce(scores[:, :NOT_A_DIGIT], axis=1)
    share = np.exp(scores[:, :NOT_A_DIGIT] - np.where(np.isneginf(total), 0.0, total)[:, None])
    as_digit, as_mark = share * used[:, paths.AS_DIGIT, None], used[:, paths.AS_MARK]
    beliefs = (known.belief, known.line)
    return np.concatenate(
        [
            [(as_digit * belief[:, :NOT_A_DIGIT]).sum() for belief in beliefs],
            as_digit.sum(axis=1) @ known.digit,
            [as_mark @ belief[:, NOT_A_DIGIT] for belief in beliefs],
            as_mark @ known.mark,
            together @ known.pair,
        ]
    )
