from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitscan.decode import DIGIT_FEATURES, MARK_FEATURES, PAIR_FEATURES, PLAIN_WEIGHTS, decode, features
from digitscan.schema import CLASS_COUNT, FRAME_CLASS_COUNT, NOT_A_DIGIT, NOTHING, WRONG_CUT, Box, Lattice, PathWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from digitscan.schema import Number

    Beliefs = NDArray[np.float32]

HEIGHT, WIDTH, GAP = 30, 20, 6
STRIP_SCALE = 20 / HEIGHT
MARK, LETTER = "-", "k"
"""In the texts below: a dash, and a sign as tall as a digit."""

SKIPPING = PLAIN_WEIGHTS._replace(mark=tuple(0.0 if weight < -5 else weight for weight in PLAIN_WEIGHTS.mark))
"""Weights with which a mark may be tall."""

TEXTS = st.text("0123456789", min_size=1, max_size=12)


def spread(text: str) -> list[int]:
    """Where each sign of a line begins; a blank is a wide gap."""
    places, x = [], 0
    for char in text:
        places.append(x)
        x += (WIDTH + GAP) if char != " " else 4 * HEIGHT
    return [place for place, char in zip(places, text, strict=True) if char != " "]


def line(text: str, sure: float = 0.99) -> tuple[Lattice, Beliefs]:
    """A line of separate glyphs, and what a classifier says that is this sure of each; pairs are wrong cuts."""
    xs, signs = spread(text), text.replace(" ", "")
    edges = [
        (start, stop)
        for start in range(len(xs))
        for stop in (start + 1, start + 2)
        if stop <= len(xs) and xs[stop - 1] - xs[start] <= WIDTH + GAP
    ]
    boxes = []
    for start, stop in edges:
        top, height = (22, 5) if signs[start:stop] == MARK else (10, HEIGHT)
        boxes.append((xs[start], top, xs[stop - 1] + WIDTH - xs[start], height))
    beliefs = np.full((len(edges), CLASS_COUNT), (1 - sure) / (CLASS_COUNT - 1), np.float32)
    for index, (start, stop) in enumerate(edges):
        sign = signs[start]
        label = WRONG_CUT if stop > start + 1 else NOT_A_DIGIT if sign in MARK + LETTER else int(sign)
        beliefs[index, label] = sure
    count = len(edges)
    lattice = Lattice(
        np.array(edges, np.int32),
        np.array(boxes, np.int32),
        np.ones(count, np.bool_),
        np.zeros(count, np.float32),
        np.array([(x + width / 2) * STRIP_SCALE for x, _, width, _ in boxes], np.float32),
        np.array([width / 2 * STRIP_SCALE for _, _, width, _ in boxes], np.float32),
        float(HEIGHT),
        np.eye(2, 3),
        np.empty(0, np.float32),
    )
    return lattice, beliefs


def read(lines: Sequence[tuple[Lattice, Beliefs]], weights: PathWeights = PLAIN_WEIGHTS) -> list[list[str]]:
    found = decode([lattice for lattice, _ in lines], np.concatenate([beliefs for _, beliefs in lines]), None, weights)
    return [[number.text for number in numbers] for numbers in found]


@given(TEXTS)
def test_digits_are_read_and_leading_zeros_stay(text: str) -> None:
    assert read([line(text)]) == [[text]]


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_wide_gap_parts_two_numbers(numbers: list[str]) -> None:
    assert read([line(" ".join(numbers))]) == [numbers]


def test_a_gap_beside_a_1_in_a_comb_parts_no_number() -> None:
    lattice, beliefs = line("88811888")
    pitch, widths = 42, np.array([26, 26, 26, 4, 4, 26, 26, 26])
    single = (np.diff(lattice.edges, axis=1) == 1).ravel()
    boxes = lattice.boxes[single]
    boxes[:, 0], boxes[:, 2] = pitch * np.arange(8) + (21 - widths // 2) + (0, 0, 0, -5, 5, 0, 0, 0), widths
    names = ("edges", "boxes", "whole", "cuts", "columns", "reach")
    apart = {name: getattr(lattice, name)[single] for name in names} | {"boxes": boxes}
    assert read([(lattice._replace(**apart), beliefs[single])]) == [["88811888"]]


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_lines_come_as_they_are_given_whatever_else_is_in_the_batch(texts: list[str]) -> None:
    assert read([line(text) for text in texts]) == [[text] for text in texts]


def test_marks_are_skipped() -> None:
    assert read([line("1-25-0"), line("7")]) == [["1250"], ["7"]]


def test_lines_and_numbers_are_counted_from_1_and_lines_without_digits_do_not_count() -> None:
    lines = [line("1 2"), line("--"), line("3")]
    found = decode(
        [lattice for lattice, _ in lines], np.concatenate([beliefs for _, beliefs in lines]), None, PLAIN_WEIGHTS
    )
    places = [[(number.line, number.number, number.text) for number in numbers] for numbers in found]
    assert places == [[(1, 1, "1"), (1, 2, "2")], [], [(2, 1, "3")]]


def test_no_lines() -> None:
    assert decode([], np.empty((0, CLASS_COUNT), np.float32), None, PLAIN_WEIGHTS) == []


def test_broken_digits_are_joined_where_the_classifier_says_so() -> None:
    lattice, beliefs = line("11")
    whole = lattice.edges.tolist().index([0, 2])
    beliefs[:] = 0.001
    beliefs[:, WRONG_CUT] = 0.99
    beliefs[whole, WRONG_CUT], beliefs[whole, 0] = 0.001, 0.99
    narrow = lattice._replace(boxes=lattice.boxes // np.array([2, 1, 2, 1], np.int32))
    assert read([(narrow, beliefs)]) == [["0"]]


@given(TEXTS, st.floats(0.1, 1.0))
def test_confidences_are_probabilities(text: str, sure: float) -> None:
    lattice, beliefs = line(text, sure)
    for number in decode([lattice], beliefs, None, PLAIN_WEIGHTS)[0]:
        assert 0 <= number.confidence <= 1
        assert all(0 <= digit.confidence <= 1 for digit in number.digits)
        assert number.confidence <= min(digit.confidence for digit in number.digits) + 1e-9


@pytest.mark.parametrize("text", ["7", "31415"])
def test_the_surer_the_classifier_the_higher_the_confidence(text: str) -> None:
    confidences = []
    for sure in (0.5, 0.7, 0.9, 0.99, 1.0):
        lattice, beliefs = line(text, sure)
        ((number,),) = decode([lattice], beliefs, None, PLAIN_WEIGHTS)
        confidences.append(number.confidence)
    assert confidences == sorted(confidences)
    assert confidences[-1] > 0.9


def test_two_digits_alike_are_a_toss() -> None:
    lattice, beliefs = line("1")
    beliefs[:] = 0
    beliefs[0, [1, 7]] = 0.5
    ((number,),) = decode([lattice], beliefs, None, PLAIN_WEIGHTS)
    assert number.text in {"1", "7"}
    assert number.confidence == pytest.approx(0.5, abs=0.02)


def among(text: str, letters: float) -> Number:
    """The only number of a line."""
    lattice, beliefs = line(text, 0.9)
    ((number,),) = decode([lattice], beliefs, None, SKIPPING._replace(letters=letters))
    return number


def test_digits_among_letters_are_doubted_but_the_same() -> None:
    alone, few, many = (among(text, -6.0) for text in ("10", "k10", "kk10k"))
    assert [number.text for number in (alone, few, many)] == ["10"] * 3
    assert alone.confidence > few.confidence > many.confidence
    assert few.confidence < among("k10", 0.0).confidence == pytest.approx(alone.confidence, abs=0.05)


def test_letters_of_another_number_and_small_marks_are_no_reason_for_doubt() -> None:
    assert among("--10-", -6.0).confidence == pytest.approx(among("--10-", 0.0).confidence)
    assert among("10 kk", -6.0).confidence == pytest.approx(among("10 kk", 0.0).confidence)


def test_one_digit_in_doubt_leaves_the_others_confident() -> None:
    lattice, beliefs = line("123")
    second = lattice.edges.tolist().index([1, 2])
    beliefs[second] = 0
    beliefs[second, [2, 3]] = 0.55, 0.45
    ((number,),) = decode([lattice], beliefs, None, PLAIN_WEIGHTS)
    first, middle, last = (digit.confidence for digit in number.digits)
    assert number.text == "123"
    assert middle < 0.6 < min(first, last)


def test_sharpness_moves_confidences_but_not_digits() -> None:
    lattice, beliefs = line("314", 0.6)
    confidences = []
    for sharpness in (0.5, 1.0, 2.0):
        ((number,),) = decode([lattice], beliefs, None, PLAIN_WEIGHTS._replace(sharpness=sharpness))
        assert number.text == "314"
        confidences.append(number.confidence)
    assert confidences == sorted(confidences)
    assert confidences[0] < confidences[-1]


def test_cut_pieces_are_less_likely_than_whole_components() -> None:
    """What the classifier can't decide, the geometry does."""
    lattice, beliefs = line("11")
    beliefs[:] = 0.0
    beliefs[:, 1] = 0.5
    edges = lattice.edges.tolist()
    pair = edges.index([0, 2])
    beliefs[pair] = 0.0
    beliefs[pair, 0] = 0.5
    boxes = lattice.boxes // np.array([2, 1, 2, 1], np.int32)
    cut = np.array([0.0 if index == pair else 2.0 for index in range(len(edges))], np.float32)
    pieces = lattice._replace(boxes=boxes, whole=cut == 0, cuts=cut)
    assert read([(pieces, beliefs)]) == [["0"]]


def test_boxes_are_those_on_the_page() -> None:
    lattice, beliefs = line("42")
    scaled = lattice._replace(to_page=np.array([[2.0, 0.0, 5.0], [0.0, 2.0, 7.0]]))
    ((number,),) = decode([scaled], beliefs, None, PLAIN_WEIGHTS)
    assert [digit.box for digit in number.digits] == [
        Box(5, 27, 2 * WIDTH, 2 * HEIGHT),
        Box(5 + 2 * (WIDTH + GAP), 27, 2 * WIDTH, 2 * HEIGHT),
    ]
    assert number.box == Box(5, 27, 2 * (2 * WIDTH + GAP), 2 * HEIGHT)


@given(st.floats(-10, 10))
def test_boxes_of_a_turned_page_hold_the_whole_digit(degrees: float) -> None:
    lattice, beliefs = line("8")
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle), 50], [np.sin(angle), np.cos(angle), 50]])
    ((number,),) = decode([lattice._replace(to_page=turn)], beliefs, None, PLAIN_WEIGHTS)
    box = number.box
    x, y, width, height = lattice.boxes[0].tolist()
    corners = np.array([(x, y, 1), (x + width, y, 1), (x, y + height, 1), (x + width, y + height, 1)]) @ turn.T
    assert box.x <= corners[:, 0].min() + 1e-6
    assert box.x + box.width >= corners[:, 0].max() - 1e-6
    assert box.y <= corners[:, 1].min() + 1e-6
    assert box.y + box.height >= corners[:, 1].max() - 1e-6


def test_boxes_stay_on_the_page() -> None:
    lattice, beliefs = line("1")
    outside = lattice._replace(to_page=np.array([[1.0, 0.0, -5.0], [0.0, 1.0, -15.0]]))
    ((number,),) = decode([outside], beliefs, None, PLAIN_WEIGHTS)
    assert (number.box.x, number.box.y) == (0, 0)
    assert (number.box.width, number.box.height) == (WIDTH - 5, HEIGHT - 5)


def test_every_feature_has_a_weight() -> None:
    assert len(PLAIN_WEIGHTS.digit) == len(DIGIT_FEATURES)
    assert len(PLAIN_WEIGHTS.mark) == len(MARK_FEATURES)


def test_a_classifier_of_ten_digits_is_enough() -> None:
    """One that knows neither marks nor wrong cuts: the geometry keeps pairs apart."""
    lattice, beliefs = line("2718")
    beliefs[:, NOT_A_DIGIT:] = 0
    pairs = lattice.edges[:, 1] - lattice.edges[:, 0] == 2
    beliefs[pairs, :10] = 0.1
    assert read([(lattice, beliefs)]) == [["2718"]]


def seen(text: str, sure: float = 0.98) -> NDArray[np.float32]:
    """The frames of a line reader that is this sure of each sign."""
    xs, signs = spread(text), text.replace(" ", "")
    frames = np.full((round((xs[-1] + WIDTH) * STRIP_SCALE / 2) + 1, FRAME_CLASS_COUNT), 0.002, np.float32)
    frames[:, NOTHING] = 0.98
    for x, sign in zip(xs, signs, strict=True):
        if sign != MARK:
            place = int((x + WIDTH / 2) * STRIP_SCALE / 2)
            frames[place - 1 : place + 2] = (1 - sure) / (FRAME_CLASS_COUNT - 1)
            frames[place - 1 : place + 2, int(sign)] = sure
    return frames


def test_a_line_reader_decides_where_the_classifier_is_unsure() -> None:
    lattice, beliefs = line("170")
    beliefs[0, [1, 7]] = 0.48, 0.5
    assert read([(lattice, beliefs)]) == [["770"]]
    ((number,),) = decode([lattice], beliefs, [seen("170")], PLAIN_WEIGHTS)
    assert number.text == "170"


def test_agreement_makes_sure_and_doubt_unsure() -> None:
    lattice, beliefs = line("42", sure=0.7)
    agreed, doubted = (
        decode([lattice], beliefs, [frames], PLAIN_WEIGHTS)[0][0].confidence for frames in (seen("42"), seen("43", 0.6))
    )
    assert agreed > 0.9
    assert doubted < 0.7


@given(TEXTS)
def test_what_both_networks_see_is_read(text: str) -> None:
    lattice, beliefs = line(text)
    ((number,),) = decode([lattice], beliefs, [seen(text)], PLAIN_WEIGHTS)
    assert number.text == text


def test_every_digit_that_the_line_reader_sees_is_accounted_for_once() -> None:
    """An edge over two digits as one of them leaves out the other, as a mark both, whatever the frames' number."""
    lattice, beliefs = line("47")
    known = features([lattice], beliefs, [seen("47")])
    edges = lattice.edges.tolist()
    both, one = edges.index([0, 2]), edges.index([0, 1])
    beside = known.digit[:, DIGIT_FEATURES.index("line_beside") - 2]
    assert beside[one] == 0
    assert beside[both] < -5
    assert known.line[both, NOTHING] == pytest.approx(2 * known.line[one, NOTHING], rel=0.01)


def test_a_small_mark_may_lie_under_a_digit_that_is_seen() -> None:
    lattice, beliefs = line("4-7")
    known = features([lattice], beliefs, [seen("437")])
    dash = lattice.edges.tolist().index([1, 2])
    assert known.line[dash, NOTHING] == 0


def test_neighbours_that_are_seen_as_two_digits_need_no_paper_between_them() -> None:
    frames = seen("47")
    between = PAIR_FEATURES.index("line_between")
    lattice, beliefs = line("47")
    apart = features([lattice], beliefs, [frames]).pair[:, between]
    middle = round(lattice.columns.mean() / 2)
    frames[middle - 6 : middle, :] = frames[np.argmax(frames[:, 4])]
    frames[middle : middle + 6, :] = frames[np.argmax(frames[:, 7])]
    assert features([lattice], beliefs, [frames]).pair[:, between] == pytest.approx(apart, abs=0.01)
    frames[:, [4, 7]] = frames[:, [4, 7]].max(axis=1, keepdims=True) * [1, 0]
    assert (features([lattice], beliefs, [frames]).pair[:, between] < -3).all()
