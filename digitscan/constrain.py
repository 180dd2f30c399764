"""Reads a line that must obey a rule: the best path through its lattice among those whose text an automaton accepts.

The automaton's state is part of the dynamic programming, so that a digit that breaks the rule gives way to the next
likely one, be it a digit or another way to cut the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digitscan.automata import CHARACTERS, MINUS, POINT
from digitscan.paths import SPAN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from digitscan.automata import Automaton

    Floats = NDArray[np.float64]

_MARK = -1
"""Symbol of an edge that is skipped."""

_LAST = SPAN
"""What stands to the right of an edge where that is no digit of 1 to SPAN atoms: a mark, or the end of the line."""


class Scored(NamedTuple):
    """A lattice with scores: `edges` int (E, 2), sorted; `symbols` float64 (E, 12) as each symbol of the automata,
    `skip` float64 (E,) as a mark without meaning, and `pairs` float64 (E, SPAN): of each edge with a digit of 1 to SPAN
    atoms at its right.
    """

    edges: NDArray[np.int32]
    symbols: Floats
    skip: Floats
    pairs: Floats


class Reading(NamedTuple):
    """The edges that are read as symbols, their symbols, and the score of the path."""

    edges: list[int]
    symbols: list[int]
    score: float

    @property
    def text(self) -> str:
        """The symbols as they are written."""
        return "".join(CHARACTERS[symbol] for symbol in self.symbols)


def total(line: Scored, automaton: Automaton) -> float:
    """Log of the sum over all paths that the automaton accepts; minus infinity where there are none."""
    return float(_sweep(line, automaton, np.logaddexp)[-1][_LAST, 0])


def best(line: Scored, automaton: Automaton) -> Reading | None:
    """The best path that the automaton accepts; None where there is none."""
    sums = _sweep(line, automaton, np.maximum)
    score = float(sums[-1][_LAST, 0])
    if np.isneginf(score):
        return None
    edges: list[int] = []
    symbols: list[int] = []
    node, right, state = len(sums) - 1, _LAST, 0
    while node:
        edge, symbol = _came(line, automaton, sums, (node, right, state))
        start = int(line.edges[edge, 0])
        right = node - start - 1 if 0 <= symbol < POINT else _LAST
        node = start
        if symbol != _MARK:
            state = int(automaton.after[state, symbol])
            edges.append(edge)
            symbols.append(symbol)
    return Reading(edges[::-1], symbols[::-1], score)


def _sweep(line: Scored, automaton: Automaton, join: np.ufunc) -> list[Floats]:
    """For each node, float64 (SPAN + 1, S + 1): all ways to read what is left of it, by what stands at its right and by
    the automaton's state after that. The state beyond the last has no way.
    """
    last, count = int(line.edges[:, 1].max()), len(automaton.accepts)
    sums = [np.full((SPAN + 1, count + 1), -np.inf) for _ in range(last + 1)]
    sums[0][:, :count] = np.where(automaton.accepts, 0.0, -np.inf)
    for edge in np.argsort(line.edges[:, 1], kind="stable").tolist():
        start, stop = line.edges[edge].tolist()
        after_digit, after_mark = sums[start][stop - start - 1], sums[start][_LAST]
        digit = join.reduce(after_digit[automaton.after[:, :POINT]] + line.symbols[edge, :POINT], axis=1)
        mark = after_mark[:count] + line.skip[edge]
        if automaton.marks:
            marks = after_mark[automaton.after[:, POINT:]] + line.symbols[edge, POINT:]
            mark = join(mark, join.reduce(marks, axis=1))
        own = sums[stop][:, :count]
        pairs = np.append(line.pairs[edge], 0.0)
        own[:] = join(own, join(digit[None] + pairs[:, None], mark[None]))
    return sums


def _came(line: Scored, automaton: Automaton, sums: list[Floats], place: tuple[int, int, int]) -> tuple[int, int]:
    """The last edge of the best way to a node, and its symbol."""
    node, right, state = place
    ways: list[tuple[float, int, int]] = []
    for edge in np.flatnonzero(line.edges[:, 1] == node).tolist():
        start = int(line.edges[edge, 0])
        digits = sums[start][node - start - 1, automaton.after[state, :POINT]] + line.symbols[edge, :POINT]
        digits += line.pairs[edge, right] if right < _LAST else 0.0
        symbol = int(digits.argmax())
        ways += [
            (float(digits[symbol]), edge, symbol),
            (float(sums[start][_LAST, state] + line.skip[edge]), edge, _MARK),
        ]
        if automaton.marks:
            marks = sums[start][_LAST, automaton.after[state, POINT:]] + line.symbols[edge, POINT:]
            ways += [(float(marks[symbol - POINT]), edge, symbol) for symbol in (POINT, MINUS)]
    _, edge, symbol = max(ways)
    return edge, symbol
