from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from digitscan.corrections import correct, load_digits, read_corrections
from digitscan.errors import NoInputError, UsageError
from digitscan.report import CsvReport, read_report, write_table
from digitscan.schema import COLUMNS, NOT_A_DIGIT, Box, Digit, Number, PageFailure, PageNumbers, Per, Settings

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


def glyphs(*shades: int) -> str:
    """Glyphs side by side, each of one shade."""
    strip = np.repeat(np.array(shades, np.uint8), 28)[None].repeat(28, axis=0)
    return b64encode(cv2.imencode(".png", strip)[1].tobytes()).decode()


def test_corrections_teach_digits(tmp_path: Path) -> None:
    made = [
        entry(1, "123", "128", glyphs=glyphs(1, 2, 3)),
        entry(2, "007", "07", glyphs=glyphs(4, 5, 6)),  # Cut wrongly.
        entry(3, "5", "5", glyphs=glyphs(7)),
        entry(4, "11", "", glyphs=glyphs(8, 9)),
        entry(5, "4", "4"),  # The page had no glyphs of it.
        entry(6, "0", "0", glyphs=glyphs(10)),
    ]
    more = save(tmp_path / "d.json", entry(1, "9", "4", glyphs=glyphs(11)), entry(2, "8", "8", glyphs=glyphs(12)))
    found = load_digits([save(tmp_path / "c.json", *made), more])
    assert found.training.labels.tolist() == [1, 2, 8, 5, NOT_A_DIGIT, NOT_A_DIGIT, 0, 8]
    assert found.training.images[:, 0, 0].tolist() == [1, 2, 3, 7, 8, 9, 10, 12]
    assert (found.training.images == found.training.images[:, :1, :1]).all()
    assert (found.held_out.labels.tolist(), found.held_out.images[0, 27, 27]) == ([4], 11)
    assert found.unused == 2
    assert list(found.sources) == ["c.json", "d.json"]
    assert found.digits_alone().training.labels.tolist() == [1, 2, 8, 5, 0, 8]


def test_too_few_corrections_teach_nothing(tmp_path: Path) -> None:
    made = [entry(line, "5", "5", glyphs=glyphs(7)) for line in range(4)]
    with pytest.raises(NoInputError, match="at least 5"):
        load_digits([save(tmp_path / "c.json", *made)])


@pytest.mark.parametrize("damaged", ["x", "====", "AAAA", glyphs(1, 2)])
def test_damaged_glyphs_are_said_in_one_line(tmp_path: Path, damaged: str) -> None:
    with pytest.raises(UsageError, match=r"c\.json: the glyphs of 5 are damaged"):
        load_digits([save(tmp_path / "c.json", entry(1, "5", "5", glyphs=damaged))])


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
