from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from digitscan.corrections import correct, read_corrections
from digitscan.errors import NoInputError, UsageError
from digitscan.report import CsvReport, read_report, write_table
from digitscan.schema import COLUMNS, Box, Digit, Number, PageFailure, PageNumbers, Per, Settings

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

NAME = "=a,\udcff.png"


def entry(line: int, text: str, corrected: str, **others: object) -> dict[str, object]:
    """As the review page writes it, which has a file's name as it stands in the report."""
    place = {"file": "'=a,\\udcff.png", "page": "1", "line": str(line), "number": "1"}
    return {**place, "text": text, "corrected": corrected, "glyphs": "", **others}


def save(path: Path, *entries: dict[str, object]) -> Path:
    path.write_text(json.dumps({"report": "r.csv", "corrections": entries}))
    return path


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    """Three numbers, and a page that couldn't be read."""
    texts = ("123", "007", "5")
    numbers = [
        Number(line, 1, 0.5, tuple(Digit(digit, 0.5, Box(0, 0, 9, 9)) for digit in text))
        for line, text in enumerate(texts, 1)
    ]
    with CsvReport(str(tmp_path / "r.csv"), Settings()) as report:
        report.add(PageNumbers(NAME, 1, tuple(numbers)))
        report.add(PageFailure("b.png", 1, "broken"))
    return read_report(tmp_path / "r.csv")


def test_corrections_are_put_in_and_what_was_read_is_kept(table: pd.DataFrame, tmp_path: Path) -> None:
    made = read_corrections(save(tmp_path / "c.json", entry(1, "123", "128"), entry(2, "007", ""), entry(3, "5", "5")))
    corrected = correct(table, made)
    assert corrected["text"].tolist() == ["128", "", "5", ""]
    assert corrected["original"].tolist() == ["123", "007", "5", ""]
    assert corrected["status"].tolist() == ["checked", "checked", "checked", "error"]
    others = [name for name in COLUMNS[Per.NUMBER] if name not in ("text", "status")]
    assert corrected[others].equals(table[others])
    assert table["text"].tolist() == ["123", "007", "5", ""]


def test_a_corrected_report_can_be_corrected_again(table: pd.DataFrame, tmp_path: Path) -> None:
    once = correct(table, read_corrections(save(tmp_path / "c.json", entry(1, "123", "128"))))
    write_table(tmp_path / "c.csv", tuple(once.columns), once.itertuples(index=False, name=None))
    again = read_report(tmp_path / "c.csv")
    assert again.equals(once)
    twice = correct(again, read_corrections(save(tmp_path / "c.json", entry(1, "128", "129"))))
    assert (twice["text"][0], twice["original"][0]) == ("129", "123")


@pytest.mark.parametrize("wrong", [entry(1, "124", "1"), entry(4, "123", "1"), entry(1, "123", "1", file="b.png")])
def test_corrections_of_another_report_are_refused(
    table: pd.DataFrame, tmp_path: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match="give the one that the corrections were made of"):
        correct(table, read_corrections(save(tmp_path / "c.json", wrong)))


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff", b"[]", b"{}", b'{"corrections": 3}', b'{"corrections": [3]}', b'{"corrections": [{}]}'),
        json.dumps({"corrections": [entry(1, "1", "12x")]}).encode(),
        json.dumps({"corrections": [entry(1, "1", "2", page=1)]}).encode(),
    ],
)
def test_what_holds_no_corrections_is_said_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(UsageError, match="download them from the review page") as error:
        read_corrections(tmp_path / "c.json")
    assert "\n" not in str(error.value)
    with pytest.raises(NoInputError):
        read_corrections(tmp_path / "gone.json")
