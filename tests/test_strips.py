from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from writing import write_page

from digitscan.ink import find_ink
from digitscan.schema import FRAME_CLASS_COUNT, NOTHING, STRIP_HEIGHT, Layout
from digitscan.segment import segment
from digitscan.strips import DIGIT_ROWS, Strip, draw_strip, find_middles, find_places


def strip_of(pixels: np.ndarray) -> Strip:
    (strip,) = segment(find_ink(pixels, deskew=False), Layout.LINE).strips
    return strip


@pytest.mark.parametrize("height", [20, 40, 90])
def test_digits_stand_in_the_middle_at_one_scale(height: int) -> None:
    strip = strip_of(write_page(["2580"], height).pixels)
    assert (strip.pixels.shape[0], strip.pixels.dtype) == (STRIP_HEIGHT, np.uint8)
    rows = np.flatnonzero((strip.pixels > 127).any(axis=1))
    assert np.ptp(rows) == pytest.approx(DIGIT_ROWS, abs=3)
    assert rows.mean() == pytest.approx(STRIP_HEIGHT / 2, abs=2)


def test_columns_of_a_strip_are_those_of_the_candidates() -> None:
    segments = segment(find_ink(write_page(["2580"], 40).pixels, deskew=False), Layout.LINE)
    (lattice,), (strip,) = segments.lattices, segments.strips
    for column, reach in zip(lattice.columns, lattice.reach, strict=True):
        around = strip.pixels[:, round(column - reach) : round(column + reach)]
        assert around.any()
    ink = np.flatnonzero((strip.pixels > 127).any(axis=0))
    assert lattice.columns.min() - lattice.reach.min() >= ink[0] - 2
    assert (lattice.columns + lattice.reach).max() == pytest.approx(ink[-1], abs=2)


def test_columns_lead_back_to_the_page() -> None:
    strip = Strip(np.zeros((STRIP_HEIGHT, 10), np.uint8), 7.5, 0.4)
    np.testing.assert_allclose(strip.working(strip.columns(np.array([7.5, 99.0]))), [7.5, 99.0], rtol=1e-6)


def test_places_are_where_a_digit_is_likely() -> None:
    frames = np.zeros((8, FRAME_CLASS_COUNT), np.float32)
    frames[:, NOTHING] = [1, 0.1, 0.2, 1, 0.9, 1, 1, 0.3]
    columns, widths = find_places(frames, 0.5)
    assert columns.tolist() == [4, 15]
    assert widths.tolist() == [4, 2]
    assert find_places(frames, 0.05)[0].tolist() == [4, 9, 15]
    assert find_places(frames[:1], 0.5)[0].size == 0


def frames_of(text: str, nothing: float = 0.1) -> np.ndarray:
    """What a line reader says that sees these digits, and nothing at each point."""
    frames = np.zeros((len(text), FRAME_CLASS_COUNT), np.float32)
    for frame, char in zip(frames, text, strict=True):
        frame[NOTHING] = 1 if char == "." else nothing
        if char != ".":
            frame[int(char)] = 1 - nothing
    return frames


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("..777..77.", [7, 16]),
        ("..999111..", [7, 13]),
        ("..999411..", [7.5, 13.5]),
        ("..98..", [6]),
        ("......", []),
    ],
)
def test_middles_are_parted_where_one_digit_turns_into_another(text: str, columns: list[float]) -> None:
    middles = find_middles(frames_of(text), 0.5)
    assert middles.columns == pytest.approx(columns, abs=1)
    assert middles.missing == pytest.approx([0.1] * len(columns))


@given(st.floats(-0.12, 0.12), st.integers(0, 50), st.integers(0, 50))
def test_sloping_lines_are_levelled(slope: float, x: int, y: int) -> None:
    height, count = 40, 8
    ink = np.zeros((200, 60 * count), np.uint8)
    boxes = []
    for place in range(count):
        left, top = 10 + 60 * place, round(80 + slope * 60 * (place - count / 2))
        ink[top : top + height, left : left + 30] = 255
        boxes.append((x + left, y + top, 30, height))
    strip = draw_strip(ink, x, y, np.array(boxes, np.int32), float(height))
    rows = [np.flatnonzero(strip.pixels[:, round(c)] > 127) for c in strip.columns(np.array(boxes)[:, 0] + 15.0)]
    middles = [float(part.mean()) for part in rows]
    assert np.ptp(middles) <= 1.5
    assert np.mean(middles) == pytest.approx(STRIP_HEIGHT / 2, abs=1)


def test_a_short_line_is_not_levelled() -> None:
    boxes = np.array([(0, 0, 10, 20), (20, 12, 10, 20)], np.int32)
    strip = draw_strip(np.full((32, 30), 255, np.uint8), 0, 0, boxes, 20.0)
    assert strip.pixels.shape == (STRIP_HEIGHT, 38)
