from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writing import zigzag_strokes

from digitscan import contents
from digitscan.canvas import NOBODY, Sample
from digitscan.hands import Bitmaps, Hand, Manner, bounds
from digitscan.strokes import Patch, Pen
from digitscan.synth import Synthesizer

INDICES = st.integers(0, 10**6)


@cache
def bitmaps() -> Bitmaps:
    images = np.zeros((20, 28, 28), dtype=np.uint8)
    for index, image in enumerate(images):
        cv2.ellipse(image, (14, 14), (3 + index % 7, 9), index, 0, 300, 255, 2, cv2.LINE_AA)
    return Bitmaps(images, np.arange(20, dtype=np.uint8) % 10)


@cache
def synthesizer(seed: int = 1) -> Synthesizer:
    return Synthesizer(zigzag_strokes(), [bitmaps()], seed)


def check(sample: Sample) -> None:
    height, width = sample.pixels.shape[:2]
    assert sample.pixels.dtype == np.uint8
    assert sample.pixels.shape[2:] in {(), (3,)}
    for glyph in sample.glyphs:
        box = glyph.box
        assert box.x >= 0 <= box.y
        assert box.x + box.width <= width
        assert box.y + box.height <= height
        assert glyph.mask.shape == (box.height, box.width)
        assert glyph.mask.dtype == np.uint8
        assert glyph.mask.any()
        assert 0 <= glyph.line < len(sample.lines)
    for number, line in enumerate(sample.lines):
        labels = [glyph.label for glyph in sample.glyphs if glyph.line == number]
        assert "".join(label for label in labels if label in contents.DIGITS) == line.replace(" ", "")


@settings(max_examples=80, deadline=None)
@given(index=INDICES)
def test_lines_are_consistent(index: int) -> None:
    sample = synthesizer().line(index)
    check(sample)
    assert len(sample.lines) == 1


@settings(max_examples=8, deadline=None)
@given(index=INDICES)
def test_pages_are_consistent(index: int) -> None:
    check(synthesizer().page(index))


@settings(max_examples=20, deadline=None)
@given(index=INDICES)
def test_the_owner_map_agrees_with_the_masks(index: int) -> None:
    sample = synthesizer().line(index)
    owner = sample.owner(least=128)
    inked = np.zeros(owner.shape, dtype=bool)
    for number, glyph in enumerate(sample.glyphs):
        part = np.s_[glyph.box.y : glyph.box.y + glyph.box.height, glyph.box.x : glyph.box.x + glyph.box.width]
        inked[part] |= glyph.mask >= 128
        assert (glyph.mask[owner[part] == number] >= 128).all()
    assert np.array_equal(owner != NOBODY, inked)


@pytest.mark.parametrize("kind", ["line", "page"])
def test_samples_depend_on_seed_and_index_alone(kind: str) -> None:
    first, other = synthesizer(1), Synthesizer(zigzag_strokes(), [bitmaps()], 2)
    late, again = getattr(first, kind)(7), getattr(Synthesizer(zigzag_strokes(), [bitmaps()], 1), kind)(7)
    assert np.array_equal(late.pixels, again.pixels)
    assert late.lines == again.lines
    assert [glyph.box for glyph in late.glyphs] == [glyph.box for glyph in again.glyphs]
    assert not np.array_equal(late.pixels, getattr(other, kind)(7).pixels)
    assert not np.array_equal(late.pixels, getattr(first, kind)(8).pixels)


def test_ink_stands_out_from_the_paper_around_it() -> None:
    """Where a mask says ink the picture differs from the bare paper: masks and pixels lie on top of each other."""
    contrasts = []
    for index in range(40):
        sample = synthesizer().line(index)
        grey = sample.pixels if sample.pixels.ndim == 2 else cv2.cvtColor(sample.pixels, cv2.COLOR_BGR2GRAY)
        owned = sample.owner() != NOBODY
        if owned.any() and not owned.all():
            contrasts.append(abs(float(grey[owned].mean()) - float(grey[~owned].mean())))
    assert np.median(contrasts) > 40
    assert np.quantile(contrasts, 0.1) > 8


def test_lines_vary() -> None:
    samples = [synthesizer().line(index) for index in range(150)]
    assert any(not sample.lines[0] for sample in samples)
    assert any(sample.pixels.ndim == 3 for sample in samples)
    assert any(sample.pixels.ndim == 2 for sample in samples)
    lengths = {len(sample.lines[0].replace(" ", "")) for sample in samples}
    assert lengths >= set(range(1, 8))
    heights = [glyph.box.height for sample in samples for glyph in sample.glyphs if glyph.label in contents.DIGITS]
    assert min(heights) < 18
    assert max(heights) > 90


def test_without_bitmaps_and_signs_digits_are_still_written() -> None:
    digits = zigzag_strokes().select(np.isin(zigzag_strokes().labels, list(contents.DIGITS)))
    alone = Synthesizer(digits)
    for index in range(30):
        check(alone.line(index))


@settings(max_examples=200, deadline=None)
@given(seed=INDICES)
def test_texts_have_digits_or_not_as_promised(seed: int) -> None:
    rng = np.random.default_rng(seed)
    text = contents.numbers(rng)
    assert text.truth
    assert set(text.truth) <= set(contents.DIGITS + " ")
    assert text.truth == text.truth.strip()
    assert not contents.words(rng).truth


def test_counted_numbers_begin_with_small_digits() -> None:
    rng = np.random.default_rng(0)
    firsts = [contents.number(rng, 4, counted=True)[0] for _ in range(2000)]
    assert [firsts.count(digit) / 2000 for digit in "0129"] == pytest.approx([0, 0.301, 0.176, 0.046], abs=0.04)


def test_nothing_written_has_no_extent() -> None:
    assert bounds([]) == (0, 0, 0, 0)


def test_a_writer_has_tall_digits_that_reach_below_the_line() -> None:
    def written(size: float) -> Patch:
        rng = np.random.default_rng(1)
        manner = replace(Manner.drawn(rng, 40, Pen(3, 0, 0, 0), 0), size_spread=0, rise_spread=0, descent=0.5)
        return Hand(zigzag_strokes(), 0, replace(manner, digit_sizes=(size,) * 10), rng).character("1")

    usual, tall = written(1.0), written(1.6)
    assert tall.alpha.shape[0] == pytest.approx(1.6 * usual.alpha.shape[0], rel=0.1)
    assert usual.y + usual.alpha.shape[0] == 0
    assert tall.y + tall.alpha.shape[0] == pytest.approx(0.3 * 40, abs=1)
