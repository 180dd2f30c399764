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
from digitscan.decode import DIGIT_FEATURES, PLAIN_WEIGHTS, Features, edge_scores, features
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
    start = np.array([*PLAIN_WEIGHTS.digit, *PLAIN_WEIGHTS.mark])
    weights, mean, square = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(1, _STEPS + 1):
        gradient = _gradient(problem, _unpacked(weights)) - _PULL * (weights - start)
        mean += (1 - _MOMENTS[0]) * (gradient - mean)
        square += (1 - _MOMENTS[1]) * (gradient**2 - square)
        rate = _RATE * (1 - step / (_STEPS + 1))
        weights += rate * (mean / (1 - _MOMENTS[0] ** step)) / np.sqrt(square / (1 - _MOMENTS[1] ** step) + 1e-12)
    return _unpacked(weights)


def _unpacked(weights: Floats) -> PathWeights:
    count = len(DIGIT_FEATURES)
    return PathWeights(tuple(weights[:count].tolist()), tuple(weights[count:].tolist()))


def _likelihood(problem: _Problem, weights: PathWeights, sharpness: float) -> float:
    """Mean log-probability of the right readings."""
    scores = sharpness * edge_scores(problem.inputs, weights)
    right = np.where(problem.right, scores, -np.inf)
    sums = [
        paths.forward(paths.scores(problem.lattices, np.logaddexp.reduce(values, axis=1)))[:, -1]
        for values in (right, scores)
    ]
    return float((sums[0] - sums[1]).mean())


def _problem(known: Known, *thirds: int) -> _Problem:
    """The lattices of `known` that have a right path, of these thirds."""
    right = known.labels[:, None] == np.arange(NOT_A_DIGIT + 1)
    ends = np.cumsum([len(lattice.edges) for lattice in known.lattices])
    values = np.where(right.any(axis=1), 0.0, -np.inf)
    solvable = np.isfinite(paths.forward(paths.scores(known.lattices, values))[:, -1])
    solvable &= np.isin(np.arange(len(ends)) % 3, thirds)
    keep = np.repeat(solvable, np.diff(ends, prepend=0))
    chosen = np.flatnonzero(solvable).tolist()
    lattices = [known.lattices[index] for index in chosen]
    frames = None if known.frames is None else [known.frames[index] for index in chosen]
    return _Problem(lattices, features(lattices, known.probabilities[keep], frames), right[keep])


def _gradient(problem: _Problem, weights: PathWeights) -> Floats:
    scores = edge_scores(problem.inputs, weights)
    right = np.where(problem.right, scores, -np.inf)
    expected = [_expected(problem, values) for values in (right, scores)]
    return (expected[0] - expected[1]) / len(problem.lattices)


def _expected(problem: _Problem, scores: Floats) -> Floats:
    """What each feature sums to along a path, on average over the paths that `scores` allow."""
    with np.errstate(invalid="ignore"):
        total = np.logaddexp.reduce(scores, axis=1)
        share = np.where(np.isneginf(scores), 0.0, np.exp(scores - total[:, None]))
    used = share * paths.posteriors(paths.scores(problem.lattices, total))[paths.place(problem.lattices)][:, None]
    known = problem.inputs
    as_digit, as_mark = used[:, :NOT_A_DIGIT], used[:, NOT_A_DIGIT]
    beliefs = (known.belief, known.line)
    return np.concatenate(
        [
            [(as_digit * belief[:, :NOT_A_DIGIT]).sum() for belief in beliefs],
            as_digit.sum(axis=1) @ known.digit,
            [as_mark @ belief[:, NOT_A_DIGIT] for belief in beliefs],
            as_mark @ known.mark,
        ]
    )
