from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from writing import draw_digit

from digitscan.cut import Cuts, Guide
from digitscan.cut import find_cuts as find_cuts_guided

if TYPE_CHECKING:
    from numpy.typing import NDArray

STROKE = 4.0


def find_cuts(inks: list[NDArray[np.uint8]], stroke: float) -> list[Cuts]:
    """Where nothing is known."""
    return find_cuts_guided(inks, stroke, [guide()] * len(inks))


def guide(valley: tuple[int, int] | None = None, digit: tuple[int, int] | None = None) -> Guide:
    """At most one span of either kind."""
    return Guide(*(np.array([span] if span else [], np.intp).reshape(-1, 2) for span in (valley, digit)))


@st.composite
def components(draw: st.DrawFn) -> NDArray[np.uint8]:
    """What a pen of width 4 may leave in one go."""
    points = draw(st.lists(st.tuples(st.integers(5, 70), st.integers(5, 40)), min_size=2, max_size=8))
    ink = np.zeros((46, 76), np.uint8)
    cv2.polylines(ink, [np.array(points, np.int32)], draw(st.booleans()), 255, 4, cv2.LINE_AA)
    x, y, width, height = cv2.boundingRect(ink)
    return ink[y : y + height, x : x + width]


def touching(left: str, right: str, hand: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two digits pushed together until they touch: the ink of both, and that of the left one alone."""
    one, other = draw_digit(left, 36, hand), draw_digit(right, 36, hand + 1)
    both = np.zeros((36, one.shape[1] + other.shape[1] + 1), np.uint8)
    both[:, : one.shape[1]] = one
    alone = both.copy()
    for x in range(one.shape[1] + 1, 0, -1):
        joined = both.copy()
        window = joined[:, x : x + other.shape[1]]
        np.maximum(window, other, out=window)
        if cv2.connectedComponents((joined > 96).astype(np.uint8))[0] == 2:
            break
    right_end = x + other.shape[1]
    return joined[:, :right_end], alone[:, :right_end]


def blocks(bar: int) -> NDArray[np.uint8]:
    """Two solid blocks, 16 pixels wide each, joined by a bar of this thickness."""
    ink = np.zeros((40, 44), np.uint8)
    ink[:, :16] = ink[:, 28:] = 255
    ink[20 - bar // 2 : 20 - bar // 2 + bar] = 255
    return ink


def shares(cuts: Cuts, ink: NDArray[np.uint8], left: NDArray[np.uint8]) -> list[float]:
    """For each cut, how much of the ink it puts on the side where it belongs."""
    columns = np.arange(ink.shape[1])
    return [
        float(ink[(columns < cut[:, None]) == (left > 96)].sum(dtype=np.float64) / ink.sum()) for cut in cuts.columns
    ]


@given(components())
def test_cuts_go_from_top_to_bottom_in_small_steps_and_never_cross(ink: NDArray[np.uint8]) -> None:
    (cuts,) = find_cuts([ink], STROKE)
    assert cuts.columns.shape == (len(cuts.ink), ink.shape[0])
    assert ((cuts.columns >= 0) & (cuts.columns <= ink.shape[1])).all()
    assert (np.abs(np.diff(cuts.columns, axis=1)) <= 1).all()
    assert (np.diff(cuts.columns, axis=0) >= 0).all()
    assert (cuts.ink >= 0).all()


@given(components())
def test_every_piece_has_ink(ink: NDArray[np.uint8]) -> None:
    (cuts,) = find_cuts([ink], STROKE)
    piece = (np.arange(ink.shape[1]) >= cuts.columns[:, :, None]).sum(axis=0)
    areas = np.bincount(piece[ink > 127], minlength=len(cuts.ink) + 1)
    assert len(areas) == len(cuts.ink) + 1
    assert not len(cuts.ink) or areas.min() >= STROKE


@given(st.lists(components(), min_size=1, max_size=5))
def test_other_components_make_no_difference(inks: list[NDArray[np.uint8]]) -> None:
    for together, ink in zip(find_cuts(inks, STROKE), inks, strict=True):
        (alone,) = find_cuts([ink], STROKE)
        np.testing.assert_array_equal(together.columns, alone.columns)
        np.testing.assert_allclose(together.ink, alone.ink, rtol=1e-4)


@pytest.mark.parametrize("bar", [2, 4, 6, 8])
def test_the_ink_of_a_cut_is_measured_in_strokes(bar: int) -> None:
    (cuts,) = find_cuts([blocks(bar)], STROKE)
    between = (cuts.columns[:, 20] > 15) & (cuts.columns[:, 20] < 29)
    assert between.any()
    assert cuts.ink[between].min() == pytest.approx(bar / STROKE, abs=0.05)


def test_solid_ink_is_not_cut() -> None:
    (cuts,) = find_cuts([blocks(40)], STROKE)
    assert len(cuts.ink) == 0
    assert cuts.columns.shape == (0, 40)


def test_a_narrow_stroke_is_not_cut() -> None:
    (cuts,) = find_cuts([np.full((40, 4), 255, np.uint8)], STROKE)
    assert len(cuts.ink) == 0


def test_nothing_to_cut() -> None:
    assert find_cuts([], STROKE) == []


def test_a_thicker_pen_takes_the_same_cuts_on_a_larger_scale() -> None:
    ink, _ = touching("4", "7")
    (small,) = find_cuts([ink], STROKE)
    (large,) = find_cuts([np.kron(ink, np.ones((2, 2), np.uint8))], 2 * STROKE)
    assert len(large.ink) == len(small.ink)
    np.testing.assert_allclose(large.columns[:, ::2], 2 * small.columns, atol=4)


def test_touching_digits_come_apart() -> None:
    """Of a hundred pairs, nearly all have a cut that leaves at least nine tenths of the ink where it belongs."""
    pairs = [touching(left, right) for left, right in product("0123456789", repeat=2)]
    found = find_cuts([ink for ink, _ in pairs], STROKE)
    best = [max(shares(cuts, *pair), default=0.0) for cuts, pair in zip(found, pairs, strict=True)]
    assert sum(share > 0.9 for share in best) >= 90


def test_in_a_valley_there_is_a_cut_through_any_ink() -> None:
    block = np.full((40, 40), 255, np.uint8)
    assert len(find_cuts([block], STROKE)[0].ink) == 0
    (cuts,) = find_cuts_guided([block], STROKE, [guide(valley=(14, 24))])
    assert len(cuts.ink) == 1
    assert ((cuts.columns >= 14) & (cuts.columns <= 25)).all()


def test_a_cut_that_is_asked_for_stays_between_the_digits() -> None:
    """A way with less ink leads down to the left, under one of them."""
    ink = np.full((40, 40), 255, np.uint8)
    ink[25:, :15] = 0
    (cuts,) = find_cuts_guided([ink], STROKE, [guide(valley=(16, 23))])
    assert len(cuts.ink) == 1
    assert ((cuts.columns >= 16) & (cuts.columns <= 24)).all()


def test_a_valley_with_a_cut_gets_no_other() -> None:
    (alone,) = find_cuts([blocks(4)], STROKE)
    (guided,) = find_cuts_guided([blocks(4)], STROKE, [guide(valley=(14, 30))])
    np.testing.assert_array_equal(guided.columns, alone.columns)


def test_no_cut_goes_through_the_middle_of_a_digit() -> None:
    (alone,) = find_cuts([blocks(4)], STROKE)
    middle = int(alone.columns[0, alone.columns.shape[1] // 2])
    (guided,) = find_cuts_guided([blocks(4)], STROKE, [guide(digit=(middle - 1, middle + 1))])
    assert len(guided.ink) == len(alone.ink) - 1
    (beside,) = find_cuts_guided([blocks(4)], STROKE, [guide(digit=(middle + 1, middle + 4))])
    np.testing.assert_array_equal(beside.columns, alone.columns)
