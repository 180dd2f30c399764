"""Sums and maxima over all paths of many lattices at once, in log-probabilities.

Scores are float64 (L, N, K): for lattice l, the edge from node n to node n + k + 1; minus infinity where there is none.
A lattice with fewer than N atoms goes on with single edges of score 0, which change neither sums nor maxima.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from digitscan.schema import Lattice

    Scores = NDArray[np.float64]

SPAN = 4
"""K: the most atoms that an edge joins."""


def place(lattices: Sequence[Lattice]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Where the edges of all lattices, one after the other, stand in scores: indices l, n and k."""
    line = np.repeat(np.arange(len(lattices)), [len(lattice.edges) for lattice in lattices])
    edges = np.concatenate([lattice.edges for lattice in lattices]).astype(np.intp)
    return line, edges[:, 0], edges[:, 1] - edges[:, 0] - 1


def scores(lattices: Sequence[Lattice], values: NDArray[np.float64]) -> Scores:
    """Scores of the lattices from the values of their edges, one after the other, float64 (E,)."""
    lengths = np.array([lattice.edges[:, 1].max() for lattice in lattices])
    table = np.full((len(lattices), int(lengths.max()), SPAN), -np.inf)
    table[:, :, 0] = np.where(np.arange(table.shape[1]) >= lengths[:, None], 0.0, -np.inf)
    table[place(lattices)] = values
    return table


def forward(table: Scores) -> Scores:
    """Log of the sum over all paths from the first node to each; float64 (L, N + 1)."""
    sums = np.full((table.shape[0], table.shape[1] + 1), -np.inf)
    sums[:, 0] = 0.0
    for node in range(1, sums.shape[1]):
        spans = range(min(SPAN, node))
        sums[:, node] = _log_sum([sums[:, node - k - 1] + table[:, node - k - 1, k] for k in spans])
    return sums


def backward(table: Scores) -> Scores:
    """Log of the sum over all paths from each node to the last; float64 (L, N + 1)."""
    last = table.shape[1]
    sums = np.full((table.shape[0], last + 1), -np.inf)
    sums[:, last] = 0.0
    for node in range(last - 1, -1, -1):
        spans = range(min(SPAN, last - node))
        sums[:, node] = _log_sum([sums[:, node + k + 1] + table[:, node, k] for k in spans])
    return sums


def posteriors(table: Scores) -> Scores:
    """Probability that a path uses each edge, in proportion to the exponential of its score; same shape."""
    before, after = forward(table), backward(table)
    through = np.full_like(table, -np.inf)
    for k in range(min(SPAN, table.shape[1])):
        through[:, : table.shape[1] - k, k] = before[:, : -k - 1] + after[:, k + 1 :]
    total = before[:, -1, None, None]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(np.isneginf(table), 0.0, np.exp(table + through - total)))


def best(table: Scores) -> list[list[tuple[int, int]]]:
    """For each lattice the edges (start, stop) of its best path (Viterbi), with those it goes on with at its end."""
    count, last, _ = table.shape
    sums = np.full((count, last + 1), -np.inf)
    sums[:, 0] = 0.0
    came = np.zeros((count, last + 1), np.intp)
    for node in range(1, last + 1):
        ways = np.stack([sums[:, node - k - 1] + table[:, node - k - 1, k] for k in range(min(SPAN, node))])
        came[:, node] = ways.argmax(axis=0)
        sums[:, node] = ways.max(axis=0)
    return [_trace(row, last) for row in came.tolist()]


def _trace(came: list[int], node: int) -> list[tuple[int, int]]:
    path = []
    while node > 0:
        start = node - came[node] - 1
        path.append((start, node))
        node = start
    return path[::-1]


def _log_sum(ways: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.asarray(np.logaddexp.reduce(np.stack(ways), axis=0))
