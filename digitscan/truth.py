"""Compares what was read with what is written: truth file, alignment of lines, figures.

Only digits count. The main figures ignore where one number ends and the next begins, which is the page's layout rather
than its writing; the exact ones are given beside them.
"""

from __future__ import annotations

import csv
import re
from dataclasses import asdict, dataclass
from decimal import ROUND_FLOOR, Decimal
from itertools import groupby
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from digitscan.errors import NoInputError, PageError, UsageError
from digitscan.schema import PageFailure, PageNumbers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Lines = tuple[str, ...]
"""The lines of a page: digits, the numbers of a line separated by one space."""

THRESHOLDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
"""Confidences at which the trade between accepting and erring is shown."""

RELIABLE = 0.99
"""Share of right lines among the accepted ones for which the least threshold is sought."""

_LINE = re.compile(r"[0-9]+(?: [0-9]+)*", re.ASCII)


def read_truth(path: Path) -> dict[str, tuple[Lines, ...]]:
    """What is written on every page of every file: the CSV's `lines` by its `file`, in its order.

    Pages are separated by `||` and lines by `|`; an empty field is a page without digits. Other columns may be there.
    Raises NoInputError where the CSV can't be read or names no file, UsageError where it is malformed.
    """
    try:
        # Spreadsheets write a byte order mark; names that aren't UTF-8 are found nonetheless.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise NoInputError(f"{path} can't be read: {error.strerror or error}") from error
    except csv.Error as error:
        raise UsageError(f"{path} is not a CSV file: {error}") from error
    if not rows:
        raise NoInputError(f"{path} names no files; it needs the columns file,lines")
    truth: dict[str, tuple[Lines, ...]] = {}
    for row in rows:
        file, lines = row.get("file"), row.get("lines")
        if not file or lines is None or None in row:
            raise UsageError(f"{path} needs the columns file,lines, and a cell for each column in every row")
        name = str(PurePath(file))
        if name in truth:
            raise UsageError(f"{path} names {file!r} twice")
        truth[name] = tuple(_page(page, f"{path}: {file}") for page in lines.split("||"))
    return truth


def _page(text: str, where: str) -> Lines:
    lines = tuple(text.split("|")) if text else ()
    for line in lines:
        if not _LINE.fullmatch(line):
            raise UsageError(f"{where}: {line!r} is not a line of digits with one space between numbers")
    return lines


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """A line as it is written and as it was read; one of the two is empty where the other has no counterpart.

    `line` counts from 1: the line's place on the page as written, or as read where nothing is written. `confidence`
    is that of its least certain number, 0 to 1, cut to four decimals as in the report; `read_line` the `Number.line` of
    these numbers; both None where nothing was read.
    """

    line: int
    expected: str
    read: str
    confidence: float | None
    read_line: int | None = None

    @property
    def right(self) -> bool:
        """Whether all digits are right, wherever numbers end."""
        return _digits(self.expected) == _digits(self.read)

    @property
    def exact(self) -> bool:
        """Whether the numbers end where they should, too."""
        return self.expected == self.read

    @property
    def errors(self) -> int:
        """Digits to insert, delete or replace."""
        return int(edit_distances(_digits(self.expected), [_digits(self.read)])[0])


@dataclass(frozen=True, slots=True)
class ComparedPage:
    """One page of the comparison; `numbers` are the confidences of the numbers that were read."""

    file: str
    page: int
    lines: tuple[ComparedLine, ...]
    numbers: tuple[float, ...]
    failed: bool = False
    """Whether the page couldn't be read: then it isn't right even where nothing is written."""

    @property
    def right(self) -> bool:
        """Whether all lines are right."""
        return not self.failed and all(line.right for line in self.lines)

    @property
    def exact(self) -> bool:
        """Whether all lines are exact."""
        return not self.failed and all(line.exact for line in self.lines)


class Share(NamedTuple):
    """So many of so many."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The quotient; None for a part of nothing."""
        return self.part / self.whole if self.whole else None

    def to_json(self) -> dict[str, int | float | None]:
        """Both counts and the quotient."""
        return {"part": self.part, "whole": self.whole, "share": self.value}


@dataclass(frozen=True, slots=True)
class Trade:
    """What comes of accepting the lines whose confidence is at least `threshold`, and looking through the others.

    `accepted` is their share of all lines; `right` the share of right ones among them, None where there are none.
    """

    threshold: float
    accepted: float
    right: float | None


class WrongLine(NamedTuple):
    """A row of the list of errors; see `ComparedLine`."""

    file: str
    page: int
    line: int
    expected: str
    read: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class TruthResult:
    """How well pages were read. `lines` are those that are written and those that were read where nothing is.

    `digits` are the written ones, their part is less the edit distance: it may be negative. `rejected` counts numbers
    below the least confidence. `reliable` is the least threshold at which `RELIABLE` of the accepted lines are right,
    None where there is none.
    """

    images: Share
    images_exact: Share
    lines: Share
    lines_exact: Share
    digits: Share
    rejected: Share
    failed: int
    """Pages that couldn't be read."""
    trades: tuple[Trade, ...]
    reliable: Trade | None
    wrong: tuple[WrongLine, ...]

    @property
    def exit_code(self) -> int:
        """0, or that of `PageError` when some pages failed."""
        return PageError.exit_code if self.failed else 0

    def to_json(self) -> dict[str, Any]:
        """The figures, without the wrong lines, in plain lists, dicts and numbers."""
        shares = ("images", "images_exact", "lines", "lines_exact", "digits", "rejected")
        return {
            **{name: getattr(self, name).to_json() for name in shares},
            "failed": self.failed,
            "trades": [asdict(trade) for trade in self.trades],
            "reliable": asdict(self.reliable) if self.reliable else None,
        }


def compare_page(name: str, expected: Lines, page: PageNumbers | PageFailure) -> ComparedPage:
    """Compare one page with what is written on it; `name` is the file's in the truth."""
    if isinstance(page, PageFailure):
        missing = tuple(ComparedLine(place, line, "", None) for place, line in enumerate(expected, 1))
        return ComparedPage(name, page.page, missing, (), failed=True)
    groups = [tuple(group) for _, group in groupby(page.numbers, key=lambda number: number.line)]
    texts = [" ".join(number.text for number in group) for group in groups]
    confidences = [_cut(min(number.confidence for number in group)) for group in groups]
    lines = []
    for written, read in align([_digits(line) for line in expected], [_digits(text) for text in texts]):
        place = read if written is None else written
        assert place is not None
        found = ("", None, None) if read is None else (texts[read], confidences[read], groups[read][0].line)
        lines.append(ComparedLine(place + 1, "" if written is None else expected[written], *found))
    return ComparedPage(name, page.page, tuple(lines), tuple(number.confidence for number in page.numbers))


def score(pages: Sequence[ComparedPage], min_confidence: float) -> TruthResult:
    """The figures of all pages together; numbers below `min_confidence` are rejected."""
    lines = [line for page in pages for line in page.lines]
    numbers = [confidence for page in pages for confidence in page.numbers]
    digits = sum(len(_digits(line.expected)) for line in lines)
    trades = _Trades(lines)
    return TruthResult(
        images=Share(sum(page.right for page in pages), len(pages)),
        images_exact=Share(sum(page.exact for page in pages), len(pages)),
        lines=Share(sum(line.right for line in lines), len(lines)),
        lines_exact=Share(sum(line.exact for line in lines), len(lines)),
        digits=Share(digits - sum(line.errors for line in lines), digits),
        rejected=Share(sum(confidence < min_confidence for confidence in numbers), len(numbers)),
        failed=sum(page.failed for page in pages),
        trades=tuple(trades.at(threshold) for threshold in THRESHOLDS),
        reliable=trades.reliable(),
        wrong=tuple(
            WrongLine(page.file, page.page, line.line, line.expected, line.read, line.confidence)
            for page in pages
            for line in page.lines
            if not line.right
        ),
    )


class _Trades:
    """Lines in falling order of confidence, to count those above any threshold."""

    def __init__(self, lines: Sequence[ComparedLine]) -> None:
        read = [(line.confidence, line.right) for line in lines if line.confidence is not None]
        read.sort(reverse=True)
        self._total = len(lines)
        self._confidences = [confidence for confidence, _ in read]
        self._right = np.cumsum([0] + [right for _, right in read])

    def at(self, threshold: float) -> Trade:
        accepted = int(np.searchsorted(-np.array(self._confidences), -threshold, side="right"))
        right = int(self._right[accepted])
        return Trade(threshold, accepted / max(1, self._total), right / accepted if accepted else None)

    def reliable(self) -> Trade | None:
        trades = map(self.at, sorted(set(self._confidences)))
        return next((trade for trade in trades if trade.right is not None and trade.right >= RELIABLE), None)


def align(expected: Sequence[str], read: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Pair the lines of a page in order, so that the fewest digits differ, and then the most lines are alike.

    Gives pairs of places in `expected` and `read`, each place once, both rising; a line without counterpart is paired
    with None, and all of its digits differ.
    """
    # Alike lines break ties only: all lines together weigh less than one digit.
    unit = len(expected) + len(read) + 1
    cost = np.zeros((len(expected) + 1, len(read) + 1), np.int64)
    gone, extra = ([len(line) * unit + 1 for line in lines] for lines in (expected, read))
    cost[1:, 0], cost[0, 1:] = np.cumsum(gone), np.cumsum(extra)
    pairs = np.array([edit_distances(line, read) for line in expected], np.int64).reshape(len(expected), len(read))
    pairs = pairs * unit + (pairs > 0)
    for row, column in np.ndindex(pairs.shape):
        cost[row + 1, column + 1] = min(
            cost[row, column] + pairs[row, column],
            cost[row, column + 1] + gone[row],
            cost[row + 1, column] + extra[column],
        )
    return _trace(cost, pairs, gone)


def _trace(
    cost: NDArray[np.int64], pairs: NDArray[np.int64], gone: Sequence[int]
) -> list[tuple[int | None, int | None]]:
    """Walk back along the cheapest way."""
    way: list[tuple[int | None, int | None]] = []
    row, column = pairs.shape
    while row or column:
        if row and column and cost[row, column] == cost[row - 1, column - 1] + pairs[row - 1, column - 1]:
            row, column = row - 1, column - 1
            way.append((row, column))
        elif row and cost[row, column] == cost[row - 1, column] + gone[row - 1]:
            row -= 1
            way.append((row, None))
        else:
            column -= 1
            way.append((None, column))
    return way[::-1]


def edit_distances(text: str, others: Sequence[str]) -> NDArray[np.int64]:
    """Characters to insert, delete or replace to make `text` into each of `others` (V. Levenshtein, 1966); (N,)."""
    lengths = np.array([len(other) for other in others], np.intp)
    codes = np.zeros((len(others), lengths.max(initial=0)), np.int64)
    for row, other in zip(codes, others, strict=True):
        row[: len(other)] = list(map(ord, other))
    columns = np.arange(codes.shape[1] + 1)
    distance = np.tile(columns, (len(others), 1))
    for character in text:
        replaced = distance[:, :-1] + (codes != ord(character))
        distance += 1
        np.minimum(distance[:, 1:], replaced, out=distance[:, 1:])
        # Insertions run along the row: each place costs one more than the cheapest before it.
        distance = np.minimum.accumulate(distance - columns, axis=1) + columns
    return distance[np.arange(len(others)), lengths]


def _digits(line: str) -> str:
    return line.replace(" ", "")


def _cut(confidence: float) -> float:
    return float(Decimal(repr(confidence)).quantize(Decimal("0.0001"), ROUND_FLOOR))
