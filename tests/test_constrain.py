"""The best path among those that an automaton accepts, against all paths one by one."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitscan import automata, constrain
from digitscan.automata import CHARACTERS, CHECKS, POINT
from digitscan.paths import SPAN

EDGES = np.array([(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)], np.int32)
PATHS = ([0, 2, 4], [0, 3], [1, 4])


def lattice(seed: int) -> constrain.Scored:
    rng = np.random.default_rng(seed)
    return constrain.Scored(EDGES, rng.normal(0, 2, (5, 12)), rng.normal(0, 2, 5), rng.normal(0, 1, (5, SPAN)))


def readings(line: constrain.Scored, *, marks: bool) -> list[tuple[str, float]]:
    """Text and score of every way to read the lattice; None is an edge that is skipped."""
    symbols = [None, *range(12 if marks else POINT)]
    found = []
    for path in PATHS:
        for chosen in product(symbols, repeat=len(path)):
            score = sum(line.skip[e] if s is None else line.symbols[e, s] for e, s in zip(path, chosen, strict=True))
            for (one, first), (other, second) in zip(
                zip(path, chosen, strict=True), list(zip(path, chosen, strict=True))[1:], strict=False
            ):
                if first is not None and second is not None and first < POINT and second < POINT:
                    score += line.pairs[one, EDGES[other, 1] - EDGES[other, 0] - 1]
            found.append(("".join(CHARACTERS[s] for s in chosen if s is not None), float(score)))
    return found


@pytest.mark.parametrize(
    "allowed",
    [
        automata.anything(marks=False),
        automata.digits((2, 2)),
        automata.digits((1, 3), None, CHECKS["luhn"]),
        automata.number(1),
        automata.one_of(["12", "345"], marks=False),
    ],
)
@given(seed=st.integers(0, 1000))
def test_best_and_total_are_those_of_all_paths(allowed: automata.Automaton, seed: int) -> None:
    line = lattice(seed)
    known = [(text, score) for text, score in readings(line, marks=allowed.marks) if automata.accepted(allowed, text)]
    found = constrain.best(line, allowed)
    assert found is not None
    text, score = max(known, key=lambda pair: pair[1])
    assert (found.text, pytest.approx(found.score)) == (text, score)
    assert constrain.total(line, allowed) == pytest.approx(np.logaddexp.reduce([score for _, score in known]))


def test_nothing_is_read_where_nothing_is_allowed() -> None:
    assert constrain.best(lattice(0), automata.digits((4, 4))) is None
    assert constrain.total(lattice(0), automata.digits((4, 4))) == -np.inf
