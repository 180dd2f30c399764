from __future__ import annotations

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
    Line = dict[Edge, float]
    """Scores of the edges of one lattice."""


def lattice(edges: list[Edge]) -> Lattice:
    count = len(edges)
    boxes = np.zeros((count, 4), np.int32)
    flags, cuts = np.ones(count, np.bool_), np.zeros(count, np.float32)
    return Lattice(np.array(edges, np.int32), boxes, flags, cuts, cuts, cuts, 1.0, np.eye(2, 3))


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
    line = {}
    for edge in _all_edges(atoms):
        if edge in sure:
            line[edge] = draw(scores)
        elif draw(st.booleans()):
            line[edge] = draw(scores | st.just(-math.inf))
    return line


LINES = st.lists(lines(), min_size=1, max_size=4)


@cache
def _all_edges(atoms: int) -> list[Edge]:
    return [(start, stop) for start in range(atoms) for stop in range(start + 1, min(start + paths.SPAN, atoms) + 1)]


def end(line: Line) -> int:
    return max(stop for _, stop in line)


def all_paths(line: Line, start: int = 0) -> Iterator[list[Edge]]:
    """Every path from `start` to the end, one after the other."""
    if start == end(line):
        yield []
    for edge in line:
        if edge[0] == start:
            yield from ([edge, *rest] for rest in all_paths(line, edge[1]))


def total(line: Line, path: list[Edge]) -> float:
    return math.fsum(line[edge] for edge in path)


def weigh(line: Line) -> dict[tuple[Edge, ...], float]:
    """Probability of each path."""
    sums = {tuple(path): total(line, path) for path in all_paths(line)}
    most = max(sums.values())
    weights = {path: math.exp(value - most) for path, value in sums.items()}
    return {path: weight / math.fsum(weights.values()) for path, weight in weights.items()}


def table(found: list[Line]) -> NDArray[np.float64]:
    lattices = [lattice(list(line)) for line in found]
    return paths.scores(lattices, np.array([value for line in found for value in line.values()]))


@given(LINES)
def test_posteriors_are_those_of_all_paths_counted_one_by_one(found: list[Line]) -> None:
    lattices = [lattice(list(line)) for line in found]
    posteriors = iter(paths.posteriors(table(found))[paths.place(lattices)].tolist())
    for line in found:
        weights = weigh(line)
        for edge in line:
            expected = math.fsum(weight for path, weight in weights.items() if edge in path)
            assert next(posteriors) == pytest.approx(expected, abs=1e-9)


@given(LINES)
def test_every_atom_is_covered_with_probability_1(found: list[Line]) -> None:
    for line, posteriors in zip(found, paths.posteriors(table(found)), strict=True):
        for atom in range(end(line)):
            covering = [edge for edge in _all_edges(end(line)) if edge[0] <= atom < edge[1]]
            covered = math.fsum(posteriors[start, stop - start - 1] for start, stop in covering)
            assert covered == pytest.approx(1)


@given(LINES)
def test_the_best_path_is_as_good_as_any(found: list[Line]) -> None:
    for line, path in zip(found, paths.best(table(found)), strict=True):
        # Beyond the end of a shorter lattice the path goes on in single steps.
        own = [edge for edge in path if edge[1] <= end(line)]
        assert own in list(all_paths(line))
        assert total(line, own) == pytest.approx(max(total(line, other) for other in all_paths(line)))


@given(LINES)
def test_forward_and_backward_sums_agree_with_each_other_and_with_all_paths(found: list[Line]) -> None:
    scores = table(found)
    forward, backward = paths.forward(scores), paths.backward(scores)
    np.testing.assert_allclose(forward[:, -1], backward[:, 0])
    for line, sums in zip(found, forward, strict=True):
        everything = [total(line, path) for path in all_paths(line)]
        assert sums[-1] == pytest.approx(np.logaddexp.reduce(everything))
        assert sums[end(line)] == pytest.approx(sums[-1])


@given(LINES)
def test_other_lines_in_the_batch_make_no_difference(found: list[Line]) -> None:
    together = paths.posteriors(table(found))
    for line, posteriors in zip(found, together, strict=True):
        alone = paths.posteriors(table([line]))[0]
        np.testing.assert_allclose(posteriors[: len(alone)], alone, atol=1e-12)


@given(lines(), st.floats(-100, 100))
def test_only_differences_count(line: Line, more: float) -> None:
    """An edge for each atom more or less changes nothing if all paths get the same."""
    raised = {edge: value + more * (edge[1] - edge[0]) for edge, value in line.items()}
    np.testing.assert_allclose(paths.posteriors(table([raised])), paths.posteriors(table([line])), atol=1e-8)


def test_a_long_line_neither_overflows_nor_vanishes() -> None:
    line = {edge: -500.0 * (edge[1] - edge[0]) for edge in _all_edges(300)}
    posteriors = paths.posteriors(table([line]))
    assert np.isfinite(posteriors).all()
    assert posteriors[0, 0].sum() < posteriors[0].sum()
    assert paths.forward(table([line]))[0, -1] < -140_000


def test_a_single_atom_is_certain() -> None:
    assert paths.posteriors(table([{(0, 1): -3.0}]))[0, 0, 0] == pytest.approx(1)
    assert paths.best(table([{(0, 1): -3.0}])) == [[(0, 1)]]
