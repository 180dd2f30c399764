from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writing import draw_digit

from digitscan import paths
from digitscan.schema import FRAME, FRAME_CLASS_COUNT, NOTHING, Ink, Lattice, Layout, StripPredictor
from digitscan.segment import Segments, segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Shape = tuple[int, int]
    Box4 = tuple[int, int, int, int]

LAYOUTS = pytest.mark.parametrize("layout", [Layout.PAGE, Layout.LINE])
HEIGHT, GAP = 32, 8


def as_ink(level: NDArray[np.uint8]) -> Ink:
    """The ink of a clean picture whose pen is 4 pixels wide."""
    return Ink(level > 127, np.zeros(level.shape, np.bool_), level, 4.0, np.eye(2, 3))


def write(*lines: str) -> tuple[Ink, list[list[Box4]]]:
    """Digits in rows, and the boxes x, y, width, height of each row's digits."""
    level = np.zeros((20 + 60 * len(lines), 900), np.uint8)
    rows: list[list[Box4]] = []
    for number, line in enumerate(lines):
        x, y = 10, 10 + 60 * number
        rows.append([])
        for hand, char in enumerate(line):
            glyph = draw_digit(char, HEIGHT, hand)
            level[y : y + HEIGHT, x : x + glyph.shape[1]] = glyph
            rows[-1].append((x, y, glyph.shape[1], HEIGHT))
            x += glyph.shape[1] + GAP
    return as_ink(level), rows


@st.composite
def scribbles(draw: st.DrawFn) -> Ink:
    """Strokes of a pen 4 pixels wide, anywhere."""
    level = np.zeros((120, 200), np.uint8)
    place = st.tuples(st.integers(0, 199), st.integers(0, 119))
    for points in draw(st.lists(st.lists(place, min_size=1, max_size=4), min_size=1, max_size=8)):
        cv2.polylines(level, [np.array(points, np.int32)], draw(st.booleans()), 255, 4)
    return as_ink(level)


def ink_of(ink: NDArray[np.uint8], box: list[int], shape: Shape) -> NDArray[np.bool_]:
    """The pixels of the page on which a candidate has ink; the candidate has a margin of one pixel around its box."""
    own = np.zeros(shape, np.bool_)
    top, left = max(0, box[1] - 1), max(0, box[0] - 1)
    own[top : top + ink.shape[0], left : left + ink.shape[1]] = ink > 0
    return own


def by_lattice(found: Segments) -> list[tuple[Lattice, list[NDArray[np.uint8]]]]:
    inks = iter(found.inks)
    return [(lattice, [next(inks) for _ in lattice.edges]) for lattice in found.lattices]


def atoms_at(found: Segments, shape: Shape) -> NDArray[np.intp]:
    """How many atoms have ink at each pixel, (H, W)."""
    count = np.zeros(shape, np.intp)
    for lattice, inks in by_lattice(found):
        for (start, stop), box, ink in zip(lattice.edges.tolist(), lattice.boxes.tolist(), inks, strict=True):
            if stop == start + 1:
                count += ink_of(ink, box, shape)
    return count


@LAYOUTS
@given(ink=scribbles())
@settings(max_examples=50)
def test_lattices_keep_their_promises(ink: Ink, layout: Layout) -> None:
    found = segment(ink, layout)
    assert sum(len(lattice.edges) for lattice in found.lattices) == len(found.inks)
    for lattice, inks in by_lattice(found):
        edges, boxes = lattice.edges, lattice.boxes
        count = len(edges)
        assert [part.shape for part in (edges, boxes, lattice.whole, lattice.cuts)] == [
            *((count, 2), (count, 4), (count,), (count,))
        ]
        assert [part.dtype for part in (edges, boxes, lattice.whole, lattice.cuts)] == [
            *(np.int32, np.int32, np.bool_, np.float32)
        ]
        np.testing.assert_array_equal(edges, np.unique(edges, axis=0))
        spans = edges[:, 1] - edges[:, 0]
        assert spans.min() == 1
        assert spans.max() <= paths.SPAN
        assert set(edges[spans == 1, 0].tolist()) == set(range(edges[:, 1].max())), "every atom may stand alone"
        assert (lattice.cuts >= 0).all()
        assert lattice.height > 0
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 0] + boxes[:, 2] <= ink.mask.shape[1]).all()
        assert (boxes[:, 1] + boxes[:, 3] <= ink.mask.shape[0]).all()
        assert all(part.dtype == np.uint8 and part.any() for part in inks)


@LAYOUTS
@given(ink=scribbles())
@settings(max_examples=50)
def test_every_pixel_belongs_to_exactly_one_atom(ink: Ink, layout: Layout) -> None:
    times = atoms_at(segment(ink, layout), ink.mask.shape)[ink.mask]
    assert times.max(initial=1) == 1
    # On a page, specks far from all lines are left out.
    assert layout is Layout.PAGE or times.min(initial=1) == 1


@given(scribbles())
@settings(max_examples=50)
def test_an_edge_has_the_ink_of_its_atoms(ink: Ink) -> None:
    for lattice, inks in by_lattice(segment(ink, Layout.LINE)):
        own = {}
        for edge, box, part in zip(lattice.edges.tolist(), lattice.boxes.tolist(), inks, strict=True):
            own[tuple(edge)] = ink_of(part, box, ink.mask.shape) & ink.mask
        for (start, stop), pixels in own.items():
            union = np.any([own[atom, atom + 1] for atom in range(start, stop)], axis=0)
            np.testing.assert_array_equal(pixels, union)


@given(scribbles())
@settings(max_examples=50)
def test_a_box_is_the_smallest_around_the_ink(ink: Ink) -> None:
    for lattice, inks in by_lattice(segment(ink, Layout.LINE)):
        for box, part in zip(lattice.boxes.tolist(), inks, strict=True):
            pixels = ink_of(part, box, ink.mask.shape) & ink.mask
            assert list(cv2.boundingRect(pixels.view(np.uint8))) == box


@given(scribbles())
@settings(max_examples=50)
def test_whole_candidates_are_made_of_whole_components(ink: Ink) -> None:
    _, labels = cv2.connectedComponents(ink.mask.view(np.uint8), connectivity=8)
    areas = np.bincount(labels.ravel())
    for lattice, inks in by_lattice(segment(ink, Layout.LINE)):
        for box, whole, part in zip(lattice.boxes.tolist(), lattice.whole.tolist(), inks, strict=True):
            own = np.bincount(labels[ink_of(part, box, ink.mask.shape) & ink.mask], minlength=len(areas))
            assert whole == bool(((own == 0) | (own == areas)).all())


def test_separate_digits_are_candidates_line_by_line() -> None:
    ink, rows = write("31415926", "2718", "007")
    found = segment(ink, Layout.PAGE)
    assert len(found.lattices) == 3
    for lattice, row in zip(found.lattices, rows, strict=True):
        boxes = lattice.boxes[lattice.whole].tolist()
        for x, y, width, height in row:
            assert any(np.abs(np.subtract(box, (x, y, width, height))).max() <= 2 for box in boxes)


def test_atoms_run_from_left_to_right() -> None:
    ink, _ = write("0123456789")
    (lattice,) = segment(ink, Layout.LINE).lattices
    single = lattice.boxes[lattice.edges[:, 1] - lattice.edges[:, 0] == 1]
    middles = single[:, 0] + single[:, 2] / 2
    assert all(left <= right for left, right in pairwise(middles.tolist()))


def test_touching_digits_can_be_read_one_by_one() -> None:
    level = np.zeros((50, 90), np.uint8)
    three, seven = draw_digit("3", HEIGHT), draw_digit("7", HEIGHT)
    level[8 : 8 + HEIGHT, 10 : 10 + three.shape[1]] = three
    joint = 10 + three.shape[1] - 3
    window = level[8 : 8 + HEIGHT, joint : joint + seven.shape[1]]
    np.maximum(window, seven, out=window)
    assert cv2.connectedComponents((level > 127).astype(np.uint8))[0] == 2, "they do touch"
    (lattice,) = segment(as_ink(level), Layout.LINE).lattices
    pieces = lattice.boxes[~lattice.whole].tolist()
    for left, right in ((10, joint), (joint, joint + seven.shape[1])):
        assert any(abs(x - left) <= 4 and abs(x + width - right) <= 4 for x, _, width, _ in pieces)
    assert (lattice.cuts[~lattice.whole] > 0).all()
    assert (lattice.cuts[lattice.whole] == 0).all()


def sees(*middles: float) -> StripPredictor:
    """A line reader that sees digits at these parts of each strip's width."""

    def read(strips: Sequence[NDArray[np.uint8]], /) -> list[NDArray[np.float32]]:
        frames = []
        for strip in strips:
            known = np.eye(FRAME_CLASS_COUNT, dtype=np.float32)[[NOTHING] * -(-strip.shape[1] // FRAME)]
            places = [round(middle * (len(known) - 1)) for middle in middles]
            known[places] = np.eye(FRAME_CLASS_COUNT)[0]
            frames.append(known)
        return frames

    return read


def solid(width: int) -> Ink:
    """A bar of ink that no path cuts."""
    level = np.zeros((52, width + 20), np.uint8)
    level[10:42, 10 : 10 + width] = 255
    return as_ink(level)


def test_two_digits_that_the_line_reader_sees_are_cut_apart() -> None:
    assert segment(solid(50), Layout.LINE).lattices[0].edges.tolist() == [[0, 1]]
    found = segment(solid(50), Layout.LINE, sees(0.3, 0.7))
    (lattice,), (frames,) = found.lattices, found.frames or ()
    assert [0, 1] in lattice.edges.tolist()
    assert [1, 2] in lattice.edges.tolist()
    assert lattice.boxes[lattice.edges[:, 1] == 1, 2].item() == pytest.approx(25, abs=8)
    assert len(frames) == -(-found.strips[0].pixels.shape[1] // FRAME)


def test_what_is_one_digit_to_the_line_reader_is_not_cut() -> None:
    ink, _ = write("0")
    wide = as_ink(cv2.resize(ink.level, None, fx=1.6, fy=1).astype(np.uint8))
    assert len(segment(wide, Layout.LINE).lattices[0].edges) > 1
    assert segment(wide, Layout.LINE, sees(0.05)).lattices[0].edges.tolist() == [[0, 1]]


def test_no_cut_goes_through_the_middle_of_a_digit_that_the_line_reader_sees() -> None:
    ink = solid(60)
    ink.level[12:42, 27:30] = 0
    thin = as_ink(ink.level)
    assert sides_of(segment(thin, Layout.LINE).lattices[0]) == pytest.approx([28, 70], abs=2)
    assert sides_of(segment(thin, Layout.LINE, sees(0.3, 0.7)).lattices[0]) == pytest.approx([40, 70], abs=8)


def sides_of(lattice: Lattice) -> list[int]:
    """Where the atoms end on the right."""
    single = np.diff(lattice.edges, axis=1)[:, 0] == 1
    return [x + width for x, _, width, _ in lattice.boxes[single].tolist()]


def test_what_are_two_digits_to_the_line_reader_is_not_joined() -> None:
    level = np.zeros((52, 60), np.uint8)
    level[10:42, 10:20] = level[10:42, 26:36] = 255
    joined, apart = [[0, 1], [0, 2], [1, 2]], [[0, 1], [1, 2]]
    for middles, edges in (((), joined), ((0.3,), joined), ((0.3, 0.7), apart)):
        assert segment(as_ink(level), Layout.LINE, sees(*middles)).lattices[0].edges.tolist() == edges


@given(scribbles(), st.lists(st.floats(0, 1), max_size=8))
@settings(max_examples=50)
def test_whatever_the_line_reader_says_there_is_a_path(ink: Ink, middles: list[float]) -> None:
    for lattice in segment(ink, Layout.LINE, sees(*middles)).lattices:
        single = lattice.edges[np.diff(lattice.edges, axis=1)[:, 0] == 1]
        assert single[:, 0].tolist() == [*range(lattice.edges[:, 1].max())]


def test_a_broken_digit_can_be_read_as_one() -> None:
    ink, ((box,),) = write("0")
    level = ink.level.copy()
    level[:, box[0] + box[2] // 2 - 2 : box[0] + box[2] // 2 + 2] = 0
    (lattice,) = segment(as_ink(level), Layout.LINE).lattices
    assert max(lattice.edges[:, 1]) > 1
    assert any(np.abs(np.subtract(found, box)).max() <= 2 for found in lattice.boxes[lattice.whole].tolist())


def test_digits_that_stand_apart_are_not_joined() -> None:
    ink, _ = write("1" * 6)
    (lattice,) = segment(ink, Layout.LINE).lattices
    widest = lattice.boxes[:, 2].max()
    assert widest <= 1.7 * HEIGHT


def test_a_single_digit_is_one_candidate_whatever_it_is_made_of() -> None:
    ink, ((left, right),) = write("58")
    (lattice,) = (found := segment(ink, Layout.DIGIT)).lattices
    assert lattice.edges.tolist() == [[0, 1]]
    assert lattice.whole.tolist() == [True]
    assert len(found.inks) == 1
    x, y, width, height = lattice.boxes[0].tolist()
    assert (x, y, height) == pytest.approx((left[0], left[1], HEIGHT), abs=1)
    assert x + width == pytest.approx(right[0] + right[2], abs=1)


@pytest.mark.parametrize("layout", Layout)
def test_no_ink_gives_no_lattice(layout: Layout) -> None:
    found = segment(as_ink(np.zeros((40, 60), np.uint8)), layout)
    assert found == Segments((), (), (), None)


@pytest.mark.parametrize("layout", Layout)
def test_the_map_to_the_page_is_handed_on(layout: Layout) -> None:
    ink, _ = write("42")
    turned = Ink(ink.mask, ink.rules, ink.level, ink.stroke, np.array([[2.0, 0.1, 3.0], [-0.1, 2.0, 4.0]]))
    for lattice in segment(turned, layout).lattices:
        np.testing.assert_array_equal(lattice.to_page, turned.to_page)


def test_the_soft_edge_goes_with_the_digit_but_not_the_neighbours_ink() -> None:
    level = np.zeros((50, 60), np.uint8)
    level[10:42, 10:20], level[10:42, 22:32] = 200, 250
    level[10:42, 20], level[10:42, 21] = 50, 60
    found = segment(as_ink(level), Layout.LINE)
    for (start, stop), ink in zip(found.lattices[0].edges.tolist(), found.inks, strict=True):
        if stop == start + 1:
            assert len({200, 250} & set(np.unique(ink).tolist())) == 1
            assert {50, 60} & set(np.unique(ink).tolist())
