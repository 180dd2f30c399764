"""That plots are drawn, whatever there is to draw; how they look is for people to see."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from digitscan import plots
from digitscan.cli import app
from digitscan.errors import OutputError, UsageError
from digitscan.judge import Judgement, Mistake
from digitscan.train import EpochResult

NAMES = {"confusion.png", "reliability.png", "trade.png", "errors.png"}


@pytest.fixture(autouse=True)
def _matplotlib() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib comes with the extra dev")


def judgement(confidences: list[float], right: list[bool], total: int) -> Judgement:
    confusion = np.zeros((10, 11), np.int64)
    np.fill_diagonal(confusion, 50)
    confusion[3, 8] = 5
    pictures = np.full((20, 90), 200, np.uint8), np.full((28, 28, 3), 200, np.uint8)
    worst = [Mistake(picture, "123", "128", 0.99) for picture in pictures]
    return Judgement("lines", confusion, np.array(confidences, float), np.array(right, bool), total, worst)


def is_drawn(path: Path) -> bool:
    picture = cv2.imread(str(path))
    return min(picture.shape[:2]) > 100 and bool((picture < 100).any())


def test_an_evaluation_is_four_pictures(tmp_path: Path) -> None:
    plots.prepare(tmp_path / "new" / "plots")
    plots.draw_evaluation(judgement([0.2, 0.9, 0.99, 1.0], [False, True, True, True], 5), tmp_path / "new" / "plots")
    files = list((tmp_path / "new" / "plots").iterdir())
    assert {file.name for file in files} == NAMES
    assert all(map(is_drawn, files))


@settings(max_examples=5)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30))
def test_any_confidences_can_be_drawn(tmp_path_factory: pytest.TempPathFactory, read: list[tuple[float, bool]]) -> None:
    folder = tmp_path_factory.mktemp("plots")
    made = judgement([confidence for confidence, _ in read], [right for _, right in read], len(read))
    made.worst.clear()
    made.confusion[:] = 0
    plots.draw_evaluation(made, folder)
    assert {file.name for file in folder.iterdir()} == NAMES


@pytest.mark.parametrize("count", [1, 12])
def test_a_training_is_one_picture(tmp_path: Path, count: int) -> None:
    results = [
        EpochResult(n, count, 1 / n, 1 - 0.5 / n, 1.1 / n, 0.9 - 0.5 / n, 1.0, n < 5) for n in range(1, count + 1)
    ]
    plots.draw_training(results, tmp_path / "model-1.0.png")
    assert is_drawn(tmp_path / "model-1.0.png")


def test_without_matplotlib_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(plots, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'digitscan\[plots\]'"):
        plots.prepare(tmp_path / "plots")
    assert not (tmp_path / "plots").exists()


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        plots.prepare(tmp_path / "file")


def test_evaluate_draws_into_a_folder(tmp_path: Path) -> None:
    samples = Path(__file__).parents[1] / "sample_images" / "single"
    done = CliRunner().invoke(app, ["evaluate", "--data", str(samples), "--plots", str(tmp_path / "plots"), "--json"])
    assert done.exit_code == 0, done.output
    assert {file.name for file in (tmp_path / "plots").iterdir()} == NAMES
