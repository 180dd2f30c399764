"""`import digitscan; digitscan.classify(...)`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import digitscan
from digitscan import errors
from digitscan.classifier import Classifier
from digitscan.schema import COLUMNS, Layout, Per

if TYPE_CHECKING:
    from pathlib import Path

    from writing import ByHeart


@pytest.fixture
def _model(monkeypatch: pytest.MonkeyPatch, by_heart: ByHeart) -> None:
    monkeypatch.setattr(Classifier, "load", classmethod(lambda *_, **__: by_heart))


with_model = pytest.mark.usefixtures("_model")


@with_model
def test_a_folder_becomes_a_table(scans: Path) -> None:
    frame = digitscan.classify(str(scans))
    assert tuple(frame.columns) == COLUMNS[Per.NUMBER]
    assert list(frame["text"]) == ["31415", "007", "92653", "27182", "11", "22", "33", "", ""]
    assert list(frame["status"][-2:]) == ["empty", "error"]
    assert frame["page"].tolist() == [1, 1, 1, 1, 1, 2, 3, 1, 1]


@with_model
def test_several_inputs(scans: Path, good_scans: Path) -> None:
    frame = digitscan.classify(str(scans / "b.jpg"), str(good_scans))
    assert list(frame["text"]) == ["27182", "31415", "007", "92653"]


@with_model
@pytest.mark.parametrize("per", [*Per, "page"])
def test_settings_are_those_of_the_command_line(good_scans: Path, per: str) -> None:
    frame = digitscan.classify(str(good_scans), per=per, min_confidence=1.0)
    assert tuple(frame.columns) == COLUMNS[Per(per)]
    assert set(frame["status"]) == {"review"}


@with_model
@pytest.mark.parametrize(
    "layout",
    [
        Layout.DIGIT,
        "digit",
    ],
)
def test_a_layout_may_be_text(good_scans: Path, layout: Layout) -> None:
    frame = digitscan.classify(str(good_scans), layout=layout, per="digit")
    assert len(frame) == 1


@with_model
@pytest.mark.parametrize("setting", [{"layout": "word"}, {"per": "line"}, {"jobs": -1}, {"min_confidence": "high"}])
def test_wrong_values_are_refused(good_scans: Path, setting: dict[str, object]) -> None:
    with pytest.raises(errors.UsageError):
        digitscan.classify(str(good_scans), **setting)


@with_model
def test_unknown_settings_are_refused(good_scans: Path) -> None:
    with pytest.raises(errors.UsageError, match="colour"):
        digitscan.classify(str(good_scans), colour="red")


@with_model
def test_no_input(tmp_path: Path) -> None:
    for inputs in ([str(tmp_path)], [str(tmp_path / "absent")]):
        with pytest.raises(errors.NoInputError):
            digitscan.classify(*inputs)


def test_no_model(good_scans: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.ModelError):
        digitscan.classify(str(good_scans), model=str(tmp_path / "absent"))


@with_model
def test_nothing_is_printed(scans: Path, capfd: pytest.CaptureFixture[str]) -> None:
    digitscan.classify(str(scans))
    assert capfd.readouterr() == ("", "")


def test_the_package_is_light() -> None:
    script = "import sys, digitscan; print({name.split('.')[0] for name in sys.modules} & set(sys.argv[1:]))"
    heavy = ["tensorflow", "keras", "pandas", "cv2", "numpy", "ai_edge_litert"]
    done = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_version_is_one_of_pep_440() -> None:
    assert all(part.isdecimal() for part in digitscan.__version__.split(".")[:2])
