from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from writing import all_digits, draw_digit

from digitscan.normalize import normalize, normalize_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS = st.sampled_from(all_digits())
SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70)
INKS = arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 0, 0, 1, 90, 255]))


def likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """1 for the same picture."""
    a, b = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def centre_of_mass(glyph: NDArray[np.uint8]) -> NDArray[np.float64]:
    moments = cv2.moments(glyph)
    return np.array([moments["m01"], moments["m10"]]) / moments["m00"]


def faint(*places: tuple[int, int]) -> NDArray[np.uint8]:
    ink = np.zeros((64, 64), np.uint8)
    for place in places:
        ink[place] = 1
    return ink


def test_digits_of_mnist_come_back_as_they_are() -> None:
    assert [np.array_equal(normalize(digit), digit) for digit in all_digits()] == [True] * 100


@given(DIGITS, st.integers(20, 240))
def test_size_makes_little_difference(digit: NDArray[np.uint8], side: int) -> None:
    x, y, width, height = cv2.boundingRect(digit)
    large = np.kron(digit[y : y + height, x : x + width], np.ones((12, 12), np.uint8))
    scale = side / max(large.shape)
    reduced = np.asarray(cv2.resize(large, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    # The centre of mass may come to lie on the other side of the middle between two pixels.
    moves = [np.roll(normalize(reduced), move, (0, 1)) for move in product((-1, 0, 1), repeat=2)]
    assert max(likeness(moved, digit) for moved in moves) > 0.95


@given(INKS, st.tuples(*[st.integers(0, 40)] * 4))
def test_the_margin_makes_no_difference(ink: NDArray[np.uint8], margin: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = margin
    padded = np.pad(ink, ((top, bottom), (left, right)))
    np.testing.assert_array_equal(normalize(padded), normalize(ink))


@given(st.sampled_from("0123456789"), st.integers(8, 200), st.integers(0, 9))
def test_a_second_time_changes_next_to_nothing(label: str, height: int, hand: int) -> None:
    once = normalize(draw_digit(label, height, hand))
    assert likeness(normalize(once), once) > 0.99


@given(INKS)
@example(faint((0, 0), (63, 63)))
def test_any_ink_gives_a_glyph(ink: NDArray[np.uint8]) -> None:
    glyph = normalize(ink)
    assert glyph.shape == (28, 28)
    assert glyph.dtype == np.uint8
    _, _, width, height = cv2.boundingRect(glyph)
    assert max(width, height) <= 20


@given(arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 0, 0, 255])))
def test_the_centre_of_mass_comes_to_the_middle(ink: NDArray[np.uint8]) -> None:
    ink[0, 0] = 255
    glyph = normalize(ink)
    x, y, width, height = cv2.boundingRect(glyph)
    # Off the middle only where ink would have been cut off otherwise: the box has come to the edge.
    at_edge = np.array([min(y, 28 - y - height), min(x, 28 - x - width)]) <= 1
    assert ((np.abs(centre_of_mass(glyph) - 14) <= 0.5 + 1e-9) | at_edge).all()


@given(INKS)
def test_strong_ink_never_vanishes(ink: NDArray[np.uint8]) -> None:
    ink[0, 0] = 255
    solid = np.kron(ink, np.full((4, 4), 1, np.uint8))
    assert normalize(solid).any()


@given(st.integers(1, 100), st.integers(1, 100))
def test_the_longer_side_is_20_pixels_and_the_aspect_is_kept(height: int, width: int) -> None:
    _, _, fitted_width, fitted_height = cv2.boundingRect(normalize(np.full((height, width), 255, np.uint8)))
    longer = max(height, width)
    assert max(fitted_width, fitted_height) == 20
    assert fitted_height == max(1, round(20 * height / longer))
    assert fitted_width == max(1, round(20 * width / longer))


def test_heavy_ink_is_brought_to_the_middle_not_the_box() -> None:
    ink = np.zeros((20, 20), np.uint8)
    ink[:, :5], ink[0, :] = 255, 255
    x, _, width, _ = cv2.boundingRect(normalize(ink))
    assert x + width / 2 > 16


@pytest.mark.parametrize("shape", [(1, 1), (5, 90), (90, 5), (28, 28)])
def test_no_ink_gives_no_ink(shape: tuple[int, int]) -> None:
    assert not normalize(np.zeros(shape, np.uint8)).any()


def test_a_view_is_as_good_as_a_copy() -> None:
    page = np.zeros((100, 100), np.uint8)
    page[10:38, 20:48] = all_digits()[42]
    np.testing.assert_array_equal(normalize(page[5:60, 15:70]), all_digits()[42])
    np.testing.assert_array_equal(normalize(page[:, ::-1][:, ::-1]), all_digits()[42])


def test_the_ink_itself_is_left_alone() -> None:
    ink = draw_digit("8", 50)
    before = ink.copy()
    normalize(ink)
    np.testing.assert_array_equal(ink, before)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_many_at_once_are_the_same_as_one_by_one(count: int) -> None:
    inks = [draw_digit(str(number), 10 + 9 * number) for number in range(count)]
    glyphs = normalize_all(inks)
    assert glyphs.shape == (count, 28, 28)
    assert glyphs.dtype == np.uint8
    for glyph, ink in zip(glyphs, inks, strict=True):
        np.testing.assert_array_equal(glyph, normalize(ink))
