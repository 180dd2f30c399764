from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from writing import ByHeart, write_page

from digitscan.judge import Judgement, LineJudge, judge_digits
from digitscan.scan import Reader, scan
from digitscan.schema import Box, Digit, Number, PageFailure, PageNumbers, Samples, Settings
from digitscan.truth import compare_page

if TYPE_CHECKING:
    from pathlib import Path


def judged(*pages: tuple[tuple[str, ...], PageNumbers | PageFailure]) -> Judgement:
    judge = LineJudge(Settings())
    for expected, page in pages:
        judge.add(compare_page(page.file, expected, page), page)
    return judge.judgement()


def read(file: Path, *lines: tuple[str, float]) -> PageNumbers:
    """A page of blank paper on which these lines were read, 20 pixels apart."""
    cv2.imwrite(str(file), np.full((20 * len(lines) + 20, 2000), 200, np.uint8))
    numbers = [
        Number(
            line, 1, confidence, tuple(Digit(c, 0.5, Box(20 + 10 * x, 20 * line, 9, 10)) for x, c in enumerate(text))
        )
        for line, (text, confidence) in enumerate(lines, 1)
    ]
    return PageNumbers(str(file), 1, tuple(numbers))


def test_digits_are_judged() -> None:
    probabilities = np.full((4, 12), 0.01, np.float32)
    for row, (label, confidence) in enumerate([(3, 0.9), (8, 0.7), (5, 0.8), (11, 0.6)]):
        probabilities[row, label] = confidence
    images = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
    judgement = judge_digits(probabilities, Samples(images, np.array([3, 3, 8, 1], np.uint8)))
    assert judgement.total == judgement.confusion.sum() == 4
    assert judgement.right.tolist() == [True, False, False, False]
    assert judgement.confidences == pytest.approx([0.9, 0.7, 0.8, 0.6])
    assert [mistake[1:3] for mistake in judgement.worst] == [("8", "5"), ("3", "8"), ("1", "none")]
    assert [255 - int(mistake.picture[0, 0]) for mistake in judgement.worst] == [2, 1, 3]


def test_lines_are_judged(tmp_path: Path) -> None:
    page = read(tmp_path / "a.png", ("123", 0.9), ("4567", 0.8), ("89", 0.7))
    judgement = judged((("123", "4667", "8"), page), (("1", "2"), PageFailure("b.png", 1, "broken")))
    assert judgement.total == 5
    assert judgement.confidences.tolist() == [0.9, 0.8, 0.7]
    assert judgement.right.tolist() == [True, False, False]
    assert [mistake[1:] for mistake in judgement.worst] == [("4667", "4567", 0.8), ("8", "89", 0.7)]
    assert judgement.confusion.sum() == 7
    assert judgement.confusion[6, 5] == 1


def test_a_long_line_is_shown_where_it_is_wrong(tmp_path: Path) -> None:
    text = "1" * 40 + "2" + "1" * 40
    (mistake,) = judged((("1" * 81,), read(tmp_path / "a.png", (text, 0.9)))).worst
    assert mistake.right == "…11111111111…"
    assert mistake.read == "…11111211111…"
    assert mistake.picture.shape[1] < 11 * 10 + 3 * 10


def test_only_the_surest_mistakes_are_kept(tmp_path: Path) -> None:
    confidences = np.random.default_rng(0).permutation(100).reshape(10, 10) / 100
    pages = [
        ((str(at % 10),) * 10, read(tmp_path / f"{at}.png", *[("42", confidence) for confidence in part]))
        for at, part in enumerate(confidences.tolist())
    ]
    worst = judged(*pages).worst
    assert [mistake.confidence for mistake in worst] == [(99 - place) / 100 for place in range(24)]


def test_the_picture_is_that_of_the_line(tmp_path: Path) -> None:
    written = write_page(["31415", "92653"])
    cv2.imwrite(str(tmp_path / "a.png"), np.rot90(written.pixels))
    settings = Settings(rotate=90, jobs=1)
    (page,) = scan([str(tmp_path / "a.png")], Reader(ByHeart()), settings)
    judge = LineJudge(settings)
    judge.add(compare_page("a.png", ("31415", "92650"), page), page)
    (mistake,) = judge.judgement().worst
    height, width = mistake.picture.shape
    assert width > 3 * height
    second = written.pixels[written.boxes[5].y :]
    assert (mistake.picture < 128).sum() == pytest.approx((second < 128).sum(), rel=0.2)


def test_nothing_to_judge() -> None:
    judgement = judged()
    assert (judgement.total, len(judgement.confidences), judgement.worst) == (0, 0, [])
