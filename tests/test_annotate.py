"""Pictures of what was read, and the folders that they are written to."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitscan.annotate import annotate, confidence_colour, write_text
from digitscan.errors import OutputError
from digitscan.pictures import PagePictures
from digitscan.schema import Box, Digit, Number, Page, PageFailure, PageNumbers, Settings


def read(*digits: tuple[float, Box], file: str = "a.png", page: int = 1) -> PageNumbers:
    number = Number(1, 1, 0.9, tuple(Digit("5", confidence, box) for confidence, box in digits))
    return PageNumbers(file, page, (number,) if digits else ())


def has_colour(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((picture == colour).all(axis=2).any())


# Drawing


@pytest.mark.parametrize("shape", [(300, 200), (300, 200, 3)])
def test_page_is_whole_and_digits_have_the_colour_of_their_confidence(shape: tuple[int, ...]) -> None:
    pixels = np.full(shape, 200, np.uint8)
    before = pixels.copy()
    picture = annotate(pixels, read((1.0, Box(50, 100, 30, 40)), (0.4, Box(90, 100, 30, 40))))
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[0] > 300
    assert picture.shape[1] > 200
    assert has_colour(picture, confidence_colour(1.0))
    assert has_colour(picture, confidence_colour(0.4))
    assert (pixels == before).all()


def test_box_is_where_the_digit_is() -> None:
    picture = annotate(np.full((300, 200), 255, np.uint8), read((1.0, Box(50, 100, 30, 40))))
    margin = (picture.shape[0] - 300) // 2
    rows, columns = np.nonzero((picture[margin + 90 :] == confidence_colour(1.0)).all(axis=2))
    assert (rows.min() + 90, columns.min() - margin) == pytest.approx((100, 50), abs=2)
    assert (rows.max() + 90, columns.max() - margin) == pytest.approx((139, 79), abs=2)


def test_small_pictures_are_enlarged_and_empty_ones_are_not() -> None:
    tiny = np.full((28, 28), 255, np.uint8)
    assert annotate(tiny, read((1.0, Box(4, 4, 14, 12)))).shape[0] > 2 * 28
    assert not has_colour(annotate(tiny, read()), confidence_colour(1.0))


def test_doubtful_numbers_are_framed() -> None:
    pixels = np.full((300, 200), 255, np.uint8)
    page = read((1.0, Box(50, 100, 30, 40)))  # As a number, 0.9.
    sure, doubtful = annotate(pixels, page, 0.9), annotate(pixels, page, 0.95)
    assert (sure == annotate(pixels, page)).all()
    margin = (sure.shape[0] - 300) // 2
    rows, columns = np.nonzero((doubtful[margin + 90 :] == confidence_colour(0.0)).all(axis=2))
    assert rows.max() + 90 > 140
    assert columns.min() - margin < 50
    assert not has_colour(sure[margin + 90 :], confidence_colour(0.0))


boxes = st.builds(Box, st.integers(0, 59), st.integers(0, 39), st.integers(1, 90), st.integers(1, 90))


@given(st.lists(st.tuples(st.floats(0, 1), boxes), max_size=4))
def test_any_box_can_be_drawn(digits: list[tuple[float, Box]]) -> None:
    picture = annotate(np.zeros((40, 60), np.uint8), read(*digits))
    assert picture.shape[0] >= 40
    assert picture.shape[1] >= 60


@given(st.floats(0, 1), st.floats(0, 1))
def test_colour_goes_from_red_to_green(one: float, other: float) -> None:
    def greenness(confidence: float) -> int:
        _, green, red = confidence_colour(confidence)
        return green - red

    low, high = sorted((one, other))
    assert greenness(low) <= greenness(high)
    assert greenness(0.0) < 0 < greenness(1.0)


@pytest.mark.parametrize("corner", [(-50.0, -50.0), (90.0, 500.0)])
def test_text_is_moved_into_the_picture(corner: tuple[float, float]) -> None:
    inside, outside = np.full((2, 60, 100, 3), 255, np.uint8)
    write_text(outside, "123", corner, 12.0, (0, 0, 0))
    write_text(inside, "123", (30.0, 40.0), 12.0, (0, 0, 0))
    assert (outside < 128).sum() == pytest.approx((inside < 128).sum(), rel=0.1)


# Folders


def save(path: Path, value: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((20, 20), value, np.uint8))
    return str(path)


def test_each_page_is_drawn_from_its_own_pixels(tmp_path: Path) -> None:
    cv2.imwritemulti(str(tmp_path / "t.tif"), [np.full((20, 20), value, np.uint8) for value in (10, 20, 30)])
    tiff, twin = str(tmp_path / "t.tif"), save(tmp_path / "sub" / "t.tif", 40)
    pictures = PagePictures(tmp_path / "new" / "out", lambda page, _: [("-x", page.pixels)], Settings())
    for number in (1, 3):
        pictures.add(read(file=tiff, page=number))
    pictures.add(PageFailure("broken.png", 1, "broken"))
    pictures.add(read(file=twin))
    found = {path.name: int(cv2.imread(str(path))[0, 0, 0]) for path in (tmp_path / "new" / "out").iterdir()}
    assert found == {"t.tif-p1-x.png": 10, "t.tif-p3-x.png": 30, "t.tif-2-p1-x.png": 40}


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_pages_are_drawn_upright_with_the_boxes_on_their_ink(tmp_path: Path, rotate: int) -> None:
    stored = np.zeros((50, 70), np.uint8)
    box = Box(10, 5, 8, 20)
    stored[box.y : box.y + box.height, box.x : box.x + box.width] = np.arange(20)[:, None] + 1
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    drawn: list[tuple[np.ndarray, Box]] = []

    def draw(page: Page, read: PageNumbers) -> list[tuple[str, np.ndarray]]:
        drawn.append((page.pixels, read.numbers[0].box))
        return []

    PagePictures(tmp_path / "out", draw, Settings(rotate=rotate)).add(read((1.0, box), file=str(tmp_path / "a.png")))
    ((pixels, turned),) = drawn
    np.testing.assert_array_equal(pixels, np.rot90(stored, -rotate // 90))
    inside = pixels[turned.y : turned.y + turned.height, turned.x : turned.x + turned.width]
    assert inside.all()
    assert inside.sum() == pixels.sum()


def test_a_file_that_is_gone_since_has_no_picture(tmp_path: Path) -> None:
    pictures = PagePictures(tmp_path / "out", lambda page, _: [("", page.pixels)], Settings())
    pictures.add(read(file=str(tmp_path / "gone.png")))
    assert list((tmp_path / "out").iterdir()) == []


def test_what_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    file = save(tmp_path / "a.png", 0)
    with pytest.raises(OutputError):
        PagePictures(tmp_path / "a.png", lambda page, _: [("", page.pixels)], Settings())
    pictures = PagePictures(tmp_path / "out", lambda page, _: [("", page.pixels)], Settings())
    (tmp_path / "out" / "a.png-p1.png").mkdir()
    with pytest.raises(OutputError, match=r"a\.png-p1"):
        pictures.add(read(file=file))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png-p1.png"]
