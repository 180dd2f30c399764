from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from writing import PAPER, PEN, all_digits, noisy, on_paper, write_page

from digitscan.ink import STROKE, find_contrast, find_ink, find_single_ink
from digitscan.strips import DIGIT_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from digitscan.schema import Box, Ink

    Pixels = NDArray[np.uint8]

LINES = ["31415 926", "27182 818", "14142 135"]
PRINT = 90
"""Grey value of rules and boxes."""


def on_page(ink: Ink, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The mask as it lies on the page, bool (H, W)."""
    mask = cv2.warpAffine(ink.mask.astype(np.uint8) * 255, ink.to_page, shape[1::-1], flags=cv2.INTER_LINEAR)
    return np.asarray(mask > 127)


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """What two masks share: 1 for the same, 0 for nothing in common."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def written(pixels: Pixels) -> NDArray[np.bool_]:
    """What is dark on a clean page."""
    return pixels < (PAPER + PEN) / 2


def found_on_page(pixels: Pixels) -> NDArray[np.bool_]:
    return on_page(find_ink(pixels), pixels.shape)


def cut_out(pixels: Pixels) -> Pixels:
    """Without any paper around the writing."""
    x, y, width, height = cv2.boundingRect(written(pixels).view(np.uint8))
    return pixels[y : y + height, x : x + width]


def turned(pixels: Pixels, degrees: float) -> Pixels:
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(pixels, turn, (width, height), borderValue=(PAPER,) * 3), np.uint8)


def slope(ink: Ink) -> float:
    """Slope of the text lines in degrees, by the lower edges of the components of the longest row."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink.mask.view(np.uint8), connectivity=8)
    x, y, width, height = stats[1:, :4].T.astype(np.float64)
    tall = height > 0.7 * np.median(height)
    x, bottom = (x + width / 2)[tall], (y + height)[tall]
    middle = bottom[np.argsort(np.abs(bottom - np.median(bottom)))][0]
    row = np.abs(bottom - middle) < np.median(height)
    return float(np.degrees(np.arctan(np.polyfit(x[row], bottom[row], 1)[0])))


# --- light and colour ---


@pytest.mark.parametrize(("height", "share"), [(16, 0.6), (24, 0.75), (40, 0.75), (80, 0.75)])
def test_ink_is_what_is_written(height: int, share: float) -> None:
    page = write_page(LINES, height)
    assert overlap(found_on_page(page.pixels), written(page.pixels)) > share


def test_white_on_black_is_black_on_white() -> None:
    pixels = noisy(write_page(LINES).pixels, 3)
    plain, negative = find_ink(pixels), find_ink(~pixels)
    np.testing.assert_array_equal(plain.mask, negative.mask)
    np.testing.assert_array_equal(plain.level, negative.level)
    np.testing.assert_array_equal(plain.to_page, negative.to_page)
    assert plain.stroke == negative.stroke


@pytest.mark.parametrize(("least", "axis"), [(0.6, 0), (0.6, 1), (0.45, 0), (0.3, 0), (0.3, 1)])
def test_uneven_light_makes_little_difference(least: float, axis: int) -> None:
    pixels = write_page(LINES).pixels
    light = np.linspace(least, 1, pixels.shape[axis])
    dimmed = np.rint(pixels * (light[:, None] if axis == 0 else light)).astype(np.uint8)
    assert overlap(found_on_page(dimmed), found_on_page(pixels)) > 0.8


def test_a_page_that_was_reduced_is_smoothed_less() -> None:
    bars = np.full((60, 60), PAPER, np.uint8)
    bars[10:50, 24:28] = bars[10:50, 30:34] = PRINT
    reduced, whole = find_contrast(bars, 0.4)[30, 28:30], find_contrast(bars)[30, 28:30]
    assert np.all(2 * reduced.astype(int) < whole)


def test_the_edge_of_a_shadow_is_no_ink() -> None:
    pixels = write_page(LINES).pixels
    soft = np.clip((np.arange(pixels.shape[1]) - 200) / 20, 0, 1) * 0.4 + 0.6
    shaded = np.rint(pixels * soft).astype(np.uint8)
    assert overlap(found_on_page(shaded), found_on_page(pixels)) > 0.8


@pytest.mark.parametrize("share", [0.93, 0.85, 0.7])
@pytest.mark.parametrize("axis", [0, 1])
def test_shaded_rows_and_columns_of_a_table_are_paper(axis: int, share: float) -> None:
    pixels = np.rot90(write_page(LINES * 2, 24).pixels, axis)
    light = np.where(np.arange(len(pixels)) // 44 % 2, share, 1.0)[:, None]
    shaded = np.rint(pixels * light).astype(np.uint8)
    assert overlap(found_on_page(shaded), found_on_page(pixels)) > 0.8


@pytest.mark.parametrize("pen", [60, 120, 170])
def test_faint_ink_is_ink(pen: int) -> None:
    page = write_page(LINES, pen=pen)
    assert overlap(found_on_page(page.pixels), page.pixels < (PAPER + pen) / 2) > 0.75


def test_level_is_full_on_strokes_whatever_the_pen() -> None:
    for pen in (30, 100, 170):
        ink = find_ink(write_page(LINES, pen=pen).pixels)
        assert np.median(ink.level[ink.mask]) > 200


@pytest.mark.parametrize("colour", [(200, 40, 30), (40, 30, 200), (40, 120, 30)])
def test_coloured_ink_is_ink(colour: tuple[int, int, int]) -> None:
    grey = write_page(LINES).pixels
    share = ((PAPER - grey.astype(np.float64)) / (PAPER - PEN))[:, :, None]
    pixels = np.rint(PAPER + share * (np.array(colour) - PAPER)).astype(np.uint8)
    assert overlap(found_on_page(pixels), written(grey)) > 0.75


def test_grey_in_colour_is_grey() -> None:
    pixels = write_page(LINES).pixels
    np.testing.assert_array_equal(find_ink(np.dstack([pixels] * 3)).mask, find_ink(pixels).mask)


# --- what is no ink ---


@pytest.mark.parametrize("sigma", [0, 1, 4, 10])
@pytest.mark.parametrize("paper", [120, 235, 255])
def test_a_blank_page_has_no_ink(sigma: float, paper: int) -> None:
    ink = find_ink(noisy(np.full((300, 400), paper, np.uint8), sigma))
    assert not ink.mask.any()
    assert not ink.level.any()


def test_a_blank_page_has_no_ink_whichever_way_its_noise_leans() -> None:
    pages = [noisy(np.full((1500, 1100), 235, np.uint8), sigma, seed) for sigma in (1, 2, 5) for seed in (0, 1)]
    assert [int(find_ink(page).mask.sum()) for page in pages] == [0] * len(pages)


def test_rough_paper_has_no_ink() -> None:
    rough = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 30, (700, 600)), (0, 0), 2)
    assert not find_ink(np.clip(225 + rough, 0, 255).astype(np.uint8)).mask.any()


def test_noise_adds_no_specks() -> None:
    pixels = write_page(LINES).pixels
    clean, dirty = find_ink(pixels), find_ink(noisy(pixels, 8))
    assert overlap(on_page(dirty, pixels.shape), on_page(clean, pixels.shape)) > 0.8
    counts = [cv2.connectedComponents(ink.mask.view(np.uint8))[0] for ink in (clean, dirty)]
    assert abs(counts[0] - counts[1]) <= 2


def test_single_pixels_are_dropped() -> None:
    pixels = write_page(LINES).pixels
    dirty = pixels.copy()
    rng = np.random.default_rng(0)
    dirty[rng.integers(0, pixels.shape[0], 60), rng.integers(0, pixels.shape[1], 60)] = PEN
    assert overlap(found_on_page(dirty), found_on_page(pixels)) > 0.95


# --- rules and boxes ---


def ruled(pixels: Pixels, boxes: tuple[Box, ...], low: float, thickness: int) -> Pixels:
    """With a rule across the page at each text line, `low` of a digit's height below the digits' upper edge."""
    lines = pixels.copy()
    for y in {round(box.y + low * box.height) for box in boxes}:
        window = lines[y : y + thickness]
        np.minimum(window, PRINT, out=window)
    return lines


def boxed(pixels: Pixels, boxes: tuple[Box, ...], space: int, thickness: int) -> Pixels:
    """With a box around each digit; digits are 10 pixels apart, so that `space` 5 makes a comb of the boxes."""
    form = np.full_like(pixels, 255)
    for box in boxes:
        corner = box.x - space, box.y - space
        opposite = box.x + box.width + space, box.y + box.height + space
        cv2.rectangle(form, corner, opposite, PRINT, thickness)
    return np.minimum(pixels, form)


def strays(found: NDArray[np.bool_], plain: NDArray[np.bool_]) -> float:
    """Ink beside that of the plain page, as a share of it; a pixel off the edge of a stroke is no matter."""
    near = cv2.dilate(plain.view(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return float((found & ~near).sum() / plain.sum())


@pytest.mark.parametrize("thickness", [1, 2, 3])
@pytest.mark.parametrize("low", [1.15, 1.0, 0.9, 0.5])
def test_rules_go_and_digits_that_cross_them_stay(low: float, thickness: int) -> None:
    page = write_page(LINES, 40)
    plain = found_on_page(page.pixels)
    found = found_on_page(ruled(page.pixels, page.boxes, low, thickness))
    # Where the foot of a 2 runs along the rule, it goes with it.
    assert (found & plain).sum() > 0.85 * plain.sum()
    assert strays(found, plain) < 0.05


BOXED = ["31415926", "27182818"]


@pytest.mark.parametrize(
    ("lines", "apart"),
    [
        pytest.param(BOXED, False, id="comb"),
        pytest.param(["42", "31"], False, id="short comb"),
        pytest.param(BOXED, True, id="boxes apart"),
    ],
)
def test_boxes_around_digits_go(lines: list[str], apart: bool) -> None:
    page = write_page(lines, 40)
    plain = found_on_page(page.pixels)
    found = found_on_page(boxed(page.pixels, page.boxes, 3 if apart else 5, 2))
    assert (found & plain).sum() > 0.85 * plain.sum()
    assert strays(found, plain) < 0.05


def test_a_form_without_writing_has_next_to_no_ink() -> None:
    pixels = np.full((800, 600), PAPER, np.uint8)
    for y in range(60, 800, 60):
        pixels[y : y + 2, 30:570] = PRINT
    for x in range(30, 600, 90):
        pixels[60:782, x : x + 2] = PRINT
    assert find_ink(pixels).mask.mean() < 0.001


def test_a_long_dash_of_a_one_or_a_seven_is_no_rule() -> None:
    page = write_page(["1717171717"], 60)
    found, true = found_on_page(page.pixels), written(page.pixels)
    assert (found & true).sum() > 0.9 * true.sum()


@pytest.mark.parametrize("line", ["2", "7", "1727", "2112"])
def test_strokes_through_a_picture_without_margin_are_no_rules(line: str) -> None:
    for hand in range(5):
        pixels = cut_out(write_page([line], 40, hand=hand).pixels)
        found, true = found_on_page(pixels), written(pixels)
        assert (found & true).sum() > 0.9 * true.sum()


# --- skew and scale ---


@pytest.mark.parametrize("degrees", [-5, -3, -1, 1, 3, 5])
def test_skew_is_undone(degrees: float) -> None:
    page = write_page(["3141592653589793"] * 8, 30, margin=100)
    ink = find_ink(turned(page.pixels, degrees))
    assert abs(slope(ink)) < 0.35


@pytest.mark.parametrize("degrees", [-4, 2.5])
def test_ink_of_a_skewed_page_maps_back_onto_the_page(degrees: float) -> None:
    pixels = turned(write_page(["3141592653589793"] * 8, 30, margin=100).pixels, degrees)
    assert overlap(found_on_page(pixels), written(pixels)) > 0.7


def test_an_upright_page_is_not_turned() -> None:
    ink = find_ink(write_page(LINES).pixels)
    assert ink.to_page[0, 1] == ink.to_page[1, 0] == 0


def test_skew_is_left_alone_on_request() -> None:
    pixels = turned(write_page(["3141592653589793"] * 8, 30, margin=100).pixels, 3)
    ink = find_ink(pixels, deskew=False)
    assert ink.to_page[0, 1] == ink.to_page[1, 0] == 0
    assert abs(slope(ink)) == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("width", [3, 4, 6, 9, 14])
def test_strokes_are_measured_and_scaled_to_one_width(width: int) -> None:
    fine = 8 * width
    ink = np.zeros((60 * fine, 60 * fine), np.uint8)
    for x in range(10 * fine, 60 * fine, 10 * fine):
        cv2.ellipse(ink, (x, 20 * fine), (4 * fine, 7 * fine), 0, 0, 300, 255, fine)
        cv2.line(ink, (x, 40 * fine), (x + 3 * fine, 52 * fine), 255, fine)
    pixels = on_paper(np.asarray(cv2.resize(ink, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA), np.uint8))
    found = find_ink(pixels, deskew=False)
    assert found.stroke == pytest.approx(STROKE, rel=0.25)
    assert found.stroke * found.to_page[0, 0] == pytest.approx(width, rel=0.25)


def test_a_thick_pen_leaves_a_digit_the_rows_that_a_network_sees() -> None:
    pixels = write_page(LINES, 36, margin=36).pixels
    thick = np.asarray(cv2.erode(pixels, np.ones((9, 9), np.uint8)), np.uint8)
    assert 36 / find_ink(thick).to_page[0, 0] > DIGIT_ROWS


@pytest.mark.parametrize("height", [24, 60, 120])
def test_digits_have_about_the_same_size_at_any_resolution(height: int) -> None:
    ink = find_ink(write_page(LINES, height, margin=height).pixels)
    assert 20 < height / ink.to_page[0, 0] < 60


# --- one digit ---


def at_border(digit: Pixels) -> bool:
    return bool(digit[[0, -1]].any() or digit[:, [0, -1]].any())


@pytest.mark.parametrize(
    "reaching",
    [
        False,
        True,
    ],
)
def test_digits_of_mnist_are_taken_as_they_are(reaching: bool) -> None:
    chosen = [digit for digit in all_digits() if at_border(digit) is reaching]
    assert chosen
    for digit in chosen:
        ink = find_single_ink(digit)
        np.testing.assert_array_equal(ink.level, digit)
        np.testing.assert_array_equal(ink.mask, digit > 127)


@pytest.mark.parametrize("sigma", [0, 4])
def test_a_digit_on_paper_is_found(sigma: float) -> None:
    page = write_page(["5"], 60)
    ink = find_single_ink(noisy(page.pixels, sigma))
    assert overlap(on_page(ink, page.pixels.shape), written(page.pixels)) > 0.7


@pytest.mark.parametrize("height", [16, 30, 90])
@pytest.mark.parametrize("is_negative", [False, True])
def test_a_digit_cut_out_without_paper_is_found(height: int, is_negative: bool) -> None:
    for digit in "0234568":
        pixels = cut_out(write_page([digit], height).pixels)
        found = on_page(find_single_ink(~pixels if is_negative else pixels), pixels.shape)
        true = written(pixels)
        near = cv2.dilate(true.view(np.uint8), np.ones((2 * (height // 30) + 3,) * 2, np.uint8)) > 0
        assert (found & true).sum() > 0.9 * true.sum()
        assert not (found & ~near).any()


def test_a_box_around_a_digit_and_a_shadow_on_it_are_no_digit_that_touches_its_sides() -> None:
    pixels = write_page(["5"], 60).pixels
    light = np.linspace(1.0, 0.5, pixels.shape[1])
    boxed = cv2.copyMakeBorder(pixels, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=PRINT)
    inside = on_page(find_single_ink(np.asarray(boxed, np.uint8)), boxed.shape)[3:-3, 3:-3]
    shaded = (pixels * light).astype(np.uint8)
    assert overlap(inside, written(pixels)) > 0.7
    assert overlap(on_page(find_single_ink(shaded), pixels.shape), written(pixels)) > 0.7


# --- whatever comes ---


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=50)))
@example(np.zeros((1, 1), np.uint8))
@example(np.full((1, 3000), 255, np.uint8))
@example(np.eye(50, dtype=np.uint8) * 255)
@settings(max_examples=60)
def test_any_picture_has_ink_that_fits(pixels: Pixels) -> None:
    for ink in (find_ink(pixels), find_ink(pixels, deskew=False), find_single_ink(pixels)):
        assert ink.mask.dtype == np.bool_
        assert ink.level.dtype == np.uint8
        assert ink.mask.shape == ink.level.shape
        assert ink.to_page.shape == (2, 3)
        assert ink.stroke >= 1
        assert np.isfinite(ink.to_page).all()


def test_the_page_itself_is_left_alone() -> None:
    pixels = write_page(LINES).pixels
    for page in (pixels, ~pixels, np.dstack([pixels] * 3)):
        before = page.copy()
        find_ink(page)
        find_single_ink(page)
        np.testing.assert_array_equal(page, before)


@pytest.mark.parametrize(("height", "scale"), [(26, 1.0), (50, 0.5)])
def test_a_large_page_is_read_at_a_part_of_its_size(height: int, scale: float) -> None:
    page = write_page(["31415", "92653", "58979", "32384", "62643"], height, margin=height).pixels
    large = np.full((2600, 1800), page[0, 0], np.uint8) if scale < 1 else page
    large[: page.shape[0], : page.shape[1]] = page
    assert find_ink(large).to_page[0, 0] == pytest.approx(1 / scale)
