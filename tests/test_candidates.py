from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from writing import all_digits, draw_digit, on_paper, zigzag_strokes

from digitscan.candidates import label_sample, make_candidates, make_lines
from digitscan.canvas import Glyph, Sample
from digitscan.hands import Bitmaps
from digitscan.schema import NOT_A_DIGIT, NOTHING, UNCERTAIN, WRONG_CUT, Box
from digitscan.synth import Synthesizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Marks = list[tuple[str, NDArray[np.uint8]]]
    """Characters, each with its ink."""

HEIGHT, MARGIN = 32, 16


def sample(marks: Marks, gap: int = 10, extra: NDArray[np.uint8] | None = None) -> Sample:
    """A strip with these characters on one line; `extra` is ink of nobody, (64, w), put at the right."""
    width = 2 * MARGIN + sum(ink.shape[1] + gap for _, ink in marks)
    cover = np.zeros((HEIGHT + 2 * MARGIN, width), np.uint8)
    glyphs, x = [], MARGIN
    for label, ink in marks:
        y = MARGIN + HEIGHT - ink.shape[0]
        window = cover[y : y + ink.shape[0], x : x + ink.shape[1]]
        np.maximum(window, ink, out=window)
        glyphs.append(Glyph(label, Box(x, y, ink.shape[1], ink.shape[0]), ink, 0))
        x += ink.shape[1] + gap
    if extra is not None:
        cover = np.hstack([cover, extra])
    return Sample(on_paper(cover), tuple(glyphs), ("".join(label for label, _ in marks if label.isdecimal()),))


def written(text: str) -> Marks:
    return [(char, draw_digit(char, HEIGHT, hand)) for hand, char in enumerate(text)]


def letter(char: str) -> tuple[str, NDArray[np.uint8]]:
    ink = np.zeros((HEIGHT, HEIGHT), np.uint8)
    cv2.putText(ink, char, (2, HEIGHT - 3), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 255, 3, cv2.LINE_AA)
    x, y, width, height = cv2.boundingRect(ink)
    return char, ink[y : y + height, x : x + width]


def labelled(found: Sample) -> dict[tuple[int, int], int]:
    """The class of each edge; there is one line."""
    (line,) = label_sample(found)
    assert line.glyphs.shape == (len(line.lattice.edges), 28, 28)
    assert line.labels.shape == (len(line.lattice.edges),)
    return dict(zip(map(tuple, line.lattice.edges.tolist()), line.labels.tolist(), strict=True))


def read_frames(found: Sample) -> str:
    """What the frames say from left to right, without what is between."""
    (line,) = label_sample(found)
    assert len(line.frames) == -(-line.strip.shape[1] // 2)
    starts = np.diff(line.frames.astype(int), prepend=NOTHING) != 0
    return "".join(str(frame) for frame in line.frames[starts] if frame < 10)


@cache
def synthesizer(seed: int = 1) -> Synthesizer:
    """Three writers who draw zigzags, and the digits of MNIST."""
    bitmaps = Bitmaps(np.stack(all_digits()), np.repeat(np.arange(10, dtype=np.uint8), 10))
    return Synthesizer(zigzag_strokes(), [bitmaps], seed)


@pytest.mark.parametrize("text", ["3", "31", "5678", "0246813579"])
def test_separate_digits_have_their_class(text: str) -> None:
    classes = labelled(sample(written(text)))
    labels = list(classes.values())
    for char in set(text):
        assert labels.count(int(char)) >= text.count(char)
    assert {label for label in labels if label < 10} == {int(char) for char in text}


def test_two_digits_together_are_a_wrong_cut() -> None:
    classes = labelled(sample(written("17"), gap=4))
    last = max(stop for _, stop in classes)
    assert classes[0, last] == WRONG_CUT


@pytest.mark.parametrize("overlap", [4, 6])
def test_overlapping_digits_have_a_right_path(overlap: int) -> None:
    """Whose ink it is where they cross, nobody can say; each piece is still its digit."""
    (line,) = label_sample(sample(written("00"), gap=-overlap))
    assert (line.readings[line.labels < NOT_A_DIGIT] == line.labels[line.labels < NOT_A_DIGIT]).all()
    zeros = {tuple(edge) for edge in line.lattice.edges[line.readings == 0].tolist()}
    last = int(line.lattice.edges[:, 1].max())
    assert any((0, node) in zeros and (node, last) in zeros for node in range(1, last))


def test_half_a_digit_is_a_wrong_cut() -> None:
    """A zero that is broken in the middle, by no fault of the cuts."""
    zero = draw_digit("0", HEIGHT)
    middle = zero.shape[1] // 2
    broken = zero.copy()
    broken[:, middle - 2 : middle + 2] = 0
    classes = labelled(sample([("0", broken)]))
    last = max(stop for _, stop in classes)
    assert classes[0, last] == 0
    assert {classes[edge] for edge in classes if edge != (0, last)} <= {WRONG_CUT, UNCERTAIN}
    assert WRONG_CUT in classes.values()


def test_letters_points_and_dashes_are_no_digits() -> None:
    point, dash = np.full((6, 6), 255, np.uint8), np.full((5, 16), 255, np.uint8)
    for mark in ((".", point), ("-", dash), letter("K"), letter("A")):
        classes = labelled(sample([mark, *written("4")], gap=16))
        assert classes[0, 1] == NOT_A_DIGIT
        assert 4 in classes.values()


@pytest.mark.parametrize("char", ["O", "l", "S", "Z"])
def test_letters_that_look_like_digits_are_no_lessons(char: str) -> None:
    classes = labelled(sample([letter(char)]))
    assert set(classes.values()) <= {UNCERTAIN, WRONG_CUT}
    assert classes[0, max(stop for _, stop in classes)] == UNCERTAIN


def test_ink_of_nobody_is_no_digit() -> None:
    blot = np.zeros((HEIGHT + 2 * MARGIN, 60), np.uint8)
    cv2.ellipse(blot, (30, 30), (12, 15), 30, 0, 360, 255, -1)
    classes = labelled(sample(written("8"), gap=20, extra=blot))
    last = max(stop for _, stop in classes)
    assert classes[last - 1, last] == NOT_A_DIGIT
    assert 8 in classes.values()


def test_an_empty_strip_has_no_candidates() -> None:
    blank = Sample(np.full((60, 200), 235, np.uint8), (), ("",))
    assert label_sample(blank) == []


@pytest.mark.parametrize("index", range(12))
def test_synthetic_lines_have_labels_of_known_classes(index: int) -> None:
    for line in label_sample(synthesizer().line(index)):
        assert len(line.lattice.edges) == len(line.glyphs) == len(line.labels) == len(line.readings)
        assert set(line.labels.tolist()) <= {*range(12), UNCERTAIN}
        assert set(line.frames.tolist()) <= {*range(11), UNCERTAIN}
        assert line.glyphs.any(axis=(1, 2)).all()


@pytest.mark.parametrize("text", ["3", "11", "0246813579"])
def test_frames_say_where_the_middles_of_digits_are(text: str) -> None:
    assert read_frames(sample(written(text))) == text


def test_a_narrow_digit_is_asked_for_in_several_frames() -> None:
    stem = np.full((HEIGHT, 4), 255, np.uint8)
    (line,) = label_sample(sample([*written("4"), ("1", stem), *written("7")]))
    assert (line.frames == 1).sum() >= 2


def test_marks_and_letters_are_nothing_in_the_frames() -> None:
    dash = np.full((5, 16), 255, np.uint8)
    assert read_frames(sample([("-", dash), *written("4"), letter("K")])) == "4"


def test_what_looks_like_a_digit_is_uncertain_in_the_frames() -> None:
    (line,) = label_sample(sample([*written("4"), letter("O")]))
    assert line.frames[-8] == UNCERTAIN


def test_a_digit_that_left_no_ink_is_not_seen() -> None:
    found = sample(written("48"))
    paper = found.pixels.copy()
    box = found.glyphs[1].box
    paper[:, box.x :] = paper[0, 0]
    (line,) = label_sample(replace(found, pixels=paper))
    assert 4 in line.frames
    assert 8 not in line.frames


def test_lines_know_what_was_written_on_them() -> None:
    lines = make_lines(synthesizer(), lines=12)
    samples = [synthesizer().line(index) for index in range(12)]
    parts = [part for one in samples for part in label_sample(one)]
    assert [line.labels.tolist() for line in lines] == [part.labels.tolist() for part in parts]
    assert {line.text for line in lines} <= {"".join(glyph.label for glyph in one.glyphs) for one in samples}


def test_candidates_are_digits_and_some_of_all_else() -> None:
    lines = 12
    told: list[tuple[int, int]] = []
    (glyphs, labels), strips = make_candidates(synthesizer(), lines, lambda *counts: told.append(counts))
    parts = [part for index in range(lines) for part in label_sample(synthesizer().line(index))]
    known = np.concatenate([part.labels for part in parts])
    assert told[-1] == (lines, lines)
    assert (glyphs.shape, glyphs.dtype) == ((len(labels), 28, 28), np.uint8)
    assert [(labels == digit).sum() for digit in range(10)] == [(known == digit).sum() for digit in range(10)]
    assert set(labels.tolist()) <= set(range(12))
    for other in (NOT_A_DIGIT, WRONG_CUT):
        assert 0 < (labels == other).sum() <= (known == other).sum()
    assert {glyph.tobytes() for glyph in glyphs} <= {glyph.tobytes() for part in parts for glyph in part.glyphs}
    assert [frames.tolist() for frames in strips.frames] == [part.frames.tolist() for part in parts]


def test_candidates_are_the_same_every_time() -> None:
    first, second = (make_candidates(synthesizer(), 4, lambda *_: None) for _ in range(2))
    np.testing.assert_array_equal(first[0].images, second[0].images)
    np.testing.assert_array_equal(first[0].labels, second[0].labels)
