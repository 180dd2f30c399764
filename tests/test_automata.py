"""The texts that fields allow."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitscan import automata
from digitscan.automata import CHECKS, accepted

NUMERALS = st.text("0123456789", min_size=1, max_size=9)


def luhn(text: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(text))]
    return sum(sum(divmod(value, 10)) for value in doubled) % 10 == 0


def isbn(text: str) -> bool:
    return sum(int(digit) * weight for weight, digit in enumerate(reversed(text), 1)) % 11 == 0


RULES = {"luhn": luhn, "mod11": isbn, "mod97": lambda text: int(text) % 97 == 1}


@pytest.mark.parametrize("name", CHECKS)
@given(NUMERALS)
def test_checks_are_those_of_their_definitions(name: str, text: str) -> None:
    allowed = automata.digits((1, 9), None, CHECKS[name])
    assert accepted(allowed, text) == RULES[name](text)


@pytest.mark.parametrize(
    ("name", "right"),
    [("luhn", "4539578763621486"), ("mod11", "0306406152"), ("mod97", "3214282912345698765432161182")],
)
def test_published_numbers_hold_and_break_with_any_wrong_digit(name: str, right: str) -> None:
    """A card number, an ISBN, an IBAN as ISO 13616 has it."""
    allowed = automata.digits((len(right), len(right)), None, CHECKS[name])
    assert accepted(allowed, right)
    for place, digit in enumerate(right):
        wrong = right[:place] + str((int(digit) + 1) % 10) + right[place + 1 :]
        assert not accepted(allowed, wrong)


@given(st.integers(0, 2000), st.integers(0, 2000), NUMERALS)
def test_bounds_are_of_the_value(low: int, high: int, text: str) -> None:
    low, high = sorted((low, high))
    allowed = automata.digits((1, 5), (low, high))
    assert accepted(allowed, text) == (len(text) <= 5 and low <= int(text) <= high)


@given(st.lists(NUMERALS, min_size=1), NUMERALS)
def test_lists_hold_nothing_else(texts: list[str], other: str) -> None:
    allowed = automata.one_of(texts, marks=False)
    assert all(accepted(allowed, text) for text in texts)
    assert accepted(allowed, other) == (other in texts)


@pytest.mark.parametrize(
    ("decimals", "right", "wrong"),
    [
        (2, ["1.234.25", "1234.25", "0.25", "-5.25"], ["12.34.25", ".25", "1234", "5.2", "-.25", "5.-25"]),
        (0, ["1.234", "12", "-7", "1.234.567"], ["1.23", "1234.567", "", "-"]),
        (None, ["1", "1.234", "12.5", "-26.8", "1.234.5"], ["1.2.3", ".5", "5."]),
    ],
)
def test_numbers(decimals: int | None, right: list[str], wrong: list[str]) -> None:
    allowed = automata.number(decimals)
    assert [text for text in right if not accepted(allowed, text)] == []
    assert [text for text in wrong if accepted(allowed, text)] == []


@given(st.dates(date(2019, 1, 1), date(2025, 12, 31)), st.sampled_from(["dmy", "mdy", "ymd"]), st.booleans())
def test_every_day_of_the_range_is_a_date(day: date, order: str, marks: bool) -> None:
    allowed = automata.dates(order, 8, date(2020, 1, 1), date(2024, 12, 31), marks=marks)
    parts = automata.date_parts(day, 8)
    inside = 2020 <= day.year <= 2024
    assert accepted(allowed, "".join(parts[name] for name in order)) == inside
    assert accepted(allowed, ".".join(parts[name] for name in order)) == (inside and marks)
    short = {"d": str(day.day), "m": str(day.month), "y": str(day.year)}
    assert accepted(allowed, ".".join(short[name] for name in order)) == (inside and marks)


@pytest.mark.parametrize("text", ["31.6.2021", "29.2.2021", "3062021", "1.1", "1.1.2021.", ".1.1.2021", "1.1.21"])
def test_what_is_no_day(text: str) -> None:
    assert not accepted(automata.dates("dmy", 8, date(2020, 1, 1), date(2024, 12, 31), marks=True), text)


def test_there_is_no_way_out_of_the_last_state() -> None:
    allowed = automata.digits((2, 3))
    assert allowed.after.max() == len(allowed.accepts)
    ends = allowed.after[allowed.after.min(axis=1) == len(allowed.accepts)]
    assert np.all(ends == len(allowed.accepts))
