"""Hands that write: one person's characters, pen, slant, size and spacing, and the lines of text that come out.

A written line stands on the line y = 0 and begins near x = 0; it is moved to its place on the paper afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from digitscan.contents import DIGITS
from digitscan.strokes import Patch, Pen, Shape, StrokeSet, draw, render, trimmed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from digitscan.contents import Text

    Alpha = NDArray[np.uint8]


@dataclass(frozen=True)
class Bitmaps:
    """Pictures of digits: `images` uint8 (N, S, S), ink 255 on 0; `labels` (N,) whole numbers 0 to 9."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    @cached_property
    def by_label(self) -> dict[str, NDArray[np.int64]]:
        """Indices of the pictures of each digit."""
        return {digit: np.flatnonzero(self.labels == int(digit)) for digit in DIGITS}


class Written(NamedTuple):
    """One character on the paper."""

    label: str
    patch: Patch


class Measure(NamedTuple):
    """How a character sits on the line, in heights of a digit."""

    height: float
    bottom: float
    """Lower edge above the line."""
    width: float
    """Widest it gets."""


_MEASURES = {
    ".": Measure(0.1, 0.0, 0.12),
    ",": Measure(0.28, -0.17, 0.2),
    "-": Measure(0.3, 0.42, 0.45),
    "=": Measure(0.3, 0.35, 0.5),
    "+": Measure(0.5, 0.25, 0.55),
    "/": Measure(1.2, -0.12, 0.8),
    "$": Measure(1.15, -0.08, 0.8),
    "(": Measure(1.25, -0.15, 0.45),
    ")": Measure(1.25, -0.15, 0.45),
    "'": Measure(0.25, 0.8, 0.15),
    ":": Measure(0.5, 0.05, 0.15),
    "*": Measure(0.5, 0.3, 0.55),
    "j": Measure(1.1, -0.35, 0.6),
    **dict.fromkeys("acemnorsuvwxz", Measure(0.6, 0.0, 1.0)),
    **dict.fromkeys("gpqy", Measure(0.9, -0.35, 0.7)),
}
_TALL = Measure(1.0, 0.0, 1.25)
"""Digits, capitals, and lower case letters with an upper stem."""
_SIGNS = frozenset(".,-='*:")
"""Characters whose size and place the hand takes less care of."""
_RAISED_SIZE, _RAISED_BY = 0.65, 0.4
_SMALL_ZEROS = 0.35
"""Share of the writers whose zeros are small."""
_TALL_DIGITS = {1: 0.3, 7: 0.15}
"""Digits that some make tall, and the share of the writers who do."""
_INKED = 96
"""Ink from which a pixel counts where distances between characters are measured."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What stays the same while one person writes one line; lengths in heights of a digit, angles in radians."""

    height: float
    """Of a digit, in pixels."""
    pen: Pen
    shape: Shape
    gap: float
    """Mean clear distance between neighbours; negative where they overlap."""
    gap_spread: float
    nesting: float
    """0: distances are between the boxes around characters; 1: between their ink, row by row."""
    size_spread: float
    rise_spread: float
    digit_sizes: tuple[float, ...]
    """Of each digit, 0 to 9: its height, 1 for a usual one."""
    sign_size: float
    """Of points, dashes and their like: 1 as usual."""
    descent: float
    """What a digit that is taller than usual goes below the line, as a part of what it is taller by."""
    ligatures: float
    """Chance that the pen stays on the paper between two zeros; a quarter of it between other digits."""
    boldness: float
    """How far digits from bitmaps are thickened: -1 thin to 1 thick."""

    @classmethod
    def drawn(cls, rng: np.random.Generator, height: float, pen: Pen, rotation: float) -> Manner:
        """A random manner of writing digits of `height` pixels."""
        spacing = rng.random()
        gap = rng.uniform(0.15, 0.6) if spacing < 0.25 else rng.normal(0.07, 0.05)
        if spacing > 0.6:
            gap = rng.uniform(-0.2, 0.03)
        shape = Shape(
            slant=float(np.clip(rng.normal(0.1, 0.2), -0.4, 0.7)),
            rotation=rotation,
            stretch=float(np.exp(rng.normal(-0.05, 0.2))),
            wobble=rng.uniform(0, 0.04),
        )
        return cls(
            height=height,
            pen=pen,
            shape=shape,
            gap=float(gap),
            gap_spread=rng.uniform(0.01, 0.09),
            nesting=rng.uniform(0, 1),
            size_spread=rng.uniform(0.02, 0.1),
            rise_spread=rng.uniform(0.0, 0.07),
            digit_sizes=_digit_sizes(rng),
            sign_size=float(np.exp(rng.normal(0.1, 0.35))),
            descent=rng.uniform(0, 0.7),
            ligatures=rng.uniform(0.3, 1) if rng.random() < 0.25 else 0.0,
            boldness=rng.uniform(-1, 1),
        )

    def size(self, char: str) -> float:
        """How large this writer writes a character, beside its usual measure."""
        if char in DIGITS:
            return self.digit_sizes[int(char)]
        return self.sign_size if char in _SIGNS else 1.0


def _digit_sizes(rng: np.random.Generator) -> tuple[float, ...]:
    """Everyone has large and small digits; a 0 is often a small one, a 1 or a 7 a stroke through the whole line."""
    sizes = np.exp(rng.normal(0, rng.uniform(0.02, 0.12), 10))
    if rng.random() < _SMALL_ZEROS:
        sizes[0] *= rng.uniform(0.4, 0.95)
    for digit, share in _TALL_DIGITS.items():
        if rng.random() < share:
            sizes[digit] *= rng.uniform(1.1, 1.8)
    return tuple(sizes.tolist())


@dataclass
class Hand:
    """One writer with a pen; digits come from `bitmaps` where these are given, all else from `strokes`.

    Characters that the writer left no sample of are taken from a stranger, for each label always the same.
    """

    strokes: StrokeSet
    writer: int
    manner: Manner
    rng: np.random.Generator
    bitmaps: Bitmaps | None = None
    strangers: dict[str, int] = field(default_factory=dict)

    def can_write(self, char: str) -> bool:
        """Whether there is a sample of the character."""
        return char in self.strokes.by_label or (char in DIGITS and self.bitmaps is not None)

    def character(self, char: str, scale: float = 1.0) -> Patch:
        """One character at x = 0, standing on y = 0; `scale` 1 is the writer's usual size."""
        measure = _MEASURES.get(char, _TALL)
        usual = self.manner.size(char)
        size = scale * self.manner.height * usual
        size *= float(np.exp(self.rng.normal(0, self.manner.size_spread * (3 if char in _SIGNS else 1))))
        if char in DIGITS and self.bitmaps is not None:
            alpha = self._from_bitmap(self.bitmaps, char, size)
        else:
            alpha = self._from_strokes(char, size, measure)
        sunk = self.manner.descent * max(usual - 1, 0) if char in DIGITS else 0.0
        rise = scale * self.manner.height * (measure.bottom - sunk + self.rng.normal(0, self.manner.rise_spread))
        return Patch(alpha, 0, -round(rise) - alpha.shape[0])

    def _from_strokes(self, char: str, size: float, measure: Measure) -> Alpha:
        strokes = self.strokes.strokes(self._sample(char))
        everything = np.concatenate(strokes)
        width, height = np.maximum(np.ptp(everything, axis=0), 0.02).tolist()
        longer = size * min(measure.height / height, measure.width / width)
        shape = replace(self.manner.shape, wobble=self.manner.shape.wobble if longer > size / 2 else 0.0)
        return render(strokes, longer, self.manner.pen, shape, self.rng)

    def _sample(self, char: str) -> int:
        own = self.strokes.by_writer.get((self.strangers.get(char, self.writer), char))
        if own is None:
            index = int(self.rng.choice(self.strokes.by_label[char]))
            self.strangers[char] = int(self.strokes.writers[index])
            return index
        return own[int(self.rng.integers(len(own)))]

    def _from_bitmap(self, bitmaps: Bitmaps, char: str, size: float) -> Alpha:
        """Enlarge a bitmap smoothly; the level at which its grey counts as ink sets how thick it becomes."""
        pool = bitmaps.by_label[char]
        image = bitmaps.images[pool[int(self.rng.integers(len(pool)))]]
        x, y, width, height = cv2.boundingRect(image)
        scale = min(size / max(height, 1), size * _TALL.width / max(width, 1))
        shape = self.manner.shape
        cosine, sine = np.cos(shape.rotation), np.sin(shape.rotation)
        sheared = np.array([[shape.stretch, -np.tan(shape.slant)], [0.0, 1.0]])
        matrix = scale * np.array([[cosine, -sine], [sine, cosine]]) @ sheared
        reach = np.abs(matrix) @ [width / 2 + 2, height / 2 + 2]
        columns, rows = np.ceil(2 * reach).astype(int).tolist()
        shift = reach - matrix @ [x + width / 2 - 0.5, y + height / 2 - 0.5]
        soft = cv2.GaussianBlur(image, (0, 0), 0.5 if scale > 1 else 0.5 / scale)
        warped = cv2.warpAffine(soft, np.column_stack([matrix, shift]), (columns, rows), flags=cv2.INTER_CUBIC)
        level, contrast = 110 - 50 * self.manner.boldness, max(1.0, scale)
        inked = np.clip((warped.astype(np.float32) - level) * contrast + 128, 0, 255)
        inked[warped < 8] = 0
        return trimmed(Patch(inked.astype(np.uint8), 0, 0)).alpha

    def line(self, text: Text) -> list[Written]:
        """Write a text; characters without a sample (and spaces) leave a gap."""
        return _Line(self).write(text)

    def comb(self, text: Text, pitch: float) -> list[Written]:
        """Write one character into each cell of `pitch` pixels; the first cell begins at x = 0."""
        written = []
        for place, char in enumerate(text.chars):
            if not self.can_write(char):
                continue
            patch = self.character(char)
            middle = (place + 0.5 + self.rng.normal(0, 0.06)) * pitch
            drop = middle * np.tan(self.manner.shape.rotation)
            written.append(Written(char, _moved(patch, round(middle - patch.alpha.shape[1] / 2), round(drop))))
        return written


class _Line:
    """The state of a line that is being written: how far right the ink reaches in each pixel row."""

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self.unit = hand.manner.height
        self.top = int(4 * self.unit)
        self.reach = np.full(7 * int(self.unit) + 64, -np.inf)
        self.sway = hand.rng.uniform(0, 0.05) * self.unit
        self.phase, self.period = hand.rng.uniform(0, 6.3), hand.rng.uniform(2, 10) * self.unit
        self.written: list[Written] = []

    def write(self, text: Text) -> list[Written]:
        """Write the text from left to right."""
        space = 0.0
        for place, char in enumerate(text.chars):
            if not self.hand.can_write(char):
                space += self.hand.rng.uniform(0.3, 0.7) * self.unit
                continue
            raised = text.raised is not None and place >= text.raised
            self._append(char, space, raised=raised)
            space = 0.0
        return self.written

    def _append(self, char: str, space: float, *, raised: bool) -> None:
        hand, manner = self.hand, self.hand.manner
        patch = hand.character(char, _RAISED_SIZE if raised else 1.0)
        right = max((one.patch.x + one.patch.alpha.shape[1] for one in self.written[-3:]), default=0)
        drop = right * np.tan(manner.shape.rotation) + self.sway * np.sin(self.phase + 6.3 * right / self.period)
        patch = _moved(patch, 0, round(drop - (_RAISED_BY * self.unit if raised else 0)))
        gap = self.unit * hand.rng.normal(manner.gap, manner.gap_spread)
        if char in _SIGNS:
            gap = abs(gap) + self.unit * hand.rng.uniform(0, 0.12)
        placed = self._beside(patch, gap, right) if self.written else 0
        self._add(Written(char, _moved(patch, round(placed + space), 0)))

    def _beside(self, patch: Patch, gap: float, right: int) -> float:
        """Where the patch must begin for its ink to be `gap` pixels behind what is written."""
        rows, left, _ = self._sides(patch)
        by_ink = float(np.max(self.reach[rows] - left, initial=-np.inf))
        nested = min(right, max(by_ink, right - 0.6 * self.unit))
        # Boxes may not overlap by more than a stroke or two, however large the negative gap.
        return right + self.hand.manner.nesting * (nested - right) + gap

    def _sides(self, patch: Patch) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Rows of `reach` where the patch has ink, and its first and last inked column in each."""
        inked = patch.alpha >= _INKED
        rows = np.flatnonzero(inked.any(axis=1))
        left = inked[rows].argmax(axis=1)
        last = inked.shape[1] - 1 - inked[rows, ::-1].argmax(axis=1)
        return np.clip(rows + patch.y + self.top, 0, len(self.reach) - 1), left, last

    def _add(self, new: Written) -> None:
        manner, rng = self.hand.manner, self.hand.rng
        if self.written and manner.ligatures:
            before = self.written[-1]
            zeros = before.label == new.label == "0"
            both = before.label in DIGITS and new.label in DIGITS
            if both and rng.random() < manner.ligatures * (1 if zeros else 0.25):
                self.written[-1], new = _joined(before, new, manner.pen, rng)
        rows, _, last = self._sides(new.patch)
        self.reach[rows] = np.maximum(self.reach[rows], last + 1 + new.patch.x)
        self.written.append(new)


def _moved(patch: Patch, dx: int, dy: int) -> Patch:
    return Patch(patch.alpha, patch.x + dx, patch.y + dy)


def moved(written: list[Written], dx: int, dy: int) -> list[Written]:
    """The same characters elsewhere."""
    return [Written(one.label, _moved(one.patch, dx, dy)) for one in written]


def bounds(written: list[Written]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of all ink, the latter two exclusive; zeros where nothing is written."""
    if not written:
        return 0, 0, 0, 0
    patches = [one.patch for one in written]
    left, top = min(patch.x for patch in patches), min(patch.y for patch in patches)
    right = max(patch.x + patch.alpha.shape[1] for patch in patches)
    return left, top, right, max(patch.y + patch.alpha.shape[0] for patch in patches)


def _joined(before: Written, after: Written, pen: Pen, rng: np.random.Generator) -> tuple[Written, Written]:
    """Two characters with a stroke between their upper parts; each keeps the half on its side."""
    start, end = _top(before.patch, rng.uniform(0.45, 0.85)), _top(after.patch, rng.uniform(0.1, 0.5))
    sag = np.array([0.0, rng.uniform(-0.1, 0.25) * before.patch.alpha.shape[0]])
    t = np.linspace(0, 1, 8)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * ((start + end) / 2 + sag) + t**2 * end
    stroke = draw([curve.astype(np.float32)], replace(pen, width=pen.width * rng.uniform(0.6, 1)), rng)
    middle = (before.patch.x + before.patch.alpha.shape[1] + after.patch.x) // 2
    cut = int(np.clip(middle - stroke.x, 0, stroke.alpha.shape[1]))
    halves = Patch(stroke.alpha[:, :cut], stroke.x, stroke.y), Patch(stroke.alpha[:, cut:], stroke.x + cut, stroke.y)
    return Written(before.label, _united(before.patch, halves[0])), Written(
        after.label, _united(after.patch, halves[1])
    )


def _top(patch: Patch, part: float) -> NDArray[np.float64]:
    """The highest ink in the column at `part` of the patch's width."""
    column = int(part * (patch.alpha.shape[1] - 1))
    return np.array([patch.x + column + 0.5, patch.y + int((patch.alpha[:, column] >= _INKED).argmax()) + 0.5])


def _united(patch: Patch, other: Patch) -> Patch:
    if not other.alpha.size:
        return patch
    left, top, right, bottom = bounds([Written("", patch), Written("", other)])
    alpha = np.zeros((bottom - top, right - left), dtype=np.uint8)
    for part in (patch, other):
        rows, columns = part.alpha.shape
        window = alpha[part.y - top :, part.x - left :][:rows, :columns]
        np.maximum(window, part.alpha, out=window)
    return Patch(alpha, left, top)
