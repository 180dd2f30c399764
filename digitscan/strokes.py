"""Pen strokes of handwritten characters: read, split by writer, weeded, and drawn as a pen draws.

The files have the layout that `tools/import_unipen.py` writes. Strokes in memory are float32 (n, 2), x to the right and
y **down**, in units of the character's longer side.
"""

from __future__ import annotations

import itertools
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from digitscan.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Points = NDArray[np.float32]

UNITS = 1000.0
"""Longer side of a character in the units of the file."""

_TO_UNIT = np.array([1 / UNITS, -1 / UNITS], dtype=np.float32)
"""From the file's units with y up to units of the longer side with y down."""

_LAYOUT = {
    "points": ("i", 2),
    "stroke_offsets": ("i", 1),
    "sample_offsets": ("i", 1),
    "labels": ("U", 1),
    "writers": ("i", 1),
    "writer_names": ("U", 1),
}
"""Kind of number and number of axes of each array in a file."""

_BARE_LINE = 0.12
"""Roundness up to which a character is a mere line."""

_FINEST_STROKE = 10.0
"""Pixels that a stroke should be wide while it is drawn; thinner ones are drawn larger and reduced."""


@dataclass(frozen=True)
class StrokeSet:
    """Characters written with a pen; selections share the points of the whole.

    `points` int16 (P, 2) with y up, `stroke_offsets` int32 (S + 1,) into the points, `sample_offsets` int32 (M + 1,)
    into the strokes; `chosen` int64 (N,) says which characters belong to this set, with `labels` str (N,) and `writers`
    int32 (N,), an index into `writer_names` (W,).
    """

    points: NDArray[np.int16]
    stroke_offsets: NDArray[np.int32]
    sample_offsets: NDArray[np.int32]
    chosen: NDArray[np.int64]
    labels: NDArray[np.str_]
    writers: NDArray[np.int32]
    writer_names: NDArray[np.str_]

    @classmethod
    def load(cls, path: Path) -> StrokeSet:
        """Read a stroke file; raises UsageError where it is missing, damaged or of another layout."""
        arrays = _read_arrays(path)
        _check_arrays(path, arrays)
        return cls(
            points=arrays["points"].astype(np.int16),
            stroke_offsets=arrays["stroke_offsets"].astype(np.int32),
            sample_offsets=arrays["sample_offsets"].astype(np.int32),
            chosen=np.arange(len(arrays["labels"])),
            labels=arrays["labels"],
            writers=arrays["writers"].astype(np.int32),
            writer_names=arrays["writer_names"],
        )

    @classmethod
    def merged(cls, parts: Sequence[StrokeSet]) -> StrokeSet:
        """One set of all the parts' characters; writers of the same name are one writer."""
        names, mapped = np.unique(np.concatenate([part.writer_names for part in parts]), return_inverse=True)
        point_starts = _starts(len(part.points) for part in parts)
        stroke_starts = _starts(len(part.stroke_offsets) - 1 for part in parts)
        sample_starts = _starts(len(part.sample_offsets) - 1 for part in parts)
        writer_starts = _starts(len(part.writer_names) for part in parts)
        strokes = [part.stroke_offsets[:-1] + start for part, start in zip(parts, point_starts, strict=False)]
        samples = [part.sample_offsets[:-1] + start for part, start in zip(parts, stroke_starts, strict=False)]
        return cls(
            points=np.concatenate([part.points for part in parts]),
            stroke_offsets=np.concatenate([*strokes, [point_starts[-1]]]).astype(np.int32),
            sample_offsets=np.concatenate([*samples, [stroke_starts[-1]]]).astype(np.int32),
            chosen=np.concatenate([part.chosen + start for part, start in zip(parts, sample_starts, strict=False)]),
            labels=np.concatenate([part.labels for part in parts]),
            writers=np.concatenate(
                [mapped[part.writers + start] for part, start in zip(parts, writer_starts, strict=False)]
            ).astype(np.int32),
            writer_names=names,
        )

    def __len__(self) -> int:
        return len(self.chosen)

    def strokes(self, index: int) -> list[Points]:
        """The strokes of character `index` in the order in which they were written."""
        sample = self.chosen[index]
        first, last = self.sample_offsets[sample], self.sample_offsets[sample + 1]
        edges = self.stroke_offsets[first : last + 1].tolist()
        flipped = self.points[edges[0] : edges[-1]] * _TO_UNIT
        return [flipped[start - edges[0] : end - edges[0]] for start, end in itertools.pairwise(edges)]

    def select(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> StrokeSet:
        """The characters that `keep` names, by a mask (N,) or by their indices."""
        return replace(self, chosen=self.chosen[keep], labels=self.labels[keep], writers=self.writers[keep])

    def split_by_writer(self, fraction: float, seed: int) -> tuple[StrokeSet, StrokeSet]:
        """Two sets that share no writer; the first has about `fraction` (0 to 1) of the writers of each contributor.

        A contributor is the first folder in a writer's name. Drawing within each keeps both halves equally mixed.
        """
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self.writer_names))
        contributors = np.array([str(name).split("/")[0] for name in self.writer_names])[order]
        first = np.zeros(len(order), dtype=np.bool_)
        for contributor in np.unique(contributors):
            members = order[contributors == contributor]
            first[members[: int(fraction * len(members) + rng.random())]] = True
        inside = first[self.writers]
        return self.select(inside), self.select(~inside)

    @cached_property
    def by_label(self) -> dict[str, NDArray[np.int64]]:
        """Indices of the characters of each label."""
        return {str(label): np.flatnonzero(self.labels == label) for label in np.unique(self.labels)}

    @cached_property
    def by_writer(self) -> dict[tuple[int, str], list[int]]:
        """Indices of the characters of each writer and label."""
        groups: dict[tuple[int, str], list[int]] = {}
        for index, key in enumerate(zip(self.writers.tolist(), self.labels.tolist(), strict=True)):
            groups.setdefault(key, []).append(index)
        return groups

    def weeded(self, neighbours: int = 16, agreeing: int = 2) -> StrokeSet:
        """Without wrong labels and halves of characters; made for the digits, where labels rule each other out.

        Drops a character when fewer than `agreeing` of its nearest `neighbours` have its label: the editing rule of
        D. L. Wilson, "Asymptotic properties of nearest neighbor rules using edited data" (1972), with 'the majority'
        weakened to a few, so that a rare style stays. Drops single points, and bare lines that are no 1.
        """
        codes = np.unique(self.labels, return_inverse=True)[1]
        strokes = [self.strokes(index) for index in range(len(self))]
        pictures = np.stack([_thumbnail(parts) for parts in strokes])
        roundness = np.array([_roundness(parts) for parts in strokes])
        keep = (self.labels == "1") | (roundness > _BARE_LINE)
        neighbours = min(neighbours, len(self) - 1)
        for start in range(0, len(self), 512):
            rows = slice(start, start + 512)
            similarity = pictures[rows] @ pictures.T
            similarity[np.arange(len(similarity)), np.arange(len(self))[rows]] = -1
            nearest = np.argpartition(-similarity, neighbours - 1, axis=1)[:, :neighbours]
            keep[rows] &= (codes[nearest] == codes[rows, None]).sum(axis=1) >= agreeing
        return self.select(keep & pictures.any(axis=1))


def _starts(lengths: Iterable[int]) -> list[int]:
    return list(itertools.accumulate(lengths, initial=0))


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in _LAYOUT}
    except FileNotFoundError:
        raise UsageError(f"{path}: no such stroke file") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"{path}: not a stroke file ({reason})") from None


def _check_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    for name, (kind, axes) in _LAYOUT.items():
        if arrays[name].dtype.kind != kind or arrays[name].ndim != axes:
            raise UsageError(f"{path}: not a stroke file (array {name!r} has another type or shape)")
    points, strokes, samples = arrays["points"], arrays["stroke_offsets"], arrays["sample_offsets"]
    labels, writers, names = arrays["labels"], arrays["writers"], arrays["writer_names"]
    sound = (
        points.shape[1] == 2
        and _rise(strokes, len(points))
        and _rise(samples, len(strokes) - 1)
        and len(labels) == len(writers) == len(samples) - 1 > 0
        and bool(((writers >= 0) & (writers < len(names))).all())
    )
    if not sound:
        raise UsageError(f"{path}: not a stroke file (its offsets, labels and writers do not fit together)")


def _rise(offsets: NDArray[Any], end: int) -> bool:
    """Whether the offsets grow from 0 to `end`, each part at least one long."""
    numbers = offsets.astype(np.int64)
    return len(numbers) > 1 and numbers[0] == 0 and numbers[-1] == end and bool((np.diff(numbers) > 0).all())


def _thumbnail(strokes: Sequence[Points], side: int = 16, margin: float = 3.0) -> Points:
    """A blurred picture (side * side,) float32 of unit length; all zero where the strokes have no extent."""
    everything = np.concatenate(strokes)
    low, high = everything.min(axis=0), everything.max(axis=0)
    extent = float((high - low).max())
    picture = np.zeros((side, side), dtype=np.uint8)
    if extent > 0:
        scale = (side - 1 - 2 * margin) / extent
        offset = (side - 1) / 2 - (low + high) / 2 * scale
        lines = [np.rint((stroke * scale + offset) * 16).astype(np.int32).reshape(-1, 1, 2) for stroke in strokes]
        cv2.polylines(picture, lines, isClosed=False, color=255, thickness=1, lineType=cv2.LINE_AA, shift=4)
    blurred = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.0).ravel()
    return np.asarray(blurred / max(float(np.linalg.norm(blurred)), 1e-6), dtype=np.float32)


def _roundness(strokes: Sequence[Points]) -> float:
    """Spread across the main direction over the spread along it: 0 for a straight line, 1 for a circle."""
    spread = np.cov(_resampled(np.concatenate(strokes), 0.02).T.astype(np.float64))
    smaller, larger = np.sqrt(np.maximum(np.linalg.eigvalsh(spread), 0))
    return float(smaller / larger) if larger > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Pen:
    """How a pen draws: `width` of the line in pixels (> 0); the rest from 0 (not at all) to 1."""

    width: float
    swell: float = 0.2
    """How far slow, curved parts of a stroke are wider than fast, straight ones."""
    drift: float = 0.1
    """How far the pressure wanders along a stroke."""
    taper: float = 0.0
    """How far the ends of a stroke thin out."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a character is bent on its way to the paper; angles in radians, clockwise and to the right are positive."""

    slant: float = 0.0
    rotation: float = 0.0
    stretch: float = 1.0
    """Width over the natural width."""
    wobble: float = 0.0
    """Reach of the smooth random bending, in parts of the character's longer side."""


class Patch(NamedTuple):
    """Ink on a larger picture: `alpha` uint8 (h, w), 0 none to 255 full, its upper left pixel at `x`, `y`."""

    alpha: NDArray[np.uint8]
    x: int
    y: int


def render(
    strokes: Sequence[Points], size: float, pen: Pen, shape: Shape, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw a character whose longer side is `size` pixels; returns its ink uint8 (h, w), 0 to 255, cut out tightly."""
    return draw([stroke * np.float32(size) for stroke in bend(strokes, shape, rng)], pen, rng).alpha


def bend(strokes: Sequence[Points], shape: Shape, rng: np.random.Generator) -> list[Points]:
    """Smooth the strokes (unit size, y down) and apply `shape`; the result has the same units."""
    cosine, sine = np.cos(shape.rotation), np.sin(shape.rotation)
    sheared = np.array([[shape.stretch, -np.tan(shape.slant)], [0.0, 1.0]])
    matrix = (np.array([[cosine, -sine], [sine, cosine]]) @ sheared).T.astype(np.float32)
    waves = rng.normal(0, 4.0, (2, 2)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, 2).astype(np.float32)
    bent = []
    for stroke in strokes:
        smooth = _chaikin(_chaikin(stroke))
        smooth = smooth + np.float32(shape.wobble) * np.sin(smooth @ waves + phases)
        bent.append(smooth @ matrix)
    return bent


def _chaikin(points: Points) -> Points:
    """Cut the corners once and keep both ends (G. Chaikin, "An algorithm for high speed curve generation", 1974)."""
    if len(points) < 3:
        return points
    ahead, behind = points[:-1], points[1:]
    cut = np.empty((2 * len(points), 2), dtype=np.float32)
    cut[0], cut[-1] = points[0], points[-1]
    cut[1:-1:2] = ahead + np.float32(0.25) * (behind - ahead)
    cut[2:-1:2] = ahead + np.float32(0.75) * (behind - ahead)
    return cut


def draw(paths: Sequence[Points], pen: Pen, rng: np.random.Generator) -> Patch:
    """Draw pen paths, float32 (n, 2) in pixels with y down, with round ends; the patch fits the ink tightly."""
    zoom = int(np.clip(np.ceil(_FINEST_STROKE / pen.width), 2, 12))
    margin = pen.width * (1 + pen.swell + 2 * pen.drift) / 2 + 1
    everything = np.concatenate(paths)
    left, top = np.floor(everything.min(axis=0) - margin).astype(int).tolist()
    right, bottom = np.ceil(everything.max(axis=0) + margin).astype(int).tolist()
    canvas = np.zeros(((bottom - top) * zoom, (right - left) * zoom), dtype=np.uint8)
    origin = np.array([left, top], dtype=np.float32)
    for path in paths:
        points = _resampled(path - origin, max(0.4 * pen.width, 1.0))
        _draw_path(canvas, points * np.float32(zoom), _widths(points, pen, rng) * zoom)
    alpha = cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    return trimmed(Patch(np.asarray(alpha, dtype=np.uint8), left, top))


def trimmed(patch: Patch) -> Patch:
    """The patch without its empty border; one empty pixel where there is no ink at all."""
    x, y, width, height = cv2.boundingRect(patch.alpha)
    width, height = max(width, 1), max(height, 1)
    return Patch(np.ascontiguousarray(patch.alpha[y : y + height, x : x + width]), patch.x + x, patch.y + y)


def _resampled(path: Points, step: float) -> Points:
    """Points at equal distances of about `step` along the path, both ends kept."""
    lengths = np.hypot(*np.diff(path, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    places = np.linspace(0.0, along[-1], int(along[-1] / step) + 2)
    columns = [np.interp(places, along, path[:, axis]) for axis in (0, 1)]
    return np.stack(columns, axis=1).astype(np.float32)


def _widths(points: Points, pen: Pen, rng: np.random.Generator) -> Points:
    """Width at each point: wide where the pen is slow or pressed, thin at tapered ends.

    A pen slows down in curves: speed falls with the third root of curvature (F. Lacquaniti, C. Terzuolo, P. Viviani,
    "The law relating the kinematic and figural aspects of drawing movements", 1983).
    """
    count = len(points)
    turns = np.zeros(count)
    if count > 2:
        bends = np.diff(points, n=2, axis=0)
        turns[1:-1] = np.cbrt(np.minimum(np.hypot(bends[:, 0], bends[:, 1]) / pen.width, 1.0)) - 0.5
    knots = rng.normal(0, pen.drift, 2 + count // 12)
    drift = np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)
    ends = np.minimum(np.arange(count), np.arange(count)[::-1])
    taper = 1 - pen.taper * np.exp(-ends / 3.0)
    return np.asarray(pen.width * (1 + pen.swell * turns + np.clip(drift, -0.5, 1)) * taper, dtype=np.float32)


def _draw_path(canvas: NDArray[np.uint8], points: Points, widths: Points) -> None:
    """Draw in runs of equal whole width, so that most strokes take a handful of calls."""
    fixed = np.rint(points * 8 - 4).astype(np.int32).reshape(-1, 1, 2)
    # OpenCV draws a line of the even thickness t as t + 1 pixels, and of the odd one as t + 2.
    steps = np.maximum(2 * np.rint((widths[:-1] + widths[1:] - 2) / 4).astype(int), 1)
    edges = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(steps)]
    for start, end in itertools.pairwise(edges):
        cv2.polylines(canvas, [fixed[start : end + 1]], False, 255, int(steps[start]), cv2.LINE_8, 3)
