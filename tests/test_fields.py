"""Forms from the page to the report, with the shipped model: copies of the sample forms as they come back."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from digitscan import fields, formcheck, image, propose, register, scan
from digitscan.corrections import correct, read_corrections
from digitscan.errors import UsageError
from digitscan.form import load_form, load_forms
from digitscan.report import read_report
from digitscan.review import Review
from digitscan.schema import Page, PageFailure, PageNumbers, Settings
from digitscan.summary import summarize

if TYPE_CHECKING:
    from digitscan.form import Form
    from digitscan.scan import Reader

ROOT = Path(__file__).parents[1]
FORMS, SAMPLES = ROOT / "sample_forms", ROOT / "sample_images"
COPIES = 30
"""The last is of another form."""

sys.path.insert(0, str(ROOT / "tools"))
import make_forms  # noqa: E402

pytestmark = pytest.mark.skipif(not (ROOT / "models" / "digits.tflite").is_file(), reason="the model isn't trained yet")


@pytest.fixture(scope="module")
def form() -> Form:
    return load_form(FORMS / "form.toml")


@pytest.fixture(scope="module")
def reader(form: Form) -> Reader:
    return scan.load_reader(None)._replace(forms=(form,))


def page_of(name: str) -> Page:
    page = next(image.read_pages(str(FORMS / name), Settings()))
    assert isinstance(page, Page)
    return page


def read(page: Page, reader: Reader) -> PageNumbers:
    found = fields.form_glyphs(page, reader.forms, reader.read_strips)
    assert not isinstance(found, PageFailure), found
    assert found.form is not None
    form = reader.forms[found.form.form]
    return fields.read_form(found, found.form, form, reader.classify(found.glyphs), reader.weights)


def test_copies_are_found_and_read(reader: Reader) -> None:
    """From 75 to 600 dpi, shifted, turned by any angle, and photographed with a shadow: none may be refused."""
    sheet = cv2.imread(str(Path(__file__).with_name("digits.png")), cv2.IMREAD_GRAYSCALE)
    assert sheet is not None
    digits = make_forms.digits_on(sheet)
    right: dict[bool, list[bool]] = {True: [], False: []}
    for number in range(COPIES - 1):
        filled, written = make_forms.fill(f"form {number}", digits)
        pixels, *_ = make_forms.copy_of(make_forms.pixels_of(filled), number)
        numbers = read(Page("x", 1, pixels), reader).numbers
        for field, value, text in zip(make_forms.FIELDS, numbers, written, strict=True):
            right["check" in field.rules].append(value.text == text)
    assert np.mean(right[True]) >= 0.99
    assert np.mean(right[False]) >= 0.97


@pytest.mark.parametrize("number", [10, COPIES - 1])
def test_another_form_of_the_same_company_is_refused(form: Form, number: int) -> None:
    """Half of all its print is where it should be: letterhead, foot and frames."""
    pixels, *_ = make_forms.copy_of(make_forms.empty_form(make_forms.FIELDS[::-1]), number)
    found = fields.find_form(Page("x", 1, pixels), [form])
    assert isinstance(found, PageFailure)


@pytest.mark.parametrize(
    "name", ["blank.jpg", "boxed-form.png", "table.jpg", "printed-page.png", "meter-list-a4-300dpi.jpg"]
)
def test_foreign_pages_are_refused(form: Form, name: str) -> None:
    page = next(image.read_pages(str(SAMPLES / name), Settings()))
    assert isinstance(page, Page)
    found = fields.find_form(page, [form])
    assert isinstance(found, PageFailure)
    assert "not the form form" in found.message


@pytest.mark.parametrize("is_turned", [False, True])
def test_fields_are_found_where_they_are(form: Form, is_turned: bool) -> None:
    """At 300 dpi, to half a pixel."""
    pixels = page_of("filled-1.png").pixels
    height, width = pixels.shape
    wanted = register.scaling(width / form.printed.shape[1])
    if is_turned:
        pixels = np.asarray(cv2.rotate(pixels, cv2.ROTATE_180))
        wanted = np.array([[-1, 0, width - 1], [0, -1, height - 1], [0, 0, 1]]) @ wanted
    found = fields.find_form(Page("x", 1, pixels), [form])
    assert not isinstance(found, PageFailure)
    for field in form.fields:
        corners, there = (fields.corners_on_page(field.place, place) for place in (found[1].to_page, wanted))
        assert np.abs(corners - there).max() < 0.5


def run(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "digitscan", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_report_has_a_row_a_page_and_is_the_same_when_it_is_resumed(tmp_path: Path) -> None:
    inputs = (FORMS / "filled-1.png", SAMPLES / "blank.jpg", "--form", FORMS / "form.toml", "--confidences", "-q")
    reports = []
    for options in (("-j", "2", "--page-timeout", "300"), ("--resume",), ("--resume",)):
        done = run("classify", *inputs, "-o", "r.csv", *options, folder=tmp_path)
        assert (done.returncode, done.stderr) == (6, "")
        reports.append((tmp_path / "r.csv").read_text("utf-8"))
    assert len(set(reports)) == 1
    first, second = csv.DictReader(reports[0].splitlines())
    assert (first["customer"], first["correction"], first["form"]) == ("37736543", "-26.8", "form")
    assert 0 < float(first["customer_confidence"]) <= 1
    assert (second["status"], second["customer"]) == ("error", "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--per", "digit"), "leave --per out"),
        (("--rotate", "90"), "leave --layout and --rotate out"),
        (("--layout", "line"), "leave --layout and --rotate out"),
        (("--debug", "d"), "digitscan form check"),
        (("--review", "r.html", "--resume"), "leave one of them out"),
    ],
)
def test_senseless_combinations_are_refused(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = run("classify", SAMPLES, "--form", FORMS / "form.toml", *options, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert run("classify", SAMPLES, "--confidences", folder=tmp_path).returncode == 2


def test_each_page_is_the_form_that_it_matches(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    box = '[[field]]\nname = "a"\nbox = [10, 10, 90, 40]\ntype = "digits"\n'
    other.write_text(f"reference = {json.dumps(str(SAMPLES / 'printed-page.png'))}\n{box}", encoding="utf-8")
    forms = load_forms([FORMS / "form.toml", other])
    for index, file in enumerate((FORMS / "filled-2.png", SAMPLES / "printed-page.png")):
        page = next(image.read_pages(str(file), Settings()))
        assert isinstance(page, Page)
        found = fields.find_form(page, forms)
        assert not isinstance(found, PageFailure)
        assert found[0] == index


def test_new_template_has_all_fields_and_is_one(tmp_path: Path, form: Form) -> None:
    places = propose.find_fields(FORMS / "form.png")
    assert [place.boxes for place in places] == [field.boxes for field in form.fields]
    for found, field in zip(places, form.fields, strict=True):
        assert found.place == pytest.approx(field.place, abs=6)
    path = tmp_path / "new.toml"
    path.write_text(propose.template(FORMS / "form.png", path, places), encoding="utf-8")
    assert [field.boxes for field in load_form(path).fields] == [field.boxes for field in form.fields]


def test_check_draws_what_matches_and_says_what_does_not(tmp_path: Path, form: Form) -> None:
    found = [str(FORMS / "filled-1.png"), str(SAMPLES / "blank.jpg")]
    one, other = formcheck.check(form, found, Settings(), tmp_path)
    assert one.quality is not None
    assert one.quality > 0.6
    assert other.quality is None
    assert [path.name for path in tmp_path.iterdir()] == ["filled-1.png-p1.png"]


def test_fields_are_reviewed_and_corrected_by_name(tmp_path: Path, reader: Reader) -> None:
    names = tuple(field.name for field in reader.forms[0].fields)
    settings = Settings(fields=names, min_confidence=1.0)
    page = read(page_of("filled-1.png"), reader)
    review = Review("r.csv", settings)
    review.add(page)
    review.add(PageFailure("b.png", 1, "not there"))
    review.write(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert all(f'"{name}"]' in text for name in names)
    assert review.missing == 0
    file = str(FORMS / "filled-1.png")
    assert run("classify", file, "--form", FORMS / "form.toml", "-o", "r.csv", "-q", folder=tmp_path).returncode == 0
    with pytest.raises(UsageError, match="classify --form FORM --review FILE"):
        read_report(tmp_path / "r.csv")
    made = {"file": file, "page": "1", "line": "9", "number": "1", "text": "-26.8", "corrected": "-26.9", "glyphs": ""}
    (tmp_path / "c.json").write_text(json.dumps({"corrections": [made | {"field": "correction"}]}))
    table = correct(read_report(tmp_path / "r.csv", forms=True), read_corrections(tmp_path / "c.json"))
    assert summarize(table).statuses.to_numpy().tolist() == [["checked", 1, 1.0]]
    assert table.loc[0, ["correction", "status", "original"]].tolist() == ["-26.9", "checked", "correction=-26.8"]
