"""Rules are told from writing by how long and how thin they are, and boxes by how their sides meet."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from digitscan.rules import _packed, _Runs, find_rules, find_upright_rules

STROKE = 4.0
ODD = st.integers(0, 20).map(lambda half: 2 * half + 1)


def blank() -> NDArray[np.bool_]:
    return np.zeros((200, 300), np.bool_)


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=70), fill=st.just(True)), ODD, ODD)
def test_runs_are_those_that_opencv_finds(mask: NDArray[np.bool_], length: int, thickness: int) -> None:
    ink = mask.view(np.uint8)
    loose = cv2.dilate(ink, np.ones((1, 3), np.uint8))
    long = cv2.morphologyEx(loose, cv2.MORPH_OPEN, np.ones((length, 1), np.uint8))
    crossing = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, thickness), np.uint8))
    runs = _Runs(_packed(ink), lambda: _packed(ink.T), 1.0, thickness, 0).find(length)
    np.testing.assert_array_equal(np.unpackbits(runs, axis=1, count=ink.shape[1]), ink & long & (1 - crossing))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("length", "is_rule"), [(95, False), (96, True), (97, True)])
def test_a_rule_is_24_strokes_long_and_found_whole(length: int, is_rule: bool, turned: bool) -> None:
    mask = blank()
    mask[100:103, 50 : 50 + length] = True
    mask = mask.T.copy() if turned else mask
    np.testing.assert_array_equal(find_rules(mask, STROKE, framed=False), mask & is_rule)


def test_a_stroke_that_crosses_a_rule_stays() -> None:
    mask = blank()
    mask[100:103, 20:280] = True
    mask[80:125, 148:152] = True
    rules = find_rules(mask, STROKE, framed=False)
    assert not rules[:, 148:152].any()
    assert rules[100:103, 20:148].all()
    assert rules[100:103, 152:280].all()


@pytest.mark.parametrize(("length", "is_rule"), [(95, False), (96, True)])
def test_upright_rules_go_down_the_page(length: int, is_rule: bool) -> None:
    mask = blank()
    mask[100:103, 20:280] = True
    upright = np.zeros_like(mask)
    upright[50 : 50 + length, 100:103] = True
    np.testing.assert_array_equal(find_upright_rules(mask, STROKE), blank())
    found = find_upright_rules(mask | upright, STROKE)
    # Where it crosses the level one it is as thick as that is long.
    np.testing.assert_array_equal(found, upright & ~mask & is_rule)


@pytest.mark.parametrize(("side", "is_box"), [(20, False), (28, True), (60, True)])
def test_a_box_by_itself_is_four_sides_that_end_at_each_other(side: int, is_box: bool) -> None:
    box, cup = blank(), blank()
    cv2.rectangle(box.view(np.uint8), (60, 60), (60 + side, 60 + side), 1, 2)
    cv2.polylines(cup.view(np.uint8), [np.array([(160, 60), (160, 60 + side), (160 + side, 60 + side)])], False, 1, 2)
    rules = find_rules(box | cup, STROKE, framed=False)
    assert not rules[cup].any()
    assert (rules[box].mean() > 0.9) == is_box


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("bottom", "is_box"), [(140, True), (130, False)])
def test_short_sides_are_rules_where_they_end_at_rules_on_both_ends(bottom: int, is_box: bool, turned: bool) -> None:
    mask = blank()
    for y in (100, 140):
        mask[y : y + 2, 20:280] = True
    side = np.zeros_like(mask)
    side[102:bottom, 60:62] = True
    mask |= side
    if turned:
        mask, side = mask.T.copy(), side.T.copy()
    rules = find_rules(mask, STROKE, framed=False)
    assert rules[side].all() if is_box else not rules[side].any()
    aside = cv2.dilate(side.view(np.uint8), np.ones((5, 5), np.uint8)) == 0
    np.testing.assert_array_equal(rules[aside], mask[aside])


def test_the_side_of_a_box_is_a_rule_on_both_sides_of_a_stroke_that_crosses_it() -> None:
    mask = blank()
    cv2.rectangle(mask.view(np.uint8), (60, 60), (100, 100), 1, 2)
    cv2.rectangle(mask.view(np.uint8), (80, 76), (130, 85), 1, cv2.FILLED)
    rules = find_rules(mask, STROKE, framed=False)
    assert rules[64:74, 100].all()
    assert rules[88:97, 100].all()
    assert not rules[76:86].any(where=mask[76:86] & (np.arange(300) > 64))


@pytest.mark.parametrize(("thickness", "is_rule"), [(1.0, False), (1.8, True)])
def test_a_rule_is_no_thicker_than_asked_for(thickness: float, is_rule: bool) -> None:
    mask = blank()
    mask[100:105, 20:280] = True
    np.testing.assert_array_equal(find_rules(mask, STROKE, framed=False, thickness=thickness), mask & is_rule)


@pytest.mark.parametrize(("framed", "count"), [(False, 0), (True, 2 * 30)])
def test_what_runs_through_a_small_picture_is_a_rule_only_in_a_frame(framed: bool, count: int) -> None:
    mask = np.zeros((30, 30), np.bool_)
    mask[10:12] = True
    assert np.count_nonzero(find_rules(mask, STROKE, framed=framed)) == count
