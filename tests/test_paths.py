from __future__ import annotations

import itertools
import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitscan import paths
from digitscan.schema import Lattice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Edge = tuple[int, int]
    Step = tuple[Edge, bool]
    """An edge and whether it is read as a digit."""
    Line = dict[Edge, tuple[float, float]]
    """Scores of the edges of one lattice, as a digit and as a mark."""


def lattice(edges: list[Edge]) -> Lattice:
    count = len(edges)
    boxes = np.zeros((count, 4), np.int32)
    flags, cuts = np.ones(count, np.bool_), np.zeros(count, np.float32)
    return Lattice(np.array(edges, np.int32), boxes, flags, cuts, cuts, cuts, 1.0, np.eye(2, 3), cuts[:0])


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """A lattice of up to 7 atoms with at least one path; other edges may be missing or forbidden."""
    spans: list[int] = []
    atoms = draw(st.integers(1, 7))
    while sum(spans) < atoms:
        spans.append(draw(st.integers(1, min(paths.SPAN, atoms - sum(spans)))))
    ends = np.cumsum(spans).tolist()
    sure = set(zip([0, *ends], ends, strict=False))
    scores = st.floats(-30, 30)
    perhaps = scores | st.just(-math.inf)
    line = {}
    for edge in _all_edges(atoms):
        if edge in sure:
            line[edge] = draw(st.tuples(scores, perhaps) | st.tuples(perhaps, scores))
        elif draw(st.booleans()):
            line[edge] = draw(st.tuples(perhaps, perhaps))
    return line


LINES = st.lists(lines(), min_size=1, max_size=4)


@cache
def _all_edges(atoms: int) -> list[Edge]:
    return [(start, stop) for start in range(atoms) for stop in range(start + 1, min(start + paths.SPAN, atoms) + 1)]


def end(line: Line) -> int:
    return max(stop for _, stop in line)


def pair_score(one: Edge, other: Edge) -> float:
    """Any function of two edges."""
    return math.sin(7 * one[0] + 3 * one[1] + 5 * other[1])


def all_paths(line: Line, start: int = 0) -> Iterator[list[Step]]:
    """Every path from `start` to the end, one after the other."""
    if start == end(line):
        yield []
    for edge in line:
        if edge[0] == start:
            for rest in all_paths(line, edge[1]):
                yield from ([(edge, is_digit), *rest] for is_digit in (True, False))


def total(line: Line, path: list[Step]) -> float:
    pairs = [pair_score(one, other) for (one, first), (other, second) in itertools.pairwise(path) if first and second]
    return math.fsum([*(line[edge][0 if is_digit else 1] for edge, is_digit in path), *pairs])


def weigh(line: Line) -> dict[tuple[Step, ...], float]:
    """Probability of each path."""
    sums = {tuple(path): total(line, path) for path in all_paths(line)}
    most = max(sums.values())
    weights = {path: math.exp(value - most) for path, value in sums.items()}
    return {path: weight / math.fsum(weights.values()) for path, weight in weights.items()}


def tabled(found: list[Line]) -> tuple[list[Lattice], paths.Pairs, paths.Scores]:
    lattices = [lattice(list(line)) for line in found]
    index = paths.pairs(lattices)
    edges = [edge for line in found for edge in line]
    pairs = [pair_score(edges[one], edges[other]) for one, other in zip(index.first, index.second, strict=True)]
    values = np.array([value for line in found for value in line.values()])
    return lattices, index, paths.scores(lattices, values, index, np.array(pairs, np.float64))


def posteriors_of(found: list[Line]) -> NDArray[np.float64]:
    _, index, table = tabled(found)
    return paths.posteriors(table, index)[0]


@given(LINES)
def test_posteriors_are_those_of_all_paths_counted_one_by_one(found: list[Line]) -> None:
    lattices, index, table = tabled(found)
    edges, pairs = paths.posteriors(table, index)
    each = iter(edges[paths.place(lattices)].tolist())
    every = iter(pairs.tolist())
    numbered = [edge for line in found for edge in line]
    chosen = [(numbered[one], numbered[other]) for one, other in zip(index.first, index.second, strict=True)]
    for place, line in enumerate(found):
        weights = weigh(line)
        for edge in line:
            for is_digit, got in zip((True, False), next(each), strict=True):
                expected = math.fsum(weight for path, weight in weights.items() if (edge, is_digit) in path)
                assert got == pytest.approx(expected, abs=1e-9)
        for one, other in itertools.compress(chosen, index.place[0] == place):
            steps = ((one, True), (other, True))
            expected = math.fsum(weight for path, weight in weights.items() if steps in itertools.pairwise(path))
            assert next(every) == pytest.approx(expected, abs=1e-9)


@given(LINES)
def test_every_atom_is_covered_with_probability_1(found: list[Line]) -> None:
    for line, posteriors in zip(found, posteriors_of(found), strict=True):
        for atom in range(end(line)):
            covering = [edge for edge in _all_edges(end(line)) if edge[0] <= atom < edge[1]]
            covered = math.fsum(posteriors[start, stop - start - 1].sum() for start, stop in covering)
            assert covered == pytest.approx(1)


@given(LINES)
def test_the_best_path_is_as_good_as_any(found: list[Line]) -> None:
    for line, path in zip(found, paths.best(tabled(found)[2], [end(line) for line in found]), strict=True):
        own = list(zip(path.edges, path.digits, strict=True))
        assert own in list(all_paths(line))
        assert total(line, own) == pytest.approx(max(total(line, other) for other in all_paths(line)))


@given(LINES)
def test_forward_and_backward_sums_agree_with_each_other_and_with_all_paths(found: list[Line]) -> None:
    table = tabled(found)[2]
    totals = paths.log_total(paths.forward(table))
    first = (paths.backward(table) + table.edges)[:, 0].reshape(len(found), -1)
    np.testing.assert_allclose(totals, np.logaddexp.reduce(first, axis=1), atol=1e-12)
    for line, found_total in zip(found, totals, strict=True):
        everything = [total(line, path) for path in all_paths(line)]
        assert found_total == pytest.approx(np.logaddexp.reduce(everything))


@given(LINES)
def test_other_lines_in_the_batch_make_no_difference(found: list[Line]) -> None:
    together = posteriors_of(found)
    for line, posteriors in zip(found, together, strict=True):
        alone = posteriors_of([line])[0]
        np.testing.assert_allclose(posteriors[: len(alone)], alone, atol=1e-12)


@given(lines(), st.floats(-100, 100))
def test_only_differences_count(line: Line, more: float) -> None:
    """An edge for each atom more or less changes nothing if all paths get the same."""
    raised = {
        edge: (one + more * (edge[1] - edge[0]), other + more * (edge[1] - edge[0]))
        for edge, (one, other) in line.items()
    }
    np.testing.assert_allclose(posteriors_of([raised]), posteriors_of([line]), atol=1e-8)


def test_a_lattice_without_any_path_has_no_posteriors() -> None:
    assert not posteriors_of([{(0, 1): (-math.inf, -math.inf)}]).any()


def test_a_long_line_neither_overflows_nor_vanishes() -> None:
    line = {edge: (-500.0 * (edge[1] - edge[0]), -math.inf) for edge in _all_edges(300)}
    posteriors = posteriors_of([line])
    assert np.isfinite(posteriors).all()
    assert posteriors[0, 0].sum() == pytest.approx(1)
    assert paths.log_total(paths.forward(tabled([line])[2]))[0] < -140_000


def test_a_single_atom_is_certain() -> None:
    line = {(0, 1): (-3.0, -math.inf)}
    assert posteriors_of([line])[0, 0, 0].tolist() == pytest.approx([1, 0])
    assert paths.best(tabled([line])[2], [1]) == [paths.Path([(0, 1)], [True])]
