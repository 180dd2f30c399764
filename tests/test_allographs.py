from __future__ import annotations

import numpy as np
import pytest
from writing import zigzag_strokes

from digitscan import allographs
from digitscan.allographs import with_invented_writers
from digitscan.contents import DIGITS
from digitscan.strokes import UNITS


def test_every_pair_of_extremes_has_the_same_points() -> None:
    assert set(allographs._FORMS) == set(DIGITS)
    for forms in allographs._FORMS.values():
        for pair in forms:
            one, other = ([len(stroke.split()) for stroke in extreme.split(";")] for extreme in pair)
            assert one == other, pair


def test_invented_writers_come_beside_the_known_ones() -> None:
    known = zigzag_strokes()
    together = with_invented_writers(known, 20, seed=1)
    assert set(together.writer_names) == {*known.writer_names, *(f"invented/{number}" for number in range(20))}
    invented = together.select(np.arange(len(known), len(together)))
    assert set(invented.labels) == set(DIGITS)
    for index in range(len(invented)):
        points = np.concatenate(invented.strokes(index))
        assert np.ptp(points, axis=0).max() == pytest.approx(1, abs=2 / UNITS)
        assert points.max(axis=0)[0] <= 1 + 1 / UNITS


def test_a_writer_writes_a_digit_alike_but_never_the_same() -> None:
    together = with_invented_writers(zigzag_strokes(), 20, seed=1)
    for (writer, label), samples in together.by_writer.items():
        if together.writer_names[writer].startswith("invented"):
            shapes = [np.concatenate(together.strokes(index)) for index in samples]
            assert len({shape.shape for shape in shapes}) == 1, label
            assert 0 < np.abs(shapes[0] - shapes[1]).max() < 0.3


def test_the_same_seed_invents_the_same_writers() -> None:
    first, again, other = (with_invented_writers(zigzag_strokes(), 5, seed).points for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()
