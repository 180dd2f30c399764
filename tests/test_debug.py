"""The pictures of a page after each step."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from digitscan import classifier as classifiers
from digitscan.cli import app
from digitscan.debug import step_pictures
from digitscan.ink import find_ink
from digitscan.scan import Reader
from digitscan.schema import Layout, Page

Picture = NDArray[np.uint8]

STEPS = ["-1-contrast", "-2-mask", "-3-rules", "-4-ink", "-5-atoms", "-6-lines", "-7-candidates"]


def uncertain(glyphs: Picture) -> NDArray[np.float32]:
    return np.full((len(glyphs), 12), 1 / 12, np.float32)


def ruled_page(ink: int = 0, paper: int = 255) -> Picture:
    """Two lines of writing, the lower one on a rule."""
    page = np.full((300, 500), paper, np.uint8)
    for text, y in (("123", 90), ("456", 220)):
        cv2.putText(page, text, (150, y), cv2.FONT_HERSHEY_SIMPLEX, 3.0, ink, 3, cv2.LINE_AA)
    page[220:229, 20:480] = ink
    return page


def pictures(pixels: Picture, layout: Layout = Layout.PAGE) -> dict[str, Picture]:
    return dict(step_pictures(Page("a.png", 1, pixels), layout, Reader(uncertain)))


def coloured(picture: Picture) -> NDArray[np.bool_]:
    return np.ptp(picture.astype(int), axis=2) > 60


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize(
    "pixels",
    [
        ruled_page(),
        cv2.cvtColor(ruled_page(), cv2.COLOR_GRAY2BGR),
        np.full((100, 80), 255, np.uint8),
        np.zeros((1, 1), np.uint8),
    ],
    ids=["grey", "colour", "blank", "pixel"],
)
def test_every_page_has_a_picture_of_every_step(pixels: Picture, layout: Layout) -> None:
    made = pictures(pixels, layout)
    assert list(made) == STEPS
    assert all(picture.dtype == np.uint8 and picture.ndim == 3 and picture.size for picture in made.values())
    assert len({picture.shape for name, picture in made.items() if name != STEPS[-1]}) == 1


def test_what_was_taken_out_is_shown() -> None:
    made = pictures(ruled_page())
    gone = coloured(made["-3-rules"])
    scale = gone.shape[0] / 300
    rule = slice(round(218 * scale), round(231 * scale))
    assert gone[rule, : round(140 * scale)].any()
    assert gone[rule].sum() > 0.8 * gone.sum()
    assert (made["-2-mask"][rule, round(50 * scale)] == 0).any()
    assert (made["-4-ink"][rule, : round(140 * scale)] == 255).all()


def test_atoms_and_lines_are_told_apart_by_colour() -> None:
    made = pictures(ruled_page())
    atoms = made["-5-atoms"]
    assert len(np.unique(atoms[coloured(atoms)], axis=0)) >= 3
    upper, lower = np.array_split(made["-6-lines"], 2)
    assert coloured(upper).any()
    assert coloured(lower).any()


def test_white_on_black_is_shown_as_what_the_steps_see() -> None:
    light, dark = pictures(ruled_page()), pictures(ruled_page(ink=255, paper=0))
    # The paper is estimated anew, so that edges may differ a little.
    for step in ("-1-contrast", "-2-mask"):
        assert np.abs(light[step].astype(int) - dark[step]).mean() < 5


def test_turned_pages_are_shown_upright() -> None:
    page = np.tile(ruled_page(), (2, 2))
    turn = cv2.getRotationMatrix2D((500.0, 300.0), -4.0, 1.0)
    skewed = np.asarray(cv2.warpAffine(page, turn, (1000, 600), borderValue=255), np.uint8)
    ink = find_ink(skewed)
    assert abs(ink.to_page[1, 0]) > 0.02
    shown = pictures(skewed)["-2-mask"][:, :, 0] == 0
    assert (shown & ink.mask).sum() > 0.95 * ink.mask.sum()


def test_sheet_has_every_candidate() -> None:
    seen: list[Picture] = []

    def predict(glyphs: Picture) -> NDArray[np.float32]:
        seen.append(glyphs)
        return uncertain(glyphs)

    sheet = dict(step_pictures(Page("a.png", 1, ruled_page()), Layout.PAGE, Reader(predict)))["-7-candidates"]
    (glyphs,) = seen
    assert len(glyphs) >= 6
    # Each is drawn at twice its size on black; but for the headings nothing else is.
    assert (sheet == 0).all(axis=2).sum() == pytest.approx(4 * (glyphs == 0).sum(), rel=0.02)


def test_command_writes_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        name = "fake"
        card = type(
            "Card",
            (),
            dict.fromkeys(("line_reader", "tflite_sha256", "line_reader_sha256"), "") | {"path_weights": None},
        )
        __call__ = staticmethod(uncertain)

    monkeypatch.setattr(classifiers.Classifier, "load", lambda *_: Fake())
    cv2.imwrite(str(tmp_path / "a.png"), ruled_page())
    options = ["-o", str(tmp_path / "report.csv"), "--debug", str(tmp_path / "steps")]
    done = CliRunner().invoke(app, ["classify", str(tmp_path / "a.png"), *options])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "steps").iterdir()) == [f"a.png-p1{step}.png" for step in STEPS]
