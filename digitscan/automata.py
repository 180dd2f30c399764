"""The texts that a field allows, as finite automata that read from right to left, as check digits are weighed.

Symbols are the digits 0 to 9, a POINT (a point, a comma, or what parts a date) and a MINUS.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from numpy.typing import NDArray

    Step = Callable[[Hashable, int], Hashable | None]
    _Parts = frozenset[tuple[str, ...]]

POINT, MINUS = 10, 11
CHARACTERS = "0123456789.-"
"""Of the symbols, in their order."""

_MOST_DIGITS = 15
"""Of the whole part of a number."""


class Automaton(NamedTuple):
    """A finite automaton: `after`, int (S, 12), is the state that follows each state with each symbol, S where there
    is none; `accepts` is bool (S,); state 0 is the start. With `marks` false, points and dashes mean nothing.
    """

    after: NDArray[np.intp]
    accepts: NDArray[np.bool_]
    marks: bool


class Check(NamedTuple):
    """A check digit: the digits, weighed by their places, sum up to `target` modulo `modulus`.

    `weight` gives what a digit adds at a place, counted from 0 at the right.
    """

    modulus: int
    target: int
    weight: Callable[[int, int], int]


def _luhn(digit: int, place: int) -> int:
    return digit if place % 2 == 0 else sum(divmod(2 * digit, 10))


CHECKS = {
    "luhn": Check(10, 0, _luhn),
    "mod11": Check(11, 0, lambda digit, place: digit * (place + 1)),
    "mod97": Check(97, 1, lambda digit, place: digit * pow(10, place, 97)),
}
"""ISO/IEC 7812 (bank cards), weights 1, 2, 3 ... from the right (ISBN-10), and ISO 7064 MOD 97-10 (IBAN)."""


def build(start: Hashable, step: Step, accepts: Callable[[Hashable], bool], *, marks: bool) -> Automaton:
    """The automaton of all states that are reached from `start`; `step` gives None where there is no way on."""
    states, after = {start: 0}, []
    waiting = [start]
    for state in waiting:
        row = [-1] * len(CHARACTERS)
        for symbol in range(len(CHARACTERS)):
            following = step(state, symbol)
            if following is not None:
                if following not in states:
                    states[following] = len(states)
                    waiting.append(following)
                row[symbol] = states[following]
        after.append(row)
    table = np.array(after, np.intp)
    table[table < 0] = len(states)
    return Automaton(table, np.array([accepts(state) for state in states]), marks)


def accepted(automaton: Automaton, text: str) -> bool:
    """Whether the automaton accepts a text of `CHARACTERS`."""
    state = 0
    for character in reversed(text):
        state = int(automaton.after[state, CHARACTERS.index(character)])
        if state == len(automaton.accepts):
            return False
    return bool(automaton.accepts[state])


def anything(*, marks: bool) -> Automaton:
    """Every text."""
    return build("", lambda state, symbol: state if symbol < POINT or marks else None, lambda _: True, marks=marks)


def one_of(texts: Iterable[str], *, marks: bool) -> Automaton:
    """These texts alone."""
    known = frozenset(texts)
    ends = {text[place:] for text in known for place in range(len(text) + 1)}

    def step(end: Hashable, symbol: int) -> Hashable | None:
        longer = f"{CHARACTERS[symbol]}{end}"
        return longer if longer in ends else None

    return build("", step, lambda end: end in known, marks=marks)


def digits(length: tuple[int, int], bounds: tuple[int, int] | None = None, check: Check | None = None) -> Automaton:
    """Texts of so many digits, with a value within bounds, for which the check holds."""
    least, most = length
    low, high = bounds or (0, 10**most)
    # A state: how many digits, their sum, and how they compare with as many digits of both bounds.

    def step(state: Hashable, symbol: int) -> Hashable | None:
        place, total, *signs = cast("tuple[int, ...]", state)
        if symbol >= POINT or place == most:
            return None
        added = check.weight(symbol, place) if check else 0
        signs = [
            _sign(symbol - bound // 10**place % 10) or sign for bound, sign in zip((low, high), signs, strict=True)
        ]
        return place + 1, (total + added) % (check.modulus if check else 1), *signs

    def accepts(state: Hashable) -> bool:
        place, total, above, below = cast("tuple[int, ...]", state)
        inside = (low < 10**place and above >= 0) and (high >= 10**place or below <= 0)
        return bool(place >= least and inside and total == (check.target if check else 0))

    return build((0, 0, 0, 0), step, accepts, marks=False)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def number(decimals: int | None) -> Automaton:
    """Numbers with this many decimals, with or without thousands points and a minus.

    With None there may be any number of decimals but three: a group of three after a point is thousands.
    """

    # A state: the part that is being read, its digits so far, and whether thousands points are used.
    def step(state: Hashable, symbol: int) -> Hashable | None:
        part, count, grouped = cast("tuple[str, int, bool]", state)
        if symbol == POINT:
            return _point(part, count, decimals)
        if part == "minus" or count == {"fraction": decimals, "whole": 3 if grouped else _MOST_DIGITS}.get(part, 15):
            return None
        if symbol == MINUS:
            return ("minus", 0, False) if count and part != "fraction" else None
        return part, count + 1, grouped

    def accepts(state: Hashable) -> bool:
        part, count, _ = cast("tuple[str, int, bool]", state)
        return part == "minus" or (part != "fraction" and count > 0)

    part = "either" if decimals is None else "fraction" if decimals else "whole"
    return build((part, 0, False), step, accepts, marks=True)


def _point(part: str, count: int, decimals: int | None) -> Hashable | None:
    if part == "fraction":
        return ("whole", 0, False) if count == decimals else None
    if count == 3:
        return ("whole", 0, True)
    return ("whole", 0, False) if part == "either" and count else None


@lru_cache
def dates(order: str, length: int, first: date, last: date, *, marks: bool) -> Automaton:
    """Days from the first to the last; `order` is of d, m and y, `length` 8 or 6: years of two digits.

    With marks, points may part the day, the month and the year; then days and months may have one digit.
    """
    days = (date_parts(first + timedelta(number), length) for number in range((last - first).days + 1))
    whole = frozenset(tuple(parts[name] for name in order[::-1]) for parts in days)

    @cache
    def following(left: _Parts) -> dict[str, _Parts]:
        """Each next part, and what may follow it."""
        found = defaultdict(set)
        for rest in left - {()}:
            found[rest[0]].add(rest[1:])
        return {part: frozenset(rests) for part, rests in found.items()}

    def take(left: _Parts, read: str, *, pointed: bool) -> _Parts | None:
        """What may follow the part that is read."""
        parts = following(left)
        is_year = order[len(next(iter(left))) - 1] == "y"
        return parts.get(read) or (parts.get("0" + read) if pointed and not is_year else None)

    # A state: the parts that may follow, from the right, what is read of the next one, and whether points are used.
    def step(state: Hashable, symbol: int) -> Hashable | None:
        left, read, pointed = cast("tuple[_Parts, str, bool | None]", state)
        if symbol == POINT:
            taken = take(left, read, pointed=True) if marks and pointed is not False else None
            return (taken, "", True) if taken else None
        if not pointed and read in following(left):
            left, read, pointed = following(left)[read], "", False
        longer = f"{symbol}{read}"
        possible = symbol != MINUS and any(part.endswith(longer) for part in following(left))
        return (left, longer, pointed) if possible else None

    def accepts(state: Hashable) -> bool:
        left, read, pointed = cast("tuple[_Parts, str, bool | None]", state)
        return take(left, read, pointed=bool(pointed)) == frozenset([()])

    return build((whole, "", None), step, accepts, marks=marks)


def date_parts(day: date, length: int) -> dict[str, str]:
    """Day, month and year as they are written in a date of so many digits."""
    return {"d": f"{day.day:02d}", "m": f"{day.month:02d}", "y": f"{day.year:04d}"[8 - length :]}
