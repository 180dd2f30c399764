"""The truth file, the alignment of lines, the figures, and `evaluate --truth`."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from digitscan import classifier as classifiers
from digitscan.cli import app
from digitscan.errors import NoInputError, UsageError
from digitscan.evaluate import evaluate_truth, locate, write_wrong_lines
from digitscan.schema import Box, Digit, Number, PageFailure, PageNumbers
from digitscan.truth import align, compare_page, edit_distances, read_truth, score

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = Path(__file__).parents[1] / "sample_images"

digits = st.text("0123456789", min_size=1, max_size=8)
pages = st.lists(digits, max_size=7)


def page(*lines: str, number: int = 1, confidence: float = 1.0, file: str = "a.png") -> PageNumbers:
    """A page on which these lines were read, each number with this confidence."""
    box = Box(0, 0, 8, 12)
    return PageNumbers(
        file,
        number,
        tuple(
            Number(line, place, confidence, tuple(Digit(digit, confidence, box) for digit in text))
            for line, texts in enumerate(lines, 1)
            for place, text in enumerate(texts.split(" "), 1)
        ),
    )


def plain_distance(one: str, other: str) -> int:
    """Levenshtein's distance as in the textbook."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
    return row[-1]


# The file


def write(path: Path, content: str) -> Path:
    path.write_text(content, "utf-8")
    return path


def test_truth_has_pages_and_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "\ufefffile,note,lines\nb.tif,x,12 007|5||||9\n./sub/a.png,,\n")
    assert read_truth(path) == {
        "b.tif": (("12 007", "5"), (), ("9",)),
        str(Path("sub/a.png")): ((),),
    }


def test_truth_of_the_samples_is_read_whole() -> None:
    truth = read_truth(SAMPLES / "truth.csv")
    assert len(truth["three-pages.tiff"]) == 3
    assert truth["blank.jpg"] == ((),)
    assert len(truth["opencv-digits/digits.png"][0]) == 50


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,lines\na.png,1\n", "columns file,lines"),
        ("file,lines\na.png\n", "columns file,lines"),
        ("file,lines\na.png,1,2\n", "columns file,lines"),
        ("file,lines\na.png,1\n./a.png,2\n", "twice"),
        ("file,lines\na.png,1.5\n", "not a line of digits"),
        ("file,lines\na.png,1  5\n", "not a line of digits"),
        ("file,lines\na.png,1|||5\n", "not a line of digits"),
        ("file,lines\na.png,\u0661\n", "not a line of digits"),
        (f"file,lines\na.png,{'1' * 200_000}\n", "not a CSV"),
    ],
)
def test_malformed_truth_is_a_usage_error(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_truth(write(tmp_path / "t.csv", content))


@pytest.mark.parametrize("content", [None, "", "file,lines\n"])
def test_truth_without_files_is_no_input(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        write(tmp_path / "t.csv", content)
    with pytest.raises(NoInputError):
        read_truth(tmp_path / "t.csv")


# Distances and alignment


@given(digits | st.just(""), pages)
def test_distances_are_levenshteins(text: str, others: list[str]) -> None:
    assert edit_distances(text, others).tolist() == [plain_distance(text, other) for other in others]


@given(pages, pages)
def test_alignment_names_each_line_once_and_in_order(expected: list[str], read: list[str]) -> None:
    pairs = align(expected, read)
    assert [left for left, _ in pairs if left is not None] == list(range(len(expected)))
    assert [right for _, right in pairs if right is not None] == list(range(len(read)))
    assert (None, None) not in pairs


@given(pages, st.data())
def test_one_line_too_many_costs_that_line_alone(expected: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(expected)))
    extra = data.draw(digits)
    read = [*expected[:place], extra, *expected[place:]]
    for one, other in ((expected, read), (read, expected)):
        pairs = align(one, other)
        alike = [pair for pair in pairs if None not in pair and one[pair[0]] == other[pair[1]]]  # type: ignore[index]
        assert len(alike) == len(expected)


@given(pages, pages)
def test_alignment_is_the_cheapest(expected: list[str], read: list[str]) -> None:
    def cheapest(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return sum(map(len, expected[:i])) + sum(map(len, read[:j]))
        return min(
            table[i - 1][j - 1] + plain_distance(expected[i - 1], read[j - 1]),
            table[i - 1][j] + len(expected[i - 1]),
            table[i][j - 1] + len(read[j - 1]),
        )

    table: list[list[int]] = []
    for i in range(len(expected) + 1):
        table.append([])
        for j in range(len(read) + 1):
            table[i].append(cheapest(i, j))
    assert sum(line.errors for line in compare_page("a", tuple(expected), page(*read)).lines) == table[-1][-1]


def test_among_equally_cheap_alignments_the_one_with_more_lines_alike() -> None:
    assert align(["34", "4"], ["4"]) == [(0, None), (1, 0)]


# Figures


@given(st.lists(st.lists(digits, min_size=1, max_size=3).map(" ".join), max_size=4))
def test_what_was_read_as_it_is_written_is_right(lines: list[str]) -> None:
    result = score([compare_page("a", tuple(lines), page(*lines))], 0.8)
    assert (result.images, result.images_exact) == ((1, 1), (1, 1))
    assert result.lines == result.lines_exact == (len(lines), len(lines))
    assert result.digits.part == result.digits.whole == sum(len(line.replace(" ", "")) for line in lines)
    assert result.wrong == ()


def test_gaps_between_numbers_count_in_the_exact_figures_only() -> None:
    result = score([compare_page("a", ("12 34", "5"), page("1234", "5"))], 0.8)
    assert (result.images, result.lines) == ((1, 1), (2, 2))
    assert (result.images_exact, result.lines_exact) == ((0, 1), (1, 2))
    assert result.wrong == ()


def test_wrong_missing_and_spurious_lines() -> None:
    compared = compare_page("a", ("111", "2222"), page("7", "111", "2272", confidence=0.87654321))
    result = score([compared], 0.8)
    assert [tuple(row) for row in result.wrong] == [("a", 1, 1, "", "7", 0.8765), ("a", 1, 2, "2222", "2272", 0.8765)]
    assert (result.lines, result.digits) == ((1, 3), (5, 7))
    missing = score([compare_page("a", ("111", "22"), page("22"))], 0.8)
    assert [tuple(row) for row in missing.wrong] == [("a", 1, 1, "111", "", None)]


def test_accuracy_of_a_blank_page_is_undefined_not_perfect() -> None:
    result = score([compare_page("a", (), page())], 0.8)
    assert (result.images.value, result.lines.value, result.digits.value, result.rejected.value) == (
        1,
        None,
        None,
        None,
    )


def test_numbers_below_the_least_confidence_are_rejected() -> None:
    compared = [compare_page("a", ("1 2",), page("1 2", confidence=c)) for c in (0.5, 0.8, 0.9)]
    assert score(compared, 0.8).rejected == (2, 6)


def test_trade_between_accepting_and_erring() -> None:
    read = [("1", 0.999), ("1", 0.95), ("7", 0.92), ("1", 0.85), ("7", 0.6)]
    compared = [compare_page("a", ("1",), page(text, confidence=confidence)) for text, confidence in read]
    missing = compare_page("a", ("1",), page())
    result = score([*compared, missing], 0.8)
    trades = {trade.threshold: (trade.accepted, trade.right) for trade in result.trades}
    assert trades[0.0] == (5 / 6, 3 / 5)
    assert trades[0.8] == (4 / 6, 3 / 4)
    assert trades[0.95] == (2 / 6, 1)
    assert result.reliable is not None
    assert (result.reliable.threshold, result.reliable.accepted, result.reliable.right) == (0.95, 2 / 6, 1)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30))
def test_least_reliable_threshold_is_that_of_a_count_by_hand(lines: list[tuple[float, bool]]) -> None:
    compared = [compare_page("a", ("1",), page("1" if right else "7", confidence=c)) for c, right in lines]
    flat = [(line.confidence or 0.0, line.right) for page in compared for line in page.lines]

    def holds(threshold: float) -> bool:
        accepted = [right for confidence, right in flat if confidence >= threshold]
        return sum(accepted) >= 0.99 * len(accepted)

    good = [confidence for confidence, _ in flat if holds(confidence)]
    reliable = score(compared, 0.8).reliable
    assert (reliable.threshold if reliable else None) == min(good, default=None)


def test_a_page_that_could_not_be_read_is_not_right() -> None:
    compared = [compare_page("a", lines, PageFailure("a", 1, "broken")) for lines in (("12",), ())]
    result = score(compared, 0.8)
    assert (result.images, result.lines, result.failed, result.exit_code) == ((0, 2), (0, 1), 2, 6)


def test_result_as_json_holds_plain_values() -> None:
    result = score([compare_page("a", ("12",), page("13"))], 0.8)
    assert json.loads(json.dumps(result.to_json())) == result.to_json()
    assert result.to_json()["digits"] == {"part": 1, "whole": 2, "share": 0.5}
    assert result.to_json()["reliable"] is None


# Files


def test_files_are_sought_in_the_folder_and_then_beside_the_truth(tmp_path: Path) -> None:
    scans, beside = tmp_path / "scans", tmp_path / "beside"
    for path in (scans / "a.png", beside / "a.png", beside / "b.png"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = locate(["b.png", "a.png", "c.png"], (scans, beside))
    assert list(found.items()) == [
        (str(beside / "b.png"), "b.png"),
        (str(scans / "a.png"), "a.png"),
        (str(scans / "c.png"), "c.png"),
    ]
    with pytest.raises(NoInputError):
        locate(["c.png"], (scans, beside))


def test_pages_are_matched_with_their_truth() -> None:
    truth = {"a.tif": (("1",), ("2",), ("3",)), "b.png": ((),)}
    names = {"x/a.tif": "a.tif", "x/b.png": "b.png"}
    scanned = [
        page("1", file="x/a.tif"),
        PageFailure("x/a.tif", 2, "broken"),
        page(file="x/b.png"),
        page("4", number=2, file="x/b.png"),
    ]
    result = evaluate_truth(truth, names, scanned, 0.8)
    assert (result.images, result.failed) == ((2, 5), 2)
    assert [tuple(row)[:5] for row in result.wrong] == [
        ("a.tif", 2, 1, "2", ""),
        ("b.png", 2, 1, "", "4"),
        ("a.tif", 3, 1, "3", ""),
    ]


def test_wrong_lines_are_written(tmp_path: Path) -> None:
    result = score([compare_page("a.png", ("12", "007"), page("13", confidence=0.5))], 0.8)
    write_wrong_lines(result, tmp_path / "wrong.csv")
    with (tmp_path / "wrong.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["file", "page", "line", "expected", "read", "confidence"],
            ["a.png", "1", "1", "12", "13", "0.5000"],
            ["a.png", "1", "2", "007", "", ""],
        ]


# The command


class SevenSayer:
    """A classifier that sees a 7 in everything."""

    name = "seven"
    card = type("Card", (), {"path_weights": None, "line_reader": ""})

    def __call__(self, glyphs: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.eye(12, dtype=np.float32)[np.full(len(glyphs), 7)]


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(classifiers.Classifier, "load", lambda *_: SevenSayer())
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("0007.png", "0008.png"):
        shutil.copyfile(next((SAMPLES / "single" / name[3]).glob("*.png")), folder / name)
    return folder


def test_command_evaluates_a_folder(scans: Path, tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.csv", "file,lines\n0007.png,7\n0008.png,8\n")
    options = ["--layout", "digit", "--csv", str(tmp_path / "wrong.csv"), "--annotate", str(tmp_path / "drawn")]
    done = CliRunner().invoke(app, ["evaluate", "--truth", str(truth), str(scans), *options, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["images"]["part"], result["images"]["whole"]) == (1, 2)
    assert "0008.png,1,1,8,7," in (tmp_path / "wrong.csv").read_text()
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert [path.name for path in drawn] == ["0007.png-p1.png", "0008.png-p1.png"]
    assert all(cv2.imread(str(path)) is not None for path in drawn)


def test_command_prints_a_table_and_tells_of_pages_that_failed(scans: Path, tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.csv", "file,lines\n0007.png,7\ngone.png,8\n")
    done = CliRunner().invoke(app, ["evaluate", "--truth", str(truth), str(scans), "--layout", "digit"])
    assert done.exit_code == 6, done.output
    assert "50.00%" in done.stdout
    assert "could not be read: 1" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--truth", "t.csv"],
        ["scans"],
        ["--truth", "t.csv", "--data", "d", "scans"],
        ["--annotate", "drawn"],
    ],
)
def test_options_that_need_each_other(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    assert isinstance(done.exception, UsageError)
