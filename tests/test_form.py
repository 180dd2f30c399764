"""Templates: what is taken, and what is refused with one clear line."""

import json
from pathlib import Path

import pytest

from digitscan.errors import UsageError
from digitscan.form import load_form, load_forms

SAMPLE = Path(__file__).parents[1] / "sample_forms"
FIELD = '[[field]]\nname = "a"\nbox = [10, 10, 100, 40]\ntype = "digits"\n'


def write(folder: Path, text: str, reference: str = str(SAMPLE / "form.png")) -> Path:
    path = folder / "t.toml"
    path.write_text(f"reference = {json.dumps(reference)}\n{text}", encoding="utf-8")
    return path


def test_sample_has_fields_of_every_type() -> None:
    form = load_form(SAMPLE / "form.toml")
    assert {field.type for field in form.fields} == {"digits", "number", "date"}
    assert (form.name, len(form.fields), form.fields[0].boxes) == ("form", 13, 8)


def test_json_and_fractions_are_the_same_place(tmp_path: Path) -> None:
    pixels = load_form(write(tmp_path, FIELD))
    height, width = pixels.printed.shape
    field = {"name": "a", "type": "digits", "box": [10 / width, 10 / height, 100 / width, 40 / height]}
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"reference": str(SAMPLE / "form.png"), "unit": "fractions", "field": [field]}))
    assert load_form(path).fields[0].place == pytest.approx(pixels.fields[0].place)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no [[field]]"),
        ("colour = 1\n" + FIELD, "no 'colour'"),
        ('unit = "mm"\n' + FIELD, "unit is 'mm'"),
        (FIELD + FIELD, "two fields are called 'a'"),
        (FIELD + FIELD.replace('"a"', '"b"'), "overlap"),
        (FIELD.replace("10, 10", "1200, 10"), "outside of the reference"),
        (FIELD.replace("100, 40", "100, 0"), "outside of the reference"),
        (FIELD.replace("[10, 10, 100, 40]", '"left"'), "box must be"),
        (FIELD.replace('"digits"', '"letters"'), "its type is 'letters'"),
        (FIELD.replace('"a"', '"page"'), "can't be called 'page'"),
        (FIELD.replace('"a"', "7"), "name is 7"),
        (FIELD + "order = 1\n", "no 'order'"),
        (FIELD + 'check = "crc"\n', "check is 'crc'"),
        (FIELD + "length = [5, 3]\n", "length must be"),
        (FIELD + "boxes = 4\nlength = 5\n", "length must be"),
        (FIELD + "range = [5]\n", "range must be"),
        (FIELD + 'values = ["1a"]\n', "'1a' is not all digits"),
        (FIELD + 'length = 2\nvalues = ["123"]\n', "no text obeys"),
        (FIELD.replace('"digits"', '"date"'), "order is missing"),
        (FIELD.replace('"digits"', '"date"') + 'order = "dmy"\nboxes = 7\n', "8 digits, or of 6"),
        (FIELD.replace('"digits"', '"number"') + "decimals = -1\n", "decimals is -1"),
        ("field = [", "is no template"),
    ],
)
def test_mistakes_are_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"t\.toml") as caught:
        load_form(write(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_empty_references_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"t.toml can't be read"):
        load_form(tmp_path / "t.toml")
    with pytest.raises(UsageError, match=r"reference .*gone.png can't be read"):
        load_form(write(tmp_path, FIELD, "gone.png"))
    blank = str(SAMPLE.parent / "sample_images" / "blank.jpg")
    with pytest.raises(UsageError, match="too little print"):
        load_form(write(tmp_path, FIELD, blank))


def test_two_forms_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two forms are called form"):
        load_forms([SAMPLE / "form.toml", SAMPLE / "form.toml"])


@pytest.mark.parametrize(
    ("name", "text", "value", "problem"),
    [
        ("amount", "1.234.50", "1234.50", ""),
        ("correction", "-12.5", "-12.5", ""),
        ("signed_on", "7.3.2026", "2026-03-07", ""),
        ("read_on", "07032026", "2026-03-07", ""),
        ("read_on", "31022026", "31022026", "read_on breaks its rule"),
        ("people", "13", "13", "people breaks its rule"),
        ("people", "", "", "people is empty"),
        ("telephone", "", "", ""),
    ],
)
def test_values_and_problems(name: str, text: str, value: str, problem: str) -> None:
    field = next(field for field in load_form(SAMPLE / "form.toml").fields if field.name == name)
    assert (field.value(text), field.problem(text)) == (value, problem)
