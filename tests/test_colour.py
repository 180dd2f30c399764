"""Print of another colour than the writing: it goes, and nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from writing import write_page

from digitscan.colour import weighted_grey
from digitscan.ink import find_ink, to_grey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Cover = NDArray[np.float64]
    Colour = tuple[float, float, float]

LINES = ["31415 926", "27182 818", "14142 135", "57721 566"]

BLACK, BLUE_PEN, RED_PEN = (0.17, 0.14, 0.14), (0.60, 0.24, 0.13), (0.20, 0.16, 0.76)
RED, ORANGE, GREEN, BLUE = (0.35, 0.30, 0.90), (0.35, 0.60, 0.97), (0.45, 0.72, 0.35), (0.85, 0.55, 0.35)
PAPER = (0.88, 0.93, 0.95)
"""Shares of blue, green and red that inks and paper send back."""


def writing(lines: list[str]) -> Cover:
    """Coverage by writing, 0 to 1."""
    return write_page(lines, paper=0, pen=255).pixels / 255


def squares(shape: tuple[int, ...], pitch: int = 34) -> Cover:
    """Coverage by squared paper, a little askew, that runs through the writing."""
    cover = np.zeros(shape)
    for start in range(-pitch, max(shape), pitch):
        cv2.line(cover, (0, start), (shape[1], start + shape[1] // 30), 1, 3)
        cv2.line(cover, (start, 0), (start - shape[0] // 30, shape[0]), 1, 3)
    return cover


def page(*inks: tuple[Cover, Colour], light: Cover | float = 1.0) -> Pixels:
    """Inks on one another on paper, uint8 (H, W, 3) BGR, as a JPEG file keeps it, its colours at half the size."""
    left = np.ones((*inks[0][0].shape, 3)) * PAPER * np.broadcast_to(light, (*inks[0][0].shape, 3))
    for cover, colour in inks:
        left *= 1 - cover[..., None] * (1 - np.array(colour))
    _, data = cv2.imencode(".jpg", np.rint(left * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def plain(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def on_page(pixels: Pixels) -> NDArray[np.bool_]:
    """The ink that is found, as it lies on the page, bool (H, W)."""
    ink = find_ink(pixels, deskew=False)
    cover = cv2.warpAffine(ink.mask.astype(np.uint8) * 255, ink.to_page, pixels.shape[1::-1], flags=cv2.INTER_LINEAR)
    return np.asarray(cover > 127)


def assert_is_the_writing(found: NDArray[np.bool_], written: Cover) -> None:
    near = cv2.dilate((written > 0.3).view(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert (found & (written > 0.5)).sum() > 0.9 * (written > 0.5).sum()
    assert (found & ~near).sum() < 0.02 * (written > 0.5).sum()


@pytest.mark.parametrize(
    ("pen", "printed"),
    [
        *((BLACK, RED), (BLACK, ORANGE), (BLACK, GREEN), (BLACK, BLUE)),
        *((BLUE_PEN, RED), (BLUE_PEN, ORANGE), (BLUE_PEN, GREEN)),
        *((RED_PEN, BLACK), (RED_PEN, GREEN), (RED_PEN, BLUE), (BLUE_PEN, BLACK)),
    ],
)
def test_print_of_another_colour_goes_and_strokes_that_cross_it_stay_whole(pen: Colour, printed: Colour) -> None:
    written = writing(LINES)
    assert_is_the_writing(on_page(page((written, pen), (squares(written.shape), printed))), written)


def test_all_pens_stay() -> None:
    written = writing(LINES)
    middle = written.shape[0] // 2
    upper, lower = written.copy(), written.copy()
    upper[middle:] = lower[:middle] = 0
    pixels = page((upper, BLUE_PEN), (lower, RED_PEN), (squares(written.shape), GREEN))
    assert_is_the_writing(on_page(pixels), written)


def test_pens_on_opposite_sides_of_the_print_stay_both() -> None:
    written = writing(LINES)
    middle = written.shape[0] // 2
    upper, lower = written.copy(), written.copy()
    upper[middle:] = lower[:middle] = 0
    pixels = page((upper, BLUE_PEN), (lower, RED_PEN), (squares(written.shape), BLACK))
    np.testing.assert_array_equal(to_grey(pixels), plain(pixels))


def test_a_tinted_light_and_a_shadow_make_no_difference() -> None:
    written = writing(LINES)
    lamp = np.array([0.7, 0.9, 1.0]) * np.linspace(1, 0.5, written.shape[1])[:, None]
    pixels = page((written, BLUE_PEN), (squares(written.shape), ORANGE), light=lamp)
    assert_is_the_writing(on_page(pixels), written)


@pytest.mark.parametrize("ink", [RED_PEN, BLUE_PEN, BLACK])
def test_print_in_the_colour_of_the_pen_leaves_the_page_as_it_is(ink: Colour) -> None:
    written = writing(LINES)
    pixels = page((written, ink), (squares(written.shape), ink))
    np.testing.assert_array_equal(to_grey(pixels), plain(pixels))


def test_colours_without_print_leave_the_page_as_it_is() -> None:
    upper, lower = writing([*LINES[:2], "", ""]), writing(["", "", *LINES[2:]])
    width = min(upper.shape[1], lower.shape[1])
    pixels = page((upper[:, :width], BLACK), (lower[:, :width], RED_PEN))
    np.testing.assert_array_equal(to_grey(pixels), plain(pixels))


@pytest.mark.parametrize(("own", "other"), [(BLACK, RED_PEN), (BLACK, BLUE_PEN), (BLUE_PEN, BLACK)])
def test_writing_in_the_colour_of_the_print_is_kept_whatever_else_is_written(own: Colour, other: Colour) -> None:
    written = writing(LINES)
    upper, lower = written.copy(), written.copy()
    upper[written.shape[0] // 4 :] = lower[: written.shape[0] // 4] = 0
    pixels = page((upper, own), (lower, other), (squares(written.shape, 80), own))
    np.testing.assert_array_equal(to_grey(pixels), plain(pixels))


def test_print_that_is_pale_in_grey_leaves_the_page_as_it_is() -> None:
    written = writing(LINES)
    pixels = page((written, BLUE_PEN), (squares(written.shape), (0.78, 0.87, 0.72)))
    np.testing.assert_array_equal(to_grey(pixels), plain(pixels))


def test_light_on_dark_is_left_as_it_is() -> None:
    written = writing(LINES)
    pixels = ~page((written, BLACK), (squares(written.shape), GREEN))
    np.testing.assert_array_equal(to_grey(pixels), plain(pixels))


def test_an_ink_without_weight_vanishes_however_thick_it_lies() -> None:
    densities = np.array([0.8, 0.3, 0.1]) * np.linspace(0, 1, 200)[:, None]
    pixels = np.rint(250 * np.exp(-densities)).astype(np.uint8)[None]
    grey = weighted_grey(pixels, np.array([-0.5, 1.0, 1.0], np.float32))
    assert np.ptp(grey.astype(int)) <= 4
