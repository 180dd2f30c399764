"""Fits the weights of `decode.py` on synthetic lines, so that the right paths through their lattices are likely ones.

Maximum likelihood of a conditional random field with hidden segmentation (after L. Morency et al., Latent-dynamic
discriminative models, 2007): the gradient is what the features sum to along right paths less what they sum to along
all paths, both from forward-backward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digitscan import paths
from digitscan.decode import DIGIT_FEATURES, MARK_FEATURES, PLAIN_WEIGHTS, Features, as_kinds, edge_scores, features
from digitscan.schema import NOT_A_DIGIT, Lattice, PathWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_STEPS = 400
_RATE = 0.1
_MOMENTS = (0.9, 0.99)
"""Of Adam (D. Kingma and J. Ba, 2015)."""

_SHARPNESS = np.geomspace(0.25, 2.0, 40).tolist()

_PULL = 1e-3
"""Towards the plain weights: keeps a feature that synthetic lines say nothing of where it was."""


class Known(NamedTuple):
    """Lattices, their edges' class probabilities float32 (E, 12) and true classes uint8 (E,), and the line reader's
    frames of each lattice float32 (T, 11), or None.
    """

    lattices: Sequence[Lattice]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.uint8]
    frames: Sequence[NDArray[np.float32]] | None = None


@dataclass(frozen=True, slots=True)
class _Problem:
    lattices: Sequence[Lattice]
    inputs: Features
    right: NDArray[np.bool_]
    """(E, 11): whether a right path may read the edge so."""


def fit_weights(known: Known) -> PathWeights:
    """The weights that make the right readings of `known` most likely. Lattices without a right path don't count.

    The sharpness is fitted on every third lattice, which the other weights haven't seen.
    """
    problem = _problem(known, 0, 1)
    weights = _fit(problem)
    held_out = _problem(known, 2)
    return replace(weights, sharpness=max(_SHARPNESS, key=lambda by: _likelihood(held_out, weights, by)))


def _fit(problem: _Problem) -> PathWeights:
    start = np.array([*PLAIN_WEIGHTS.digit, *PLAIN_WEIGHTS.mark, *PLAIN_WEIGHTS.pair])
    weights, mean, square = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(1, _STEPS + 1):
        gradient = _gradient(problem, _unpacked(weights)) - _PULL * (weights - start)
        mean += (1 - _MOMENTS[0]) * (gradient - mean)
        square += (1 - _MOMENTS[1]) * (gradient**2 - square)
        rate = _RATE * (1 - step / (_STEPS + 1))
        weights += rate * (mean / (1 - _MOMENTS[0] ** step)) / np.sqrt(square / (1 - _MOMENTS[1] ** step) + 1e-12)
    return _unpacked(weights)


def _unpacked(weights: Floats) -> PathWeights:
    parts = np.split(weights, np.cumsum([len(DIGIT_FEATURES), len(MARK_FEATURES)]))
    digit, mark, pair = (tuple(part.tolist()) for part in parts)
    return PathWeights(digit, mark, pair)


def _likelihood(problem: _Problem, weights: PathWeights, sharpness: float) -> float:
    """Mean log-probability of the right readings."""
    scores = sharpness * edge_scores(problem.inputs, weights)
    pair_scores = sharpness * (problem.inputs.pair @ weights.pair)
    right = np.where(problem.right, scores, -np.inf)
    sums = [paths.log_total(paths.forward(_table(problem, values, pair_scores))) for values in (right, scores)]
    return float((sums[0] - sums[1]).mean())


def _table(problem: _Problem, scores: Floats, pair_scores: Floats) -> paths.Scores:
    return paths.scores(problem.lattices, as_kinds(scores), problem.inputs.neighbours, pair_scores)


def _problem(known: Known, *thirds: int) -> _Problem:
    """The lattices of `known` that have a right path, of these thirds."""
    right = known.labels[:, None] == np.arange(NOT_A_DIGIT + 1)
    ends = np.cumsum([len(lattice.edges) for lattice in known.lattices])
    index = paths.pairs(known.lattices)
    possible = as_kinds(np.where(right, 0.0, -np.inf))
    table = paths.scores(known.lattices, possible, index, np.zeros(len(index.first)))
    solvable = np.isfinite(paths.log_total(paths.forward(table)))
    solvable &= np.isin(np.arange(len(ends)) % 3, thirds)
    keep = np.repeat(solvable, np.diff(ends, prepend=0))
    chosen = np.flatnonzero(solvable).tolist()
    lattices = [known.lattices[index] for index in chosen]
    frames = None if known.frames is None else [known.frames[index] for index in chosen]
    return _Problem(lattices, features(lattices, known.probabilities[keep], frames), right[keep])


def _gradient(problem: _Problem, weights: PathWeights) -> Floats:
    scores, pair_scores = edge_scores(problem.inputs, weights), problem.inputs.pair @ weights.pair
    right = np.where(problem.right, scores, -np.inf)
    expected = [_expected(problem, values, pair_scores) for values in (right, scores)]
    return (expected[0] - expected[1]) / len(problem.lattices)


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
