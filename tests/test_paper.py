"""Photographs and scans that show more than the sheet: what lies around it goes, and nothing on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from writing import PAPER, noisy, write_page

from digitscan.ink import find_ink
from digitscan.paper import without_surroundings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

SHEET = write_page(["314159", "27182", "141421", "57721", "161803"], margin=60).pixels
LID, TABLE = (12, 12, 12), (70, 105, 150)
"""The black of a scanner's lid, and wood."""

TOP, LEFT = 130, 90


def lying_on(sheet: Pixels, around: tuple[int, int, int], turned: float = 0.0) -> tuple[Pixels, NDArray[np.bool_]]:
    """A sheet, (H, W), as a coloured picture of it on a ground, and where it lies in there."""
    height, width = sheet.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), turned, 1.0)
    turn[:, 2] += LEFT, TOP
    size = width + 2 * LEFT, height + 2 * TOP
    cover = cv2.warpAffine(np.ones((height, width), np.float32), turn, size, flags=cv2.INTER_LINEAR)[:, :, None]
    moved = cv2.warpAffine(sheet, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.rint(cover * moved[:, :, None] + (1 - cover) * around).astype(np.uint8), cover[:, :, 0] > 0.99


@pytest.mark.parametrize("turned", [0.0, 4.0, -9.0])
@pytest.mark.parametrize("around", [LID, TABLE])
def test_what_lies_around_a_sheet_becomes_paper(around: tuple[int, int, int], turned: float) -> None:
    picture, inside = lying_on(SHEET, around, turned)
    cleaned = without_surroundings(noisy(picture, 4))
    assert cleaned[~inside].min() > 0.9 * PAPER
    written = inside & (picture.max(axis=2) < PAPER // 2)
    assert cleaned[written].max() < PAPER // 2 + 30


def test_grey_pictures_stay_grey() -> None:
    picture, inside = lying_on(SHEET, LID)
    cleaned = without_surroundings(np.ascontiguousarray(picture[:, :, 0]))
    assert cleaned.shape == inside.shape
    assert cleaned[~inside].min() > 0.9 * PAPER


def test_light_may_fade_across_sheet_and_table() -> None:
    picture, inside = lying_on(SHEET, TABLE)
    light = np.linspace(1.0, 0.5, len(picture))[:, None]
    cleaned = without_surroundings(np.rint(picture * light[:, :, None]).astype(np.uint8))
    assert (cleaned.min(axis=2) / light)[~inside].min() > 0.85 * PAPER


def shadowed(page: Pixels) -> Pixels:
    """A page with the soft shadow of a hand over its lower half."""
    light = np.ones(page.shape, np.float32)
    light[len(page) // 2 :] = 0.45
    return np.rint(page * cv2.blur(light, (61, 61))).astype(np.uint8)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(SHEET, id="a sheet alone"),
        pytest.param(shadowed(SHEET), id="in the shadow"),
        pytest.param(255 - SHEET, id="chalk"),
        pytest.param(np.full_like(SHEET, PAPER), id="blank"),
        pytest.param(np.zeros_like(SHEET), id="black"),
        pytest.param(write_page(["2718"]).pixels, id="a line"),
        pytest.param(np.hstack([SHEET, SHEET // 3, SHEET]), id="two sheets"),
        pytest.param(np.zeros((1, 5), np.uint8), id="next to nothing"),
    ],
)
def test_other_pages_are_left_alone(page: Pixels) -> None:
    assert without_surroundings(page) is page


def test_the_pen_is_as_thick_as_on_the_sheet_alone() -> None:
    alone, (picture, _) = find_ink(SHEET), lying_on(SHEET, LID)
    ink = find_ink(picture)
    assert ink.stroke == pytest.approx(alone.stroke, rel=0.1)
    assert ink.mask.sum() == pytest.approx(alone.mask.sum(), rel=0.1)
