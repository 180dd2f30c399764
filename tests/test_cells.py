from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from writing import PAPER, ByHeart, draw_digit, noisy, on_paper

from digitscan.cells import Row, find_fences, parted
from digitscan.decode import PLAIN_WEIGHTS, decode
from digitscan.ink import find_ink
from digitscan.normalize import normalize_all
from digitscan.schema import Layout
from digitscan.segment import segment
from digitscan.truth import edit_distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

HEIGHT, WIDTH = 40, 24


def row(cells: Sequence[int], cell: int, lean: int = 0) -> Row:
    """A line with so many digits in each cell of this width, the digits `lean` pixels off the middle of their place."""
    lefts = [
        cell * index + round(cell * (place + 0.5) / count - WIDTH / 2) + lean
        for index, count in enumerate(cells)
        for place in range(count)
    ]
    boxes = np.array([(left, 0, WIDTH, HEIGHT) for left in lefts], np.int32).reshape(-1, 4)
    fences = cell * np.arange(1, len(cells), dtype=np.float32)
    return Row(fences, boxes, np.ones(len(boxes), np.bool_), float(HEIGHT))


def numbers(rows: Sequence[Row]) -> list[list[int]]:
    """How many digits the numbers of each line have."""
    ends = [np.flatnonzero(np.append(walls, True)) + 1 for walls in parted(rows)]
    return [np.diff(own, prepend=0).tolist() for own in ends]


# --- tables and combs ---


def test_cells_with_several_digits_part_numbers() -> None:
    assert numbers([row([2, 1, 3], 100), row([1, 2, 2], 100)]) == [[2, 1, 3], [1, 2, 2]]


def test_a_line_with_single_digits_belongs_to_the_table_around_it() -> None:
    assert numbers([row([2, 2, 3], 100), row([1, 1, 1], 100), row([3, 1, 2], 100)]) == [[2, 2, 3], [1, 1, 1], [3, 1, 2]]


def test_lines_with_other_columns_are_another_table() -> None:
    assert numbers([row([2, 2, 3], 100), row([1, 1, 1], 83)]) == [[2, 2, 3], [3]]


def test_a_comb_holds_one_number() -> None:
    assert numbers([row([1, 1, 1, 1, 1], 60)] * 3) == [[5]] * 3


def test_a_digit_that_is_read_as_two_makes_no_table() -> None:
    assert numbers([row([1, 2, 1, 1], 100)]) == [[5]]


@pytest.mark.parametrize(("left", "sizes"), [(92, [3, 2]), (186, [2, 3])])
def test_a_digit_on_a_fence_belongs_to_the_mark_that_is_nearer(left: int, sizes: list[int]) -> None:
    table = row([2, 0, 2], 100)
    boxes = np.insert(table.boxes, 2, (left, 0, WIDTH, HEIGHT), axis=0)
    crossed = table._replace(boxes=boxes, is_digit=np.ones(5, np.bool_))
    assert numbers([row([2, 2, 2], 100), crossed])[1] == sizes


def test_a_fence_that_strokes_hide_is_that_of_the_lines_nearby() -> None:
    table = [row([2, 2, 2], 100) for _ in range(3)]
    one_fence = table[1]._replace(fences=table[1].fences[1:])
    hidden = one_fence._replace(boxes=one_fence.boxes + np.array([[0, 21, 50, 0, 0, 0]]).T * (1, 0, 0, 0))
    assert numbers([table[0], hidden, table[2]])[1] == [2, 2, 2]
    assert numbers([hidden, table[2]])[0] == [4, 2], "one line alone doesn't tell"
    assert numbers([table[0], one_fence, table[2]])[1] == [4, 2], "nothing hides it: there is none"


def test_digits_that_came_into_the_next_box_make_no_table() -> None:
    assert numbers([row([2, 0, 2, 0, 1], 100, lean=-24)]) == [[5]]


def test_squared_paper_is_no_table() -> None:
    assert numbers([row([2, 2, 2, 2], 55)] * 3) == [[8]] * 3
    half_hidden = row([2, 2, 2, 2, 2, 2], 55)
    half_hidden = half_hidden._replace(fences=half_hidden.fences[[0, 2, 4]])
    assert numbers([half_hidden._replace(fences=np.append(half_hidden.fences, np.float32(330)))]) == [[12]]


def test_marks_are_parted_as_digits_are_and_do_not_count() -> None:
    with_point = row([2, 2], 100)._replace(is_digit=np.array([True, True, False, True]))
    assert numbers([with_point, row([2, 2], 100)]) == [[2, 2], [2, 2]]
    assert numbers([with_point]) == [[4]]


def test_nothing_written_nothing_parted() -> None:
    assert parted([]) == []
    assert [len(walls) for walls in parted([row([1], 100)])] == [0]


# --- fences ---


def rules_at(*columns: int, top: int = 0, bottom: int = 300) -> NDArray[np.bool_]:
    rules = np.zeros((300, 400), np.uint8)
    for column in columns:
        cv2.line(rules, (column, top), (column, bottom), 1, 3)
    return rules > 0


LINE = np.array([(20, 130, 24, 40), (150, 132, 24, 40), (300, 134, 24, 40)], np.int32)


def test_a_fence_is_an_upright_rule_between_the_digits_of_a_line_or_close_beside_them() -> None:
    rules = rules_at(10, 100, 220, 350)
    np.testing.assert_allclose(find_fences(rules, LINE, 40.0), [10, 100, 220, 350], atol=1)
    np.testing.assert_allclose(find_fences(rules, LINE[:1], 40.0), [10, 100], atol=1)


@pytest.mark.parametrize(("top", "bottom"), [(120, 300), (0, 185)])
def test_the_first_and_the_last_line_of_a_table_have_fences(top: int, bottom: int) -> None:
    assert len(find_fences(rules_at(100, top=top, bottom=bottom), LINE, 40.0)) == 1


def test_a_stroke_that_crosses_a_fence_hides_a_part_of_it() -> None:
    rules = rules_at(100)
    rules[145:150] = False
    assert len(find_fences(rules, LINE, 40.0)) == 1


@pytest.mark.parametrize(("top", "bottom"), [(115, 190), (0, 140), (165, 300)])
def test_the_side_of_a_box_and_a_rule_that_ends_are_no_fences(top: int, bottom: int) -> None:
    assert not len(find_fences(rules_at(100, top=top, bottom=bottom), LINE, 40.0))


def test_a_rule_from_side_to_side_of_a_picture_of_one_line_is_no_fence() -> None:
    assert not len(find_fences(rules_at(100)[110:200], LINE - (0, 110, 0, 0), 40.0))


def test_level_rules_and_lines_of_points_have_no_fences() -> None:
    level = np.zeros((300, 400), np.bool_)
    level[150:153] = True
    assert not len(find_fences(level, LINE, 40.0))
    assert not len(find_fences(rules_at(100), np.array([(20, 130, 4, 4), (150, 130, 4, 4)], np.int32), 40.0))


# --- from a page to its numbers ---

TABLE = ["314 15 926", "27 182 81", "577 215 66"]
CELL = (140, 70)


def table(pen: int, rule: int | tuple[int, int, int], thickness: int = 3) -> Pixels:
    """`TABLE` in cells whose digits are as far from the next cell as from each other, BGR."""
    ink = np.zeros((2 * 40 + len(TABLE) * CELL[1], 2 * 40 + 3 * CELL[0]), np.uint8)
    for y, line in enumerate(TABLE):
        for x, text in enumerate(line.split()):
            left = 40 + x * CELL[0] + (CELL[0] - 38 * len(text)) // 2
            for place, char in enumerate(text):
                glyph = draw_digit(char, HEIGHT, hand=x + y + place)
                top, start = 40 + y * CELL[1] + 15, left + 38 * place
                ink[top : top + HEIGHT, start : start + glyph.shape[1]] = glyph
    page = cv2.cvtColor(np.full_like(ink, PAPER), cv2.COLOR_GRAY2BGR)
    colour = rule if isinstance(rule, tuple) else (rule,) * 3
    for x in range(40, ink.shape[1] - 39, CELL[0]):
        cv2.line(page, (x, 40), (x, ink.shape[0] - 40), colour, thickness)
    for y in range(40, ink.shape[0] - 39, CELL[1]):
        cv2.line(page, (40, y), (ink.shape[1] - 40, y), colour, thickness)
    written = on_paper(ink, PAPER, pen)[:, :, None]
    return noisy(np.minimum(page, written), 2)


def read(page: Pixels) -> list[str]:
    segments = segment(find_ink(page), Layout.PAGE)
    probabilities = ByHeart()(normalize_all(segments.inks))
    lines = decode(segments.lattices, probabilities, None, PLAIN_WEIGHTS)
    return [" ".join(number.text for number in line) for line in lines]


@pytest.mark.parametrize(
    ("pen", "rule"),
    [(30, 90), (30, 30), (30, 200), (30, (150, 150, 240)), (30, (60, 60, 220)), (150, 30), (165, 60)],
    ids=["grey", "black", "pale", "pink", "red", "pencil in black", "faint pencil in grey"],
)
def test_the_columns_of_a_table_are_separate_numbers(pen: int, rule: int | tuple[int, int, int]) -> None:
    lines = read(table(pen, rule))
    assert [[*map(len, line.split())] for line in lines] == [[*map(len, line.split())] for line in TABLE]
    assert edit_distances("".join(TABLE), ["".join(lines)])[0] <= 1
