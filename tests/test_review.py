"""What the review page holds. `test_review_page.py` opens it in a browser."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from writing import ByHeart, write_page

from digitscan.errors import NoInputError, OutputError, UsageError
from digitscan.report import CsvReport, read_report
from digitscan.review import Review
from digitscan.scan import Reader, scan
from digitscan.schema import PageFailure, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from digitscan.schema import PageNumbers

ALL = Settings(min_confidence=1.0, jobs=1)
"""Everything is to be reviewed."""


def read(*files: Path, settings: Settings = ALL) -> list[PageNumbers | PageFailure]:
    return list(scan(map(str, files), Reader(ByHeart()), settings))


def made(*pages: PageNumbers | PageFailure, settings: Settings = ALL) -> Review:
    review = Review("r.csv", settings)
    for page in pages:
        review.add(page)
    return review


def written(review: Review, path: Path, **options: bool) -> str:
    review.write(path, **options)
    return path.read_text("utf-8")


def held(page: str, name: str) -> list[Any]:
    """The blocks of data in the page."""
    found = re.findall(rf'<script type="application/json" class="{name}">(.*?)</script>', page, re.DOTALL)
    return [json.loads(block) for block in found]


def picture(text: str) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(b64decode(text), np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


def save(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), write_page(lines).pixels)
    return path


def report_of(path: Path, *pages: PageNumbers | PageFailure, settings: Settings = ALL, excel: bool = False) -> Path:
    with CsvReport(str(path), settings, excel=excel) as report:
        for page in pages:
            report.add(page)
    return path


def test_rows_are_those_of_the_report(scans: Path, tmp_path: Path) -> None:
    pages = read(*sorted(scans.iterdir()))
    table = read_report(report_of(tmp_path / "r.csv", *pages))
    (rows,) = held(written(made(*pages), tmp_path / "r.html"), "rows")
    assert rows == table.to_numpy().tolist()


def test_a_number_has_its_picture_its_glyphs_and_its_runners_up(tmp_path: Path) -> None:
    file = save(tmp_path / "a.png", "31415 007")
    (page,) = read(file)
    ((first, second),) = held(written(made(page), tmp_path / "r.html"), "details")
    pixels, cut = cv2.imread(str(file), 0), picture(first["picture"])
    height, width = page.numbers[0].box.height, page.numbers[0].box.width
    assert cut.shape[0] == pytest.approx(1.7 * height, abs=3)
    assert cut.shape[1] == pytest.approx(width + 1.2 * height, abs=3)
    assert cut.mean() == pytest.approx(pixels[30:90, 30:250].mean(), abs=25)
    glyphs = np.hstack([np.frombuffer(d.glyph, np.uint8).reshape(28, 28) for d in page.numbers[0].digits])
    np.testing.assert_array_equal(picture(first["glyphs"]), glyphs)
    assert [digit for digit, _, _ in first["digits"]] == list("31415")
    assert [digit for digit, _, _ in second["digits"]] == list("007")
    for digit, confidence, others in first["digits"]:
        shares = [confidence, *(share for _, share in others)]
        assert digit not in dict(others)
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1.001


def test_only_doubtful_numbers_have_pictures_unless_all_are_wanted(tmp_path: Path) -> None:
    sure = Settings(min_confidence=0.0, jobs=1)
    (page,) = read(save(tmp_path / "a.png", "31415 007"), settings=sure)
    review = made(page, settings=sure)
    assert review.to_review == 0
    assert held(written(review, tmp_path / "r.html"), "details") == [[None, None]]
    review = Review("r.csv", sure, all_rows=True)
    review.add(page)
    ((first, second),) = held(written(review, tmp_path / "r.html"), "details")
    assert first
    assert second


@pytest.mark.parametrize("rotate", [90, 180, 270])
def test_pictures_are_upright(tmp_path: Path, rotate: int) -> None:
    pixels = write_page(["31415"]).pixels
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    cv2.imwrite(str(tmp_path / "b.png"), np.rot90(pixels, rotate // 90))
    (upright,), (lying,) = (
        held(
            written(made(*read(tmp_path / name, settings=settings), settings=settings), tmp_path / "r.html"), "details"
        )
        for name, settings in (("a.png", ALL), ("b.png", Settings(min_confidence=1.0, jobs=1, rotate=rotate)))
    )
    one, other = picture(upright[0]["picture"]), picture(lying[0]["picture"])
    assert one.shape == pytest.approx(other.shape, abs=2)
    assert cv2.resize(one, other.shape[::-1]).astype(int) == pytest.approx(other.astype(int), abs=90)


def test_a_report_and_its_scan_make_the_same_page(scans: Path, tmp_path: Path) -> None:
    pages = read(*sorted(scans.iterdir()))
    table = read_report(report_of(tmp_path / "r.csv", *pages, excel=True))
    again = Review("r.csv", ALL)
    again.add_rows(table.itertuples(index=False, name=None))
    for page in read(*map(type(scans), again.find_files())):
        again.add_details(page)
    assert table.attrs["excel"]
    assert (again.changed, again.missing) == (0, 0)
    assert written(again, tmp_path / "a.html") == written(made(*pages), tmp_path / "b.html")


def test_what_is_read_otherwise_now_has_a_picture_without_glyphs(tmp_path: Path) -> None:
    file = save(tmp_path / "a.png", "31415")
    report = report_of(tmp_path / "r.csv", *read(file))
    report.write_text(report.read_text().replace(",31415,", ",99999,"))
    review = Review("r.csv", ALL)
    review.add_rows(read_report(report).itertuples(index=False, name=None))
    review.add_details(*read(file))
    assert (review.changed, review.missing) == (1, 0)
    ((details,),) = held(written(review, tmp_path / "r.html"), "details")
    assert details.keys() == {"picture"}


def test_a_row_without_a_place_is_said_in_one_line(tmp_path: Path) -> None:
    file = save(tmp_path / "a.png", "31415")
    table = read_report(report_of(tmp_path / "r.csv", *read(file))).assign(text="1", x="here")
    review = Review("r.csv", ALL)
    review.add_rows(table.itertuples(index=False, name=None))
    with pytest.raises(UsageError, match=r"r\.csv, row 2"):
        review.add_details(*read(file))


def test_other_columns_stay(tmp_path: Path) -> None:
    file = save(tmp_path / "a.png", "31415")
    table = read_report(report_of(tmp_path / "r.csv", *read(file))).assign(original="7")
    review = Review("r.csv", ALL, tuple(table.columns))
    review.add_rows(table.itertuples(index=False, name=None))
    page = written(review, tmp_path / "r.html")
    assert held(page, "about")[0]["columns"][-1] == "original"
    assert held(page, "rows")[0][0][-1] == "7"


@pytest.mark.parametrize("change", ["gone", "other"])
def test_a_page_that_is_gone_leaves_its_row_without_picture(tmp_path: Path, change: str) -> None:
    file, stays = save(tmp_path / "a.png", "31415"), save(tmp_path / "b.png", "27182")
    table = read_report(report_of(tmp_path / "r.csv", *read(file, stays)))
    review = Review("r.csv", ALL)
    review.add_rows(table.itertuples(index=False, name=None))
    file.unlink() if change == "gone" else file.write_bytes(b"no picture")
    for page in read(*(tmp_path / name for name in ("a.png", "b.png"))):
        review.add_details(page)
    assert review.missing == 1
    ((first, second),) = held(written(review, tmp_path / "r.html"), "details")
    assert first is None
    assert second
    stays.unlink()
    if change == "gone":
        with pytest.raises(NoInputError, match="in the folder where classify was called"):
            review.find_files()


def test_names_cannot_break_out_of_their_data(tmp_path: Path) -> None:
    file = save(tmp_path / "<" / "script><script>alert(1)<!--\"'&.png", "31415")
    page = written(made(*read(file), PageFailure("=1+1\udcff.png", 1, "</script>\u2028")), tmp_path / "r.html")
    names = [row[0] for row in held(page, "rows")[0]]
    assert names == [str(file), "'=1+1\\udcff.png"]
    assert page.count("<script") == page.count("</script>") == 4
    assert "alert(" not in page.replace(json.dumps(str(file)).replace("<", "\\u003c"), "")


def test_answers_of_another_report_are_not_taken_for_those_of_this_one(tmp_path: Path) -> None:
    one, other = read(save(tmp_path / "a.png", "31415"), save(tmp_path / "b.png", "27182"))
    pages = [written(made(*pages), tmp_path / "r.html") for pages in ((one,), (one,), (one, other))]
    first, same, different = (held(page, "about")[0]["id"] for page in pages)
    assert first == same != different


def test_what_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        Review("r.csv", ALL).write(tmp_path)


def test_an_empty_report_makes_a_page(tmp_path: Path) -> None:
    review = Review("r.csv", ALL)
    assert review.find_files() == []
    assert held(written(review, tmp_path / "r.html"), "rows") == []
