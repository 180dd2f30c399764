"""Corrections that a person made on the review page: read from its file, and put into a report."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from digitscan.errors import NoInputError, UsageError
from digitscan.report import plain_text
from digitscan.schema import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

_PLACE = ["file", "page", "line", "number"]

_DIGITS = re.compile(r"[0-9]*", re.ASCII)


class Correction(NamedTuple):
    """What is right at one place of a report; all cells are text."""

    file: str
    page: str
    line: str
    number: str
    text: str
    """As it was read."""
    corrected: str
    """The right digits; empty where there is no number."""
    glyphs: str
    """The glyphs of `text` side by side, a PNG in Base64; empty where they aren't known."""


def read_corrections(path: Path) -> list[Correction]:
    """What was downloaded from the review page. Raises NoInputError, and UsageError where it is something else."""
    try:
        entries = json.loads(path.read_bytes())["corrections"]
        return [_correction(entry) for entry in entries]
    except OSError as error:
        raise NoInputError(f"{path} can't be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError) as error:  # Those of JSON and of decoding are ValueErrors.
        raise UsageError(f"{path} does not hold corrections; download them from the review page") from error


def _correction(entry: dict[str, Any]) -> Correction:
    correction = Correction(*(plain_text(_text(entry[name])) for name in Correction._fields))
    if not _DIGITS.fullmatch(correction.corrected):
        raise ValueError(f"{correction.corrected!r} are not digits")
    return correction


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def correct(table: pd.DataFrame, corrections: Sequence[Correction]) -> pd.DataFrame:
    """The report, which is that of `read_report`, with the right digits.

    `text` is what is right, empty where there is no number; what was read stays in the column `original`. `status` is
    `checked` where a person has looked; other cells, the confidence among them, are as they were.

    Raises UsageError for a correction of what isn't in the report, or was read otherwise there.
    """
    corrected = table.copy()
    if "original" not in corrected:
        corrected["original"] = corrected["text"]
    rows = {tuple(cells): row for row, *cells in table[[*_PLACE, "text"]].itertuples(name=None)}
    for correction in corrections:
        row = rows.get(correction[: len(_PLACE) + 1])
        if row is None:
            raise UsageError(
                f"{correction.file!r}, page {correction.page}, line {correction.line}, number {correction.number} is "
                f"not read as {correction.text} in this report; give the one that the corrections were made of"
            )
        corrected.loc[row, ["text", "status"]] = [correction.corrected, Status.CHECKED.value]
    return corrected
