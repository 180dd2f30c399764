"""What a network learns from, epoch after epoch: glyphs, or films of text lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from digitscan.augment import augment, augment_films
from digitscan.errors import UsageError
from digitscan.schema import FRAME, NOTHING, STRIP_HEIGHT, UNCERTAIN, Samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]

FILM_WIDTH = 512
"""Columns of a film: lines one after the other, cut where it is full."""

_CUT_FRAMES = 6
"""At both ends of a film: a digit there may be cut in two."""

_GAPS = (12, 48)
"""Empty columns between two lines on a film, from and below."""


_CORRECTED_SHARE, _MOST_TIMES = 0.1, 20
"""Corrected glyphs are this share of a data set's digits in an epoch, if that is each at most so many times."""


class Course(Protocol):
    """What a network learns from. Inputs are uint8 (N, ...), labels uint8 (N, ...) with UNCERTAIN where none counts."""

    size: int
    """Inputs of an epoch."""
    validation: Batch
    """What picks the best epoch."""

    def batches(self, batch_size: int, generator: np.random.Generator) -> Iterator[Batch]:
        """One epoch in a random order, in batches of one size; the rest that doesn't fill one is left out."""


@dataclass(slots=True)
class GlyphCourse:
    """Each epoch all of `training` and `extra_count` glyphs of `extra`, other ones each time."""

    training: Samples
    validation: Batch
    extra: Samples | None = None
    extra_count: int = 0
    augmented: bool = False
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.training.labels) + self.extra_count

    def batches(self, batch_size: int, generator: np.random.Generator) -> Iterator[Batch]:
        """See `Course`."""
        samples = self._epoch_samples(generator)
        order = generator.permutation(self.size)[: self.size // batch_size * batch_size]
        for chosen in order.reshape(-1, batch_size):
            images, labels = samples.take(chosen)
            yield augment(images, generator) if self.augmented else images, labels

    def _epoch_samples(self, generator: np.random.Generator) -> Samples:
        if self.extra is None:
            return self.training
        drawn = self.extra.take(generator.permutation(len(self.extra.labels))[: self.extra_count])
        return Samples.joined([self.training, drawn])


def glyph_course(
    digits: Samples,
    candidates: Samples | None,
    fraction: float,
    share: float,
    seed: int,
    *,
    augmented: bool,
    corrected: Samples | None = None,
) -> GlyphCourse:
    """Digits of a data set and, with `candidates`, `share` times as many of these in each epoch.

    `corrected` glyphs are trained on as well, several times an epoch, since they are few. `fraction` of the digits, and
    as many candidates, are held out to pick the best epoch. Raises UsageError where there are too few to be held out.
    """
    training, validation = _hold_out(digits, fraction, seed)
    if corrected:
        training = Samples.joined([training, _repeated(corrected, training)])
    if candidates is None:
        return GlyphCourse(training, validation, augmented=augmented)
    extra, extra_validation = _hold_out(candidates, len(validation.labels) / len(candidates.labels), seed)
    joined = Samples.joined([validation, extra_validation])
    count = min(len(extra.labels), round(share * len(training.labels)))
    return GlyphCourse(training, joined, extra, count, augmented)


def _repeated(corrected: Samples, training: Samples) -> Samples:
    """The corrected glyphs as often as makes them count, and not so often that they are learned by heart."""
    count = len(corrected.labels)
    times = min(max(1, round(_CORRECTED_SHARE * len(training.labels) / count)), _MOST_TIMES)
    return corrected.take(np.tile(np.arange(count), times))


def _hold_out(samples: Samples, fraction: float, seed: int) -> tuple[Samples, Samples]:
    """Split at random into what is trained on and what picks the epoch."""
    order, held = _split(len(samples.labels), fraction, seed)
    return samples.take(order[held:]), samples.take(order[:held])


def _split(count: int, fraction: float, seed: int) -> tuple[NDArray[np.intp], int]:
    """A random order of `count` things, and how many of the first ones are held out."""
    held = round(count * fraction)
    if not 0 < held < count:
        raise UsageError(f"{count} training digits or lines can't be split with --validation {fraction:g}")
    return np.random.default_rng(seed).permutation(count), held


@dataclass(slots=True)
class StripCourse:
    """Films of all strips, uint8 (STRIP_HEIGHT, W), and what is in their frames, in another order each epoch."""

    strips: Sequence[NDArray[np.uint8]]
    frames: Sequence[NDArray[np.uint8]]
    validation: Batch
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = _tape_width(self.strips) // FILM_WIDTH

    def batches(self, batch_size: int, generator: np.random.Generator) -> Iterator[Batch]:
        """See `Course`."""
        films, frames = join_films(self.strips, self.frames, generator)
        order = generator.permutation(self.size)[: self.size // batch_size * batch_size]
        for chosen in order.reshape(-1, batch_size):
            yield augment_films(films[chosen], generator), frames[chosen]


def strip_course(
    strips: Sequence[NDArray[np.uint8]], frames: Sequence[NDArray[np.uint8]], fraction: float, seed: int
) -> StripCourse:
    """Strips and their frames, of which `fraction` are held out to pick the best epoch.

    Raises UsageError where there are too few of them.
    """
    order, held = _split(len(strips), fraction, seed)
    shuffled = [strips[index] for index in order], [frames[index] for index in order]
    first, rest = ([part[:held] for part in shuffled], [part[held:] for part in shuffled])
    if min(_tape_width(first[0]), _tape_width(rest[0])) < FILM_WIDTH:
        raise UsageError(f"{len(strips)} lines are too few for a film; write more with --lines")
    return StripCourse(rest[0], rest[1], join_films(first[0], first[1], np.random.default_rng(seed)))


def join_films(
    strips: Sequence[NDArray[np.uint8]], frames: Sequence[NDArray[np.uint8]], generator: np.random.Generator
) -> Batch:
    """All strips in a random order on one tape, cut into films.

    Returns films uint8 (N, STRIP_HEIGHT, FILM_WIDTH) and their frames uint8 (N, FILM_WIDTH / FRAME).
    """
    width = _tape_width(strips)
    tape = np.zeros((STRIP_HEIGHT, width), np.uint8)
    truth = np.full(width // FRAME, NOTHING, np.uint8)
    x = 0
    for index, gap in zip(generator.permutation(len(strips)), _gaps(len(strips)), strict=True):
        strip, labels = strips[index], frames[index]
        tape[:, x : x + strip.shape[1]] = strip
        truth[x // FRAME : x // FRAME + len(labels)] = labels
        x += FRAME * len(labels) + int(gap)
    count = width // FILM_WIDTH
    films = tape[:, : count * FILM_WIDTH].reshape(STRIP_HEIGHT, count, FILM_WIDTH).swapaxes(0, 1)
    labels_of = truth[: count * FILM_WIDTH // FRAME].reshape(count, -1)
    # The other half of a digit that is cut in two isn't seen: nobody could tell.
    labels_of[:, :_CUT_FRAMES] = labels_of[:, -_CUT_FRAMES:] = UNCERTAIN
    return np.ascontiguousarray(films), labels_of


def _gaps(count: int) -> NDArray[np.intp]:
    """Gaps between strips, all multiples of a frame; their sum depends on their number alone."""
    low, high = _GAPS
    return np.asarray(low + FRAME * (7 * np.arange(count) % ((high - low) // FRAME)))


def _tape_width(strips: Sequence[NDArray[np.uint8]]) -> int:
    """Columns that all strips take with the gaps between them."""
    columns = sum(-(-strip.shape[1] // FRAME) * FRAME for strip in strips)
    return int(columns + _gaps(len(strips)).sum())
