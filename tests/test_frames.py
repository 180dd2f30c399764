"""What is drawn around digits: it goes, the digits in it stay, and digits are no frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from writing import on_paper, write_page

from digitscan.components import find_components
from digitscan.frames import find_frames
from digitscan.ink import find_ink

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

STROKE, SIDE, STEP = 4.0, 72, 90


def digits(text: str, shift: int = 0) -> Picture:
    """Digits, bright on black, each in the middle of its field, or so far aside."""
    ink = np.zeros((STEP, STEP * len(text)), np.uint8)
    for place, char in enumerate(text):
        if char == " ":
            continue
        glyph = write_page([char], 36, margin=4, paper=0, pen=255).pixels[4:40]
        glyph = glyph[:, glyph.any(axis=0)]
        left = STEP * place + (STEP - glyph.shape[1]) // 2 + shift
        ink[27:63, left : left + glyph.shape[1]] = glyph
    return ink


def circle(ink: Picture, left: int) -> None:
    cv2.circle(ink, (left + STEP // 2, STEP // 2), SIDE // 2, 255, 4, cv2.LINE_AA)


def open_ring(ink: Picture, left: int) -> None:
    cv2.ellipse(ink, (left + STEP // 2, STEP // 2), (SIDE // 2, SIDE // 2 - 4), -20, 0, 345, 255, 4, cv2.LINE_AA)


def round_box(ink: Picture, left: int) -> None:
    low, high, bend = (STEP - SIDE) // 2, (STEP + SIDE) // 2, 14
    for start, end in (((low + bend, low), (high - bend, low)), ((low + bend, high), (high - bend, high))):
        cv2.line(ink, (left + start[0], start[1]), (left + end[0], end[1]), 255, 4)
        cv2.line(ink, (left + start[1], start[0]), (left + end[1], end[0]), 255, 4)
    corners = ((low, low, 180), (high, low, 270), (high, high, 0), (low, high, 90))
    for x, y, turn in corners:
        middle = left + x + (bend if x == low else -bend), y + (bend if y == low else -bend)
        cv2.ellipse(ink, middle, (bend, bend), turn, 0, 90, 255, 4, cv2.LINE_AA)


def framed(written: Picture, frame: Callable[[Picture, int], None]) -> Picture:
    """With a frame around each field."""
    frames = np.zeros_like(written)
    for left in range(0, written.shape[1], STEP):
        frame(frames, left)
    return np.maximum(written, frames)


def found(picture: Picture) -> NDArray[np.bool_]:
    return find_frames(find_components(picture > 127), STROKE)


@pytest.mark.parametrize("frame", [circle, open_ring, round_box])
@pytest.mark.parametrize("text", ["7", "314 592", "2  "])
def test_frames_go_and_digits_stay(text: str, frame: Callable[[Picture, int], None]) -> None:
    written = digits(text)
    picture = framed(written, frame)
    assert (found(picture) == ((picture > 127) & ~(written > 127))).mean() > 0.995


@pytest.mark.parametrize("shift", [20, 26])
def test_a_digit_that_touches_its_frame_stays(shift: int) -> None:
    written = digits("3  ") + np.hstack([digits(" ")] * 2 + [digits("8", shift)])
    picture = framed(written, circle)
    left = (picture > 127) & ~found(picture)
    beside_rings = (written > 127) & (cv2.dilate(framed(np.zeros_like(written), circle), np.ones((3, 3))) <= 127)
    assert (left & beside_rings).sum() > 0.95 * beside_rings.sum()
    assert (left & (written <= 127)).sum() < 0.05 * left.sum()


@pytest.mark.parametrize("text", ["0123456789", "0000", "8888", "6969"])
@pytest.mark.parametrize("height", [16, 40, 90])
def test_digits_are_no_frames(text: str, height: int) -> None:
    picture = write_page([text, text], height, paper=0, pen=255).pixels
    assert not found(picture).any()


def test_a_dot_in_a_zero_is_no_writing() -> None:
    picture = np.zeros((120, 100), np.uint8)
    cv2.ellipse(picture, (50, 60), (30, 45), 0, 0, 360, 255, 5)
    cv2.circle(picture, (50, 60), 7, 255, -1)
    assert not found(picture).any()


def test_nothing_is_around_nothing() -> None:
    assert not found(np.zeros((20, 30), np.uint8)).any()


def test_frames_are_rules() -> None:
    written = digits("2718")
    ink = find_ink(np.pad(on_paper(framed(written, circle)), 30, constant_values=235), deskew=False)
    assert len(find_components(ink.mask).boxes) == 4
    assert ink.rules.any()
