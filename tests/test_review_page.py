"""The review page in a real browser, as a person uses it."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from browser import axe_source, chromium, downloaded, show
from writing import ByHeart, write_page

from digitscan.corrections import correct, read_corrections
from digitscan.report import CsvReport, read_report
from digitscan.review import Review
from digitscan.scan import Reader, scan
from digitscan.schema import Box, Digit, FieldValue, Number, PageFailure, PageNumbers, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from digitscan.schema import PageResult

ALL = Settings(min_confidence=1.0, jobs=1)
HOSTILE = "</script><b><script>alert(1)<!--\"'&.png"
DESKTOP, PHONE = (1280, 860), (390, 844)


class Made:
    """A report, its page, and what a person does on it."""

    def __init__(self, browser: Any, folder: Path, downloads: Path) -> None:
        self.browser = browser
        self.report = folder / "re port.csv"
        self.page = folder / "review.html"
        self.downloads = downloads

    def write(self, pages: Sequence[PageResult], settings: Settings) -> None:
        """Report and page of these pages; the page is opened."""
        review = Review(str(self.report), settings)
        with CsvReport(str(self.report), settings) as report:
            for page in pages:
                report.add(page)
                review.add(page)
        review.write(self.page)
        self.open()

    def open(self, *, again: bool = False) -> None:
        show(self.browser, *DESKTOP, "light")
        self.browser.get(self.page.as_uri())
        if not again:
            self.browser.execute_script("localStorage.clear()")
            self.browser.refresh()

    def type(self, *keys: str) -> None:
        self.browser.switch_to.active_element.send_keys(*keys)

    def text(self, element: str) -> str:
        return str(self.browser.execute_script("return document.getElementById(arguments[0]).textContent", element))

    def typed(self) -> str:
        return str(self.browser.execute_script("return document.getElementById('text').value"))

    def list(self) -> list[str]:
        return [item.text for item in self.browser.find_elements("css selector", "#list button")]

    def filter(self, element: str, value: str) -> None:
        self.browser.execute_script(
            "const one = document.getElementById(arguments[0]); one.value = arguments[1];"
            "one.dispatchEvent(new Event('input', {bubbles: true}))",
            *(element, value),
        )

    def download(self, button: str, name: str) -> Path:
        (self.downloads / name).unlink(missing_ok=True)
        self.browser.find_element("id", button).click()
        return downloaded(self.downloads, name)

    def corrected(self) -> list[dict[str, str]]:
        path = self.download("download-report", "re port-corrected.csv")
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads: Path) -> Iterator[Any]:
    with chromium(downloads) as opened:
        yield opened


@pytest.fixture
def made(browser: Any, tmp_path: Path, downloads: Path) -> Made:
    """Five numbers on two pages, an empty page, and one that can't be read."""
    made = Made(browser, tmp_path, downloads)
    for name, *lines in ((HOSTILE, "31415 007", "92653"), ("b.png", "27182 5")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), write_page(lines).pixels)
    pages = list(scan([str(tmp_path / name) for name in (HOSTILE, "b.png")], Reader(ByHeart()), ALL))
    pages += [PageNumbers("empty.png", 1, ()), PageFailure("=bad,\udcff.png", 1, 'it\'s </script> "broken"')]
    made.write(pages, ALL)
    return made


def test_a_person_corrects_a_report(made: Made) -> None:
    rows = read_report(made.report)
    order = rows[rows["status"] == "review"].sort_values("confidence", kind="stable", key=lambda c: c.astype(float))
    assert made.text("done") == "0 of 5 reviewed"
    assert made.typed() == order["text"].iloc[0]
    made.type("123", "\n")  # Typing replaces what was read.
    made.type("\n")  # As it was read.
    made.type("n")
    made.type("\ue00c")  # Escape.
    made.type("00")
    made.browser.refresh()
    assert made.text("done") == "3 of 5 reviewed"
    assert made.typed() == order["text"].iloc[3]
    made.type("\ue015")  # Down: what was being typed is still there.
    assert made.typed() == "00"
    made.type("\n")
    assert made.text("said") == "This was the last row; 1 are still open."

    answers = dict(zip(order.index, ["123", order["text"].iloc[1], "none", "", "00"], strict=True))
    corrected = made.corrected()
    assert [row.pop("corrected") for row in corrected] == [answers.get(row, "") for row in rows.index]
    with made.report.open(encoding="utf-8", newline="") as stream:
        assert corrected == list(csv.DictReader(stream))

    path = made.download("download-corrections", "re port-corrections.json")
    table = correct(rows, read_corrections(path))
    for row, answer in answers.items():
        if answer:
            rows.loc[row, ["text", "status"]] = ["" if answer == "none" else answer, "checked"]
    assert table[list(rows.columns)].equals(rows)
    assert made.errors() == []


def test_what_is_no_number_is_not_taken(made: Made) -> None:
    made.type("1a2")
    assert made.typed() == "12"
    made.type("\ue003\ue003\n")  # Backspace.
    assert made.text("problem").startswith("Type the digits")
    assert made.text("done") == "0 of 5 reviewed"


def test_rows_are_filtered_by_file_and_status(made: Made) -> None:
    assert len(made.list()) == 5
    made.filter("file", "B.PNG")
    assert len(made.list()) == 2
    assert all("b.png · page 1" in item for item in made.list())
    made.filter("status", "error")
    assert made.text("rows-title") == "No rows"
    made.filter("file", "")
    assert "=bad" in made.list()[0]
    assert made.text("message") == 'it\'s </script> "broken"'
    made.type("5\n")  # A row without a number takes no answer.
    made.filter("status", "")
    assert len(made.list()) == 7
    assert all(not row["corrected"] for row in made.corrected())
    assert made.errors() == []


def test_a_click_in_the_list_shows_its_row(made: Made) -> None:
    last = made.browser.find_elements("css selector", "#list button")[-1]
    place = last.find_element("css selector", ".where").text
    last.click()
    assert place in made.text("place")
    made.type("42\n")
    assert "✓ 42" in made.list()[-1]


def test_names_are_shown_and_never_run(made: Made) -> None:
    made.filter("file", "alert(1)")
    assert HOSTILE in made.text("place")
    assert len(made.browser.find_elements("css selector", "main script, main b")) == 0
    assert made.errors() == []


@pytest.fixture
def form(browser: Any, tmp_path: Path, downloads: Path) -> Made:
    """Two fields of a form that is turned on its page, and a page that isn't the form."""
    made = Made(browser, tmp_path, downloads)
    file = tmp_path / "turned.png"
    cv2.imwrite(str(file), cv2.rotate(write_page(["12", "345"]).pixels, cv2.ROTATE_180))
    settings = Settings(fields=("amount", "people"), min_confidence=1.0)
    corners = ((300.0, 120.0), (100.0, 120.0), (100.0, 60.0), (300.0, 60.0))
    digit = Digit("7", 0.5, Box(60, 20, 60, 20), (0.1,) * 10, bytes(784))
    values = [FieldValue("amount", "-7.5", "", corners), FieldValue("people", "7", "people breaks its rule", corners)]
    numbers = [Number(line, 1, line / 4, (digit,), value) for line, value in enumerate(values, 1)]
    pages = [PageNumbers(str(file), 1, tuple(numbers), form="card"), PageFailure("b.png", 1, "not the form")]
    made.write(pages, settings)
    return made


def test_a_person_corrects_the_fields_of_a_form(form: Made) -> None:
    assert form.text("place").endswith("turned.png · page 1 · amount")
    assert form.browser.execute_script("return document.getElementById('picture').naturalWidth") > 100
    form.type("-1x2,5")
    assert form.typed() == "-125"
    form.type("\ue003.5\n")  # Backspace.
    assert form.text("place").endswith("people")
    assert form.text("message") == "people breaks its rule"
    form.type("n")
    assert form.text("done") == "2 of 2 reviewed"
    form.filter("status", "error")
    assert form.text("message") == "not the form"
    path = form.download("download-corrections", "re port-corrections.json")
    table = correct(read_report(form.report, forms=True), read_corrections(path))
    assert table[["amount", "people", "status"]].to_numpy().tolist() == [["-12.5", "", "checked"], ["", "", "error"]]
    assert form.errors() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_everybody_can_use_it(made: Made, axe: str, size: tuple[int, int], theme: str) -> None:
    made.type("123\n", "n")
    show(made.browser, *size, theme)
    made.browser.execute_script(axe)
    found = made.browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
    width = made.browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= size[0]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_source(tmp_path_factory.mktemp("axe"))


def test_ten_thousand_rows_open_at_once(browser: Any, tmp_path: Path, downloads: Path) -> None:
    file, count = tmp_path / "a.png", 10_000
    cv2.imwrite(str(file), np.random.default_rng(0).integers(0, 255, (60, 200), np.uint8))
    digit = Digit("7", 0.5, Box(60, 20, 60, 20), (0.1,) * 10, bytes(784))
    numbers = [Number(line, 1, line / (count + 1), (digit,) * 5) for line in range(1, count + 1)]
    review = Review("re port.csv", ALL)
    review.add(PageNumbers(str(file), 1, tuple(numbers)))
    made = Made(browser, tmp_path, downloads)
    review.write(made.page)
    assert made.page.stat().st_size > 10_000_000
    started = time.monotonic()
    browser.get(made.page.as_uri())
    assert made.text("done") == "0 of 10,000 reviewed"
    assert time.monotonic() - started < 3
    browser.find_element("id", "later").click()
    assert made.text("rows-title") == "Rows 41 to 80 of 10,000"
    browser.execute_script("document.getElementById('text').focus()")
    made.type("1\n" * 20)
    assert made.text("done") == "20 of 10,000 reviewed"
    assert sum(bool(row["corrected"]) for row in made.corrected()) == 20
