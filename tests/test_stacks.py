from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan.components import find_components
from digitscan.stacks import part_stacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEIGHT = 30.0
RULE = 95


def drawn(*spans: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Upright strokes, each at an x from one y to another, with a foot: rows of a table that are 50 pixels high."""
    mask = np.zeros((200, 300), np.uint8)
    for x, top, bottom in spans:
        cv2.rectangle(mask, (x, top), (x + 12, bottom), 1, 3)
    return mask > 0


ROWS = [(x, top, top + 30) for x in (30, 80, 230) for top in (55, 105)]


def ruled(y: int = RULE) -> NDArray[np.bool_]:
    rules = np.zeros((200, 300), np.bool_)
    rules[y : y + 2] = True
    return rules


def heights(mask: NDArray[np.bool_], rules: NDArray[np.bool_]) -> list[int]:
    """Of the components at x = 150 after parting."""
    parted = part_stacked(mask, rules, find_components(mask), HEIGHT)
    boxes = find_components(parted).boxes
    return sorted(boxes[(boxes[:, 0] > 140) & (boxes[:, 0] < 170), 3].tolist())


def test_digits_of_two_rows_that_touch_are_parted_at_the_rule_between_them() -> None:
    found = heights(drawn(*ROWS, (150, 55, 93), (152, 93, 135)), ruled())
    assert len(found) == 2
    assert min(found) > HEIGHT


def test_the_cut_runs_where_there_is_least_ink() -> None:
    mask = drawn(*ROWS, (150, 55, 88), (150, 102, 135))
    mask[85:105, 155] = True
    mask[95:97, 145:170] = True
    parted = part_stacked(mask, ruled(), find_components(mask), HEIGHT)
    assert np.count_nonzero(mask & ~parted) == 1


def test_without_a_rule_a_large_digit_stays_whole_beside_two_small_lines() -> None:
    mask = drawn(*ROWS, (150, 55, 135))
    assert part_stacked(mask, np.zeros_like(mask), find_components(mask), HEIGHT) is mask
    elsewhere = ruled()
    elsewhere[:, 100:] = False
    assert part_stacked(mask, elsewhere, find_components(mask), HEIGHT) is mask


def test_a_long_stroke_that_reaches_into_no_other_line_stays_whole() -> None:
    mask = drawn(*(each for each in ROWS if each[1] == 55), (150, 55, 110))
    assert part_stacked(mask, ruled(), find_components(mask), HEIGHT) is mask


def test_a_page_with_nothing_but_tall_ink_stays_whole() -> None:
    mask = drawn((150, 20, 180))
    assert part_stacked(mask, ruled(), find_components(mask), HEIGHT) is mask
