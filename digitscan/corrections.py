"""Corrections that a person made on the review page: read from its file, put into a report, or made to learn from."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from digitscan.errors import NoInputError, UsageError
from digitscan.model import sha256
from digitscan.report import plain_text
from digitscan.schema import GLYPH_SIZE, NOT_A_DIGIT, Samples, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

_HOLD_OUT_EVERY = 5
"""Of the corrected numbers, every fifth is not trained on."""

_PLACE = ["file", "page", "line", "number"]

_DIGITS = re.compile(r"[0-9]*", re.ASCII)
_VALUE = re.compile(r"[-0-9.]*", re.ASCII)
"""Of a form's field: a number or a date."""


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
    """The glyphs of the digits in `text`, side by side, a PNG in Base64; empty where they aren't known."""
    field: str = ""
    """Of a form: its name."""


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
    correction = Correction(*(plain_text(_text(({"field": ""} | entry)[name])) for name in Correction._fields))
    if not (_VALUE if correction.field else _DIGITS).fullmatch(correction.corrected):
        raise ValueError(f"{correction.corrected!r} are not digits")
    return correction


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def correct(table: pd.DataFrame, corrections: Sequence[Correction]) -> pd.DataFrame:
    """The report, which is that of `read_report`, with the right digits.

    `text` is what is right, empty where there is no number; what was read stays in the column `original`. `status` is
    `checked` where a person has looked; other cells, the confidence among them, are as they were. In a report of
    forms the same holds of the fields.

    Raises UsageError for a correction of what isn't in the report, or was read otherwise there.
    """
    if "text" not in table:
        return _correct_forms(table, corrections)
    texts, statuses = table["text"].tolist(), table["status"].tolist()
    places = {tuple(cells): row for row, cells in enumerate(table[[*_PLACE, "text"]].itertuples(index=False))}
    for correction in corrections:
        row = places.get(correction[: len(_PLACE) + 1])
        if row is None:
            raise UsageError(
                f"{correction.file!r}, page {correction.page}, line {correction.line}, number {correction.number} is "
                f"not read as {correction.text} in this report; give the one that the corrections were made of"
            )
        texts[row], statuses[row] = correction.corrected, Status.CHECKED.value
    original = table["original"] if "original" in table else table["text"]
    return table.assign(text=texts, status=statuses, original=original)


def _correct_forms(table: pd.DataFrame, corrections: Sequence[Correction]) -> pd.DataFrame:
    """A report of forms: what was read in corrected fields stays in the column `original`, as FIELD=TEXT."""
    corrected = table.copy()
    originals = table["original"].tolist() if "original" in table else [""] * len(table)
    places = {cells: row for row, cells in enumerate(zip(table["file"], table["page"], strict=True))}
    for correction in corrections:
        row = places.get((correction.file, correction.page))
        if row is None or correction.field not in table or table.at[row, correction.field] != correction.text:
            raise UsageError(
                f"{correction.file!r}, page {correction.page}: {correction.field} is not read as {correction.text!r} "
                "in this report; give the one that the corrections were made of"
            )
        corrected.loc[row, [correction.field, "status"]] = [correction.corrected, Status.CHECKED.value]
        originals[row] += f"{'; ' if originals[row] else ''}{correction.field}={correction.text}"
    return corrected.assign(original=originals)


class CorrectedDigits(NamedTuple):
    """What corrections teach: glyphs with the digits that they are, or NOT_A_DIGIT where there is no number.

    `held_out` are those of every fifth number, to measure with. `unused` numbers are of another length than what was
    read: they were cut wrongly, and it isn't known which glyph is which digit. `sources` are the files by name, with
    their SHA-256.
    """

    training: Samples
    held_out: Samples
    unused: int
    sources: dict[str, str]

    def digits_alone(self) -> CorrectedDigits:
        """Without what is no digit, for networks that know digits only. Raises NoInputError where that leaves none."""
        training, held_out = (part.take(part.labels < NOT_A_DIGIT) for part in (self.training, self.held_out))
        if not (len(training.labels) and len(held_out.labels)):
            raise NoInputError(
                f"{' '.join(self.sources)}: too few digits to train on and to measure with; correct more"
            )
        return self._replace(training=training, held_out=held_out)


def load_digits(paths: Sequence[Path]) -> CorrectedDigits:
    """The digits of files of corrections, one after the other.

    Raises the errors of `read_corrections`, and NoInputError where there are too few digits to train on some and to
    measure with others.
    """
    numbers: list[Samples] = []
    unused = 0
    for path in paths:
        for correction in read_corrections(path):
            glyphs = _glyphs(correction, path)
            labels = list(map(int, _digits(correction.corrected))) or [NOT_A_DIGIT] * len(glyphs)
            if 0 < len(glyphs) == len(labels):
                numbers.append(Samples(glyphs, np.array(labels, np.uint8)))
            else:
                unused += 1
    if len(numbers) < _HOLD_OUT_EVERY:
        raise NoInputError(
            f"{' '.join(map(str, paths))}: {len(numbers)} corrected numbers of the length that was read; "
            f"correct at least {_HOLD_OUT_EVERY}"
        )
    held_out = numbers[_HOLD_OUT_EVERY - 1 :: _HOLD_OUT_EVERY]
    training = [number for place, number in enumerate(numbers, 1) if place % _HOLD_OUT_EVERY]
    sources = {path.name: sha256(path.read_bytes()) for path in paths}
    return CorrectedDigits(Samples.joined(training), Samples.joined(held_out), unused, sources)


def _glyphs(correction: Correction, path: Path) -> NDArray[np.uint8]:
    """The glyphs of a number, uint8 (N, 28, 28), as many as were read; none where the page had none."""
    if not correction.glyphs:
        return np.empty((0, GLYPH_SIZE, GLYPH_SIZE), np.uint8)
    try:
        content = np.frombuffer(b64decode(correction.glyphs), np.uint8)
        strip = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if content.size else None
    except ValueError:  # Not Base64.
        strip = None
    if strip is None or strip.shape != (GLYPH_SIZE, GLYPH_SIZE * len(_digits(correction.text))):
        raise UsageError(f"{path}: the glyphs of {correction.text} are damaged; download the corrections again")
    return np.stack(np.hsplit(strip.astype(np.uint8), len(_digits(correction.text))))


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
