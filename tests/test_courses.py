from __future__ import annotations

import numpy as np
import pytest

from digitscan.augment import augment_films
from digitscan.courses import FILM_WIDTH, glyph_course, join_films, strip_course
from digitscan.errors import UsageError
from digitscan.schema import FRAME, NOTHING, STRIP_HEIGHT, UNCERTAIN, Samples


def glyphs(count: int, first: int = 0) -> Samples:
    """Glyphs that are told apart by their brightness, with the same number as a label."""
    numbers = (first + np.arange(count)).astype(np.uint8)
    return Samples(np.broadcast_to(numbers[:, None, None], (count, 28, 28)), numbers)


def strips(count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Strips of several widths, odd ones among them, whose ink says what is in the frame."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 10, int(rng.integers(20, 90))).astype(np.uint8) for _ in range(count)]
    pixels = [np.tile(np.repeat(labels + 1, FRAME), (STRIP_HEIGHT, 1)) for labels in frames]
    return [part[:, : part.shape[1] - place % 2] for place, part in enumerate(pixels)], frames


def test_an_epoch_has_all_digits_and_some_of_the_rest() -> None:
    course = glyph_course(glyphs(100), glyphs(80, first=100), 0.2, 0.5, 1, augmented=False)
    assert course.size == 80 + 40
    epochs = [
        np.concatenate([labels for _, labels in course.batches(10, np.random.default_rng(seed))]) for seed in (1, 2)
    ]
    digits = [np.sort(epoch[epoch < 100]) for epoch in epochs]
    np.testing.assert_array_equal(digits[0], digits[1])
    assert {len(digits[0]), len(np.unique(digits[0]))} == {80}
    assert len(np.setxor1d(*(epoch[epoch >= 100] for epoch in epochs)))


def test_what_is_held_out_is_never_trained_on() -> None:
    course = glyph_course(glyphs(100), glyphs(80, first=100), 0.2, 10.0, 1, augmented=False)
    _, held = course.validation
    assert (np.sum(held < 100), np.sum(held >= 100)) == (20, 20)
    trained = np.concatenate([labels for _, labels in course.batches(1, np.random.default_rng(0))])
    assert not np.intersect1d(held, trained).size
    assert len(trained) == 80 + 60


def test_films_say_in_each_frame_what_is_on_it() -> None:
    films, labels = join_films(*strips(100), np.random.default_rng(0))
    assert films.shape[1:] == (STRIP_HEIGHT, FILM_WIDTH)
    assert labels.shape == (len(films), FILM_WIDTH // FRAME)
    seen = films[:, 0, ::FRAME]
    certain = labels != UNCERTAIN
    np.testing.assert_array_equal(np.where(labels == NOTHING, 0, labels + 1)[certain], seen[certain])
    assert certain.mean() > 0.9


def test_each_epoch_joins_the_strips_in_another_order() -> None:
    course = strip_course(*strips(200), 0.2, 1)
    first, second = (list(course.batches(4, np.random.default_rng(seed))) for seed in (1, 2))
    assert len(first) == len(second) == course.size // 4
    assert any((one[1] != other[1]).any() for one, other in zip(first, second, strict=True))


def test_too_few_to_hold_any_out() -> None:
    with pytest.raises(UsageError, match="--validation"):
        glyph_course(glyphs(3), None, 0.1, 1.0, 1, augmented=False)
    with pytest.raises(UsageError, match="--lines"):
        strip_course(*strips(6), 0.2, 1)


@pytest.mark.parametrize(("width", "share"), [(12, 1.0), (2, 0.95)], ids=["digits", "thin strokes, nearly all"])
def test_digits_on_augmented_films_stay_where_they_are(width: int, share: float) -> None:
    films = np.zeros((20, STRIP_HEIGHT, FILM_WIDTH), np.uint8)
    middles = range(40, FILM_WIDTH, 80)
    for middle in middles:
        films[:, 10:30, middle + 1 - width // 2 : middle + 1 + width // 2] = 255
    augmented = augment_films(films, np.random.default_rng(0))
    np.testing.assert_array_equal(augmented, augment_films(films, np.random.default_rng(0)))
    assert (augmented != films).any(axis=(1, 2)).all()
    around = np.stack([augmented[:, 10:30, middle - 15 : middle + 17] for middle in middles])
    # Of each row, since dirt lies in some of them.
    centres = (around * np.arange(-15, 17.0)).sum(axis=3) / np.maximum(around.sum(axis=3, dtype=float), 1)
    assert np.quantile(np.abs(np.median(centres, axis=2) - 0.5), share) < 2
