from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitscan.lines import digit_height, find_lines

if TYPE_CHECKING:
    from random import Random

    from numpy.typing import NDArray

    Boxes = NDArray[np.int32]

HEIGHT = 30.0

BOX = st.tuples(st.integers(0, 800), st.integers(0, 800), st.integers(1, 60), st.integers(1, 60))
ANYTHING = st.lists(BOX, min_size=1, max_size=40, unique=True).map(lambda boxes: np.array(boxes, np.int32))
NEVER_FLUSH = st.lists(BOX, min_size=1, max_size=40, unique_by=lambda box: box[0]).map(
    lambda boxes: np.array(boxes, np.int32)
)
"""Boxes no two of which begin in the same column."""


def row(y: int, xs: range | list[int], height: int = 30, width: int = 20) -> list[tuple[int, int, int, int]]:
    return [(x, y, width, height) for x in xs]


@st.composite
def pages(draw: st.DrawFn) -> tuple[Boxes, NDArray[np.intp]]:
    """Boxes of digits in rows that lie well apart, each somewhat off its place, and the row of each."""
    boxes, rows = [], []
    for number in range(draw(st.integers(1, 6))):
        x = draw(st.integers(0, 200))
        for _ in range(draw(st.integers(1, 12))):
            height = draw(st.integers(24, 36))
            boxes.append((x, 70 * number + draw(st.integers(-6, 6)) + 20, draw(st.integers(4, 26)), height))
            rows.append(number)
            x += 30 + draw(st.integers(0, 60))
    return np.array(boxes, np.int32), np.array(rows)


def found(boxes: Boxes, height: float = HEIGHT) -> list[set[tuple[int, ...]]]:
    """The lines as sets of boxes, from top to bottom."""
    return [{tuple(box) for box in boxes[line].tolist()} for line in find_lines(boxes, height)]


@given(pages())
def test_rows_are_lines_from_top_to_bottom(page: tuple[Boxes, NDArray[np.intp]]) -> None:
    boxes, rows = page
    lines = find_lines(boxes, HEIGHT)
    assert [set(line.tolist()) for line in lines] == [set(np.flatnonzero(rows == n).tolist()) for n in np.unique(rows)]


@given(pages(), st.randoms(use_true_random=False))
def test_the_order_of_components_makes_no_difference(page: tuple[Boxes, NDArray[np.intp]], random: Random) -> None:
    boxes, _ = page
    order = list(range(len(boxes)))
    random.shuffle(order)
    assert found(boxes[order]) == found(boxes)


@given(NEVER_FLUSH, st.randoms(use_true_random=False))
def test_nor_does_it_where_there_are_no_lines(boxes: Boxes, random: Random) -> None:
    order = list(range(len(boxes)))
    random.shuffle(order)
    assert found(boxes[order]) == found(boxes)


def test_nor_does_it_where_components_begin_in_the_same_column() -> None:
    boxes = np.array([(34, 171, 1, 15), (34, 181, 1, 15), (34, 127, 1, 60)], np.int32)
    lines = [found(boxes[list(order)]) for order in permutations(range(3))]
    assert lines == lines[:1] * 6


@given(ANYTHING, st.integers(-500, 500), st.integers(-500, 500))
def test_the_place_on_the_page_makes_no_difference(boxes: Boxes, dx: int, dy: int) -> None:
    moved = boxes + np.array([dx, dy, 0, 0], np.int32)
    assert [line.tolist() for line in find_lines(moved, HEIGHT)] == [
        line.tolist() for line in find_lines(boxes, HEIGHT)
    ]


@given(ANYTHING, st.integers(2, 5))
def test_the_resolution_makes_no_difference(boxes: Boxes, scale: int) -> None:
    larger = (boxes * scale).astype(np.int32)
    assert [line.tolist() for line in find_lines(larger, HEIGHT * scale)] == [
        line.tolist() for line in find_lines(boxes, HEIGHT)
    ]


@given(ANYTHING)
def test_no_component_is_on_two_lines_and_no_digit_on_none(boxes: Boxes) -> None:
    lines = find_lines(boxes, HEIGHT)
    members = np.concatenate(lines)
    assert len(np.unique(members)) == len(members)
    assert all(len(line) for line in lines)
    tall = np.flatnonzero(boxes[:, 3] >= HEIGHT / 2)
    assert set(tall.tolist()) <= set(members.tolist())


def test_nothing() -> None:
    assert find_lines(np.empty((0, 4), np.int32), HEIGHT) == []


def test_columns_of_a_table_are_one_line() -> None:
    first, second = row(0, range(0, 100, 25)), row(60, range(0, 100, 25))
    far = [*row(4, range(900, 1000, 25)), *row(57, range(900, 1000, 25))]
    lines = found(np.array([*first, *second, *far], np.int32))
    assert lines == [{*first, *far[:4]}, {*second, *far[4:]}]


def test_close_rows_in_columns_that_interlock_stay_apart() -> None:
    """Two rows above each other that overlap a little are two lines."""
    first, second = row(0, range(0, 200, 25)), row(27, range(5, 205, 25))
    assert found(np.array([*first, *second], np.int32)) == [set(first), set(second)]


@pytest.mark.parametrize("slope", [-0.12, -0.05, 0.05, 0.12])
def test_a_line_may_slope(slope: float) -> None:
    rows = [[(x, round(300 + 60 * n + slope * x), 20, 30) for x in range(0, 1000, 28)] for n in range(3)]
    assert found(np.array([box for row in rows for box in row], np.int32)) == [set(boxes) for boxes in rows]


def test_a_line_may_bend() -> None:
    rows = [[(x, round(100 + 70 * n + 40 * np.sin(x / 250)), 20, 30) for x in range(0, 1000, 28)] for n in range(3)]
    assert found(np.array([box for row in rows for box in row], np.int32)) == [set(boxes) for boxes in rows]


def test_points_and_dashes_join_the_line_that_they_stand_on() -> None:
    rows = [row(0, [0, 25, 60, 85]), row(80, [0, 25, 60, 85])]
    comma, dash = (50, 26, 4, 9), (110, 94, 14, 4)
    assert found(np.array([*rows[0], comma, *rows[1], dash], np.int32)) == [{*rows[0], comma}, {*rows[1], dash}]


def test_a_speck_far_from_all_writing_is_on_no_line() -> None:
    line = row(0, [0, 25, 50])
    assert found(np.array([*line, (400, 300, 4, 4)], np.int32)) == [set(line)]


def test_only_specks_are_one_line() -> None:
    """Where nothing is as high as a digit, it is left to the classifier."""
    specks = [(0, 0, 4, 4), (50, 2, 5, 3)]
    assert found(np.array(specks, np.int32)) == [set(specks)]


def test_height_of_digits_among_points_and_dashes() -> None:
    points = [(x, 28, 4, 4) for x in range(0, 300, 10)]
    assert digit_height(np.array([*points, *row(0, range(0, 200, 25), height=31)], np.int32), 4.0) == 31


def test_height_of_digits_among_a_few_taller_marks() -> None:
    assert digit_height(np.array([*row(0, range(0, 200, 25), height=31), (300, 0, 3, 90)], np.int32), 4.0) == 31


def test_height_where_there_are_only_points() -> None:
    assert digit_height(np.array([(0, 0, 4, 5), (9, 0, 4, 4)], np.int32), 4.0) == 5
    assert digit_height(np.empty((0, 4), np.int32), 4.0) == 4


@given(ANYTHING, st.randoms(use_true_random=False))
def test_height_does_not_depend_on_the_order(boxes: Boxes, random: Random) -> None:
    order = list(range(len(boxes)))
    random.shuffle(order)
    assert digit_height(boxes[order], 4.0) == digit_height(boxes, 4.0)
    assert digit_height(boxes, 4.0) in {4, *boxes[:, 3].tolist()}
