"""Sums and maxima over all readings of many lattices at once, in log-probabilities.

A reading is a path of edges, each taken for a digit or for a mark. Beside the scores of edges there are scores of
pairs, that is of two digits that follow one another at once. A lattice with fewer atoms than others goes on with single
marks of score 0, which change neither sums nor maxima.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from digitscan.schema import Lattice

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

SPAN = 4
"""K: the most atoms that an edge joins."""

AS_DIGIT, AS_MARK = 0, 1
"""What an edge is taken for."""


class Scores(NamedTuple):
    """`edges` is float64 (L, N, K, 2): of lattice l's edge from node n to node n + k + 1, as a digit and as a mark;
    minus infinity where there is none. `pairs` is float64 (L, N, K, K): of a digit of k + 1 atoms that ends at node n
    with one of j + 1 atoms that begins there.
    """

    edges: Floats
    pairs: Floats


class Pairs(NamedTuple):
    """All edges that follow one another: where their pairs stand in `Scores`, l, n, k and j, and the edges' numbers, of
    all lattices one after the other. All int (P,), in the order of the first edges.
    """

    place: tuple[Places, Places, Places, Places]
    first: Places
    second: Places


class Path(NamedTuple):
    """The edges of a reading: start and stop, and whether each is a digit."""

    edges: list[tuple[int, int]]
    digits: list[bool]


def place(lattices: Sequence[Lattice]) -> tuple[Places, Places, Places]:
    """Where the edges of all lattices, one after the other, stand in scores: indices l, n and k."""
    line = np.repeat(np.arange(len(lattices)), [len(lattice.edges) for lattice in lattices])
    edges = np.concatenate([lattice.edges for lattice in lattices]).astype(np.intp)
    return line, edges[:, 0], edges[:, 1] - edges[:, 0] - 1


def pairs(lattices: Sequence[Lattice]) -> Pairs:
    """All pairs of edges that follow one another."""
    line, node, span = place(lattices)
    end = node + span + 1
    number = np.full((len(lattices), end.max() + 1, SPAN), -1)
    number[line, node, span] = np.arange(len(line))
    following = number[line, end]
    first, other = np.nonzero(following >= 0)
    return Pairs((line[first], end[first], span[first], other), first, following[first, other])


def scores(lattices: Sequence[Lattice], values: Floats, index: Pairs, pair_values: Floats) -> Scores:
    """Scores of the lattices from the values of their edges, float64 (E, 2), and of their pairs, float64 (P,)."""
    lengths = np.array([lattice.edges[:, 1].max() for lattice in lattices])
    shape = (len(lattices), int(lengths.max()), SPAN)
    edges, together = np.full((*shape, 2), -np.inf), np.zeros((*shape, SPAN))
    edges[:, :, 0, AS_MARK] = np.where(np.arange(shape[1]) >= lengths[:, None], 0.0, -np.inf)
    edges[place(lattices)] = values
    together[index.place] = pair_values
    return Scores(edges, together)


def forward(table: Scores) -> Floats:
    """Log of the sum over all paths that end with each edge, the edge included; float64 (L, N, K, 2)."""
    sums = np.full_like(table.edges, -np.inf)
    sums[:, 0] = table.edges[:, 0]
    for node in range(1, sums.shape[1]):
        before = _arriving(sums, node)
        sums[:, node, :, AS_DIGIT] = _log_sum(_to_digits(before, table.pairs[:, node]))
        sums[:, node, :, AS_MARK] = _log_sum(before.reshape(len(before), -1))[:, None]
        sums[:, node] += table.edges[:, node]
    return sums


def backward(table: Scores) -> Floats:
    """Log of the sum over all ways on from the end of each edge to the last node; float64 (L, N, K, 2)."""
    last = table.edges.shape[1]
    sums = np.zeros_like(table.edges)
    for node in range(last - 1, 0, -1):
        after = sums[:, node] + table.edges[:, node]
        spans = np.arange(min(SPAN, node))
        digits = after[:, None, :, AS_DIGIT] + table.pairs[:, node, spans]
        marks = np.broadcast_to(after[:, None, :, AS_MARK], digits.shape)
        sums[:, node - 1 - spans, spans, AS_DIGIT] = _log_sum(np.concatenate([digits, marks], axis=2))
        sums[:, node - 1 - spans, spans, AS_MARK] = _log_sum(after.reshape(len(after), -1))[:, None]
    return sums


def log_total(sums: Floats) -> Floats:
    """Log of the sum over all paths, float64 (L,), from the `forward` sums."""
    return _log_sum(_arriving(sums, sums.shape[1]).reshape(len(sums), -1))


def posteriors(table: Scores, index: Pairs) -> tuple[Floats, Floats]:
    """Probability that a path uses each edge, as each, and each pair, in proportion to the exponential of its score.

    Float64 (L, N, K, 2) and (P,). A lattice without any path has none.
    """
    before, after = forward(table), backward(table)
    total = log_total(before)
    total = np.where(np.isneginf(total), np.inf, total)
    edges = np.exp(before + after - total[:, None, None, None])
    line, node, span, other = index.place
    together = before[line, node - span - 1, span, AS_DIGIT] + table.pairs[index.place]
    together += (table.edges + after)[line, node, other, AS_DIGIT]
    return edges, np.exp(together - total[line])


def best(table: Scores, lengths: Sequence[int]) -> list[Path]:
    """The best path of each lattice (Viterbi), up to its own number of atoms."""
    count, last = table.edges.shape[:2]
    sums = table.edges.copy()
    sums[:, 1:] = -np.inf
    came = np.zeros((count, last + 1, SPAN, 2), np.intp)
    for node in range(1, last):
        before = _arriving(sums, node)
        to_digits = _to_digits(before, table.pairs[:, node])
        to_marks = before.reshape(count, -1)
        came[:, node, :, AS_DIGIT] = to_digits.argmax(axis=-1)
        came[:, node, :, AS_MARK] = to_marks.argmax(axis=-1)[:, None]
        sums[:, node, :, AS_DIGIT] = to_digits.max(axis=-1)
        sums[:, node, :, AS_MARK] = to_marks.max(axis=-1)[:, None]
        sums[:, node] += table.edges[:, node]
    ends = _arriving(sums, last).reshape(count, -1).argmax(axis=-1)
    return [_trace(*each, last) for each in zip(came.tolist(), ends.tolist(), lengths, strict=True)]


def _arriving(sums: Floats, node: int) -> Floats:
    """Sums of the edges that end at a node, float64 (L, 2, K): as digits and as marks, by their span."""
    spans = np.arange(min(SPAN, node))
    return np.swapaxes(sums[:, node - 1 - spans, spans], 1, 2)


def _to_digits(before: Floats, pair_scores: Floats) -> Floats:
    """Sums of the ways to a digit of each span, float64 (L, K, 2 k): from each digit and each mark before it."""
    spans = before.shape[2]
    digits = before[:, None, AS_DIGIT] + np.swapaxes(pair_scores[:, :spans], 1, 2)
    marks = np.broadcast_to(before[:, None, AS_MARK], digits.shape)
    return np.concatenate([digits, marks], axis=2)


def _trace(came: Sequence[Sequence[Sequence[int]]], way: int, length: int, node: int) -> Path:
    """Walk back from the last node; `way` says what ends there: (as digit or mark) * spans + span."""
    edges, digits = [], []
    while node > 0:
        kind, span = divmod(way, min(SPAN, node))
        start = node - span - 1
        if start < length:
            edges.append((start, node))
            digits.append(kind == AS_DIGIT)
        way = came[start][span][kind]
        node = start
    return Path(edges[::-1], digits[::-1])


def _log_sum(ways: Floats) -> Floats:
    """Log of the sum of exponentials over the last axis."""
    most = ways.max(axis=-1)
    finite = np.where(np.isneginf(most), 0.0, most)
    with np.errstate(divide="ignore"):
        return np.asarray(finite + np.log(np.exp(ways - finite[..., None]).sum(axis=-1)))
