"""What people write on forms and cheques: random amounts, dates, codes, marks and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

DIGITS = "0123456789"

_CONSONANTS = "bcdfghjklmnpqrstvwxyz"
_VOWELS = "aeiou"
_GROUPERS = (".", ".", ",", " ", "'", "", "")
_PREFIXES = ("$", "$ ", "Fr ", "R$", "Bs ", "kr ", "*", "#", "=", "-", "$-", "a ", "No ", "+")
_ENDINGS = ("-", ".-", ",-", "=", ".", ",", ".=", " -", "--", "*", "#", ".--", ",--", " kr", " Fr", "%")
_CODES = ("#####", "#####", "#### @@", "@# #@@", "#####-####", "##:##", "### ## ##", "(0##) ###-####", "@@###")
_UNITS = ("kg", "m", "cm", "x", "g", "km", "Uhr", "h", "l", "%", "st")


@dataclass(frozen=True, slots=True)
class Text:
    """Characters of one line; those from `raised` on are written smaller and higher, as decimals on cheques are."""

    chars: str
    raised: int | None = None

    @property
    def truth(self) -> str:
        """The digits alone; one space where a space lies between two of them."""
        kept = "".join(char for char in self.chars if char in DIGITS or char == " ")
        return " ".join(kept.split())


def pick(rng: np.random.Generator, choices: str | tuple[str, ...]) -> str:
    """One of the choices, all equally likely."""
    return choices[int(rng.integers(len(choices)))]


def number(rng: np.random.Generator, length: int, *, counted: bool = False) -> str:
    """`length` digits; zeros often, and often in a row, as round sums have them.

    What is `counted`, such as money, begins with small digits more often (F. Benford, The law of anomalous numbers,
    1938): a leading 1 is the likeliest digit, not a mark before the number.
    """
    first = str(int(10 ** rng.random())) if counted else pick(rng, DIGITS)
    digits = first + "".join(pick(rng, DIGITS) for _ in range(length - 1))
    kind = rng.random()
    if kind < 0.2:
        return digits.rstrip("0")[:1].ljust(length, "0") if digits.strip("0") else "1".ljust(length, "0")
    if kind < 0.3:
        zeros = int(rng.integers(1, length + 1))
        return digits[: length - zeros] + "0" * zeros
    if kind < 0.36:
        return digits[: (length + 1) // 2] + digits[0] * (length // 2)
    return digits


def amount(rng: np.random.Generator) -> Text:
    """A sum of money: thousands marks, decimals in many manners, signs before and after."""
    whole = number(rng, int(rng.integers(1, 8)), counted=True)
    mark = pick(rng, _GROUPERS)
    first = len(whole) % 3 or 3
    grouped = mark.join([whole[:first], *(whole[at : at + 3] for at in range(first, len(whole), 3))])
    chars = (pick(rng, _PREFIXES) if rng.random() < 0.25 else "") + grouped
    kind = rng.random()
    if kind < 0.35:
        return Text(chars)
    if kind < 0.65:
        return Text(chars + pick(rng, _ENDINGS))
    decimals = pick(rng, ("00", "50")) if rng.random() < 0.3 else number(rng, 2)
    if kind < 0.85:
        return Text(chars + pick(rng, (",", ".", "-", "=", ":")) + decimals)
    point = pick(rng, ("", ",", "."))
    return Text(chars + point + decimals + pick(rng, ("", "", "/100")), raised=len(chars + point))


def plain(rng: np.random.Generator) -> Text:
    """One to ten digits with nothing else."""
    return Text(number(rng, int(rng.integers(1, 11))))


def zeros(rng: np.random.Generator) -> Text:
    """A digit or two and a run of zeros, the usual touching chain."""
    ending = pick(rng, ("", "", "-", ".", ".-"))
    return Text(number(rng, int(rng.integers(1, 3)), counted=True) + "0" * int(rng.integers(2, 7)) + ending)


def date(rng: np.random.Generator) -> Text:
    """A day in one of the usual orders and separators."""
    day, month = str(rng.integers(1, 32)), str(rng.integers(1, 13))
    year = str(rng.integers(1900, 2040))
    if rng.random() < 0.5:
        day, month = day.zfill(2), month.zfill(2)
    if rng.random() < 0.5:
        year = year[2:]
    separator = pick(rng, ("/", ".", "-", ". ", "/", " ", " / "))
    parts = [day, month, year] if rng.random() < 0.8 else [year, month, day]
    return Text(separator.join(parts))


def code(rng: np.random.Generator) -> Text:
    """Postal codes, telephone numbers, clock times and serial numbers."""
    drawn = {"#": DIGITS, "@": "ACDEFHJKLMNPRTUVWXY"}
    return Text("".join(pick(rng, drawn.get(char, char)) for char in pick(rng, _CODES)))


def mark(rng: np.random.Generator) -> Text:
    """A mark or a score: one or two digits, a half, so many out of so many, a sign."""
    score = str(rng.integers(0, 101))
    form = pick(rng, ("", "", "", "+", "-", ".5", ",5", "/10", "/20", "/100", "%", "!"))
    return Text(score + form)


def measure(rng: np.random.Generator) -> Text:
    """Digits among letters: units, item names, small sums."""
    count, word = number(rng, int(rng.integers(1, 5)), counted=True), words(rng, 1).chars
    forms = (f"{count} {pick(rng, _UNITS)}", f"{count}{pick(rng, _UNITS)}", f"{word} {count}", f"{count} {word}")
    return Text(pick(rng, (*forms, f"{count[0]}x{count}", f"{count[0]}+{count}", f"{word} {count} {word}")))


def words(rng: np.random.Generator, most: int = 3) -> Text:
    """One to `most` pronounceable words without digits; lower case, capitalised or upper case."""
    spoken = [_word(rng) for _ in range(int(rng.integers(1, most + 1)))]
    return Text(" ".join(spoken) + pick(rng, ("", "", ".", ",", ":", "!", "?")))


_NUMBERS: tuple[Callable[[np.random.Generator], Text], ...] = (
    *(amount, amount, amount, amount, plain, plain, plain),
    *(zeros, date, code, mark, measure),
)


def numbers(rng: np.random.Generator) -> Text:
    """Any text that has digits."""
    return _NUMBERS[int(rng.integers(len(_NUMBERS)))](rng)


def _word(rng: np.random.Generator) -> str:
    syllables = [pick(rng, _CONSONANTS) + pick(rng, _VOWELS) for _ in range(int(rng.integers(1, 4)))]
    word = "".join(syllables) + pick(rng, (*"nrsltm", "", ""))
    kind = rng.random()
    if kind < 0.3:
        return word.upper()
    return word.capitalize() if kind < 0.6 else word
