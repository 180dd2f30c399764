"""Pages for tests, written with MNIST's test digits from `sample_images/single/`, and a classifier that knows these."""

from __future__ import annotations

import string
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

import cv2
import numpy as np

from digitscan.model import ModelCard, model_file
from digitscan.schema import CLASS_COUNT, WRONG_CUT, Box
from digitscan.strokes import StrokeSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAMPLES = Path(__file__).parents[1] / "sample_images"

PROGRAM = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from writing import ByHeart
from digitscan import cli
from digitscan.classifier import Classifier
Classifier.load = classmethod(lambda cls, name=None, threads=1: ByHeart())
cli.main()
"""
"""`python -c` of it is `python -m digitscan` with a classifier that needs no model."""

PAPER, PEN = 235, 30
"""Grey values of a page."""


@cache
def digits() -> dict[str, tuple[NDArray[np.uint8], ...]]:
    """Ten pictures of each digit, uint8 (28, 28), ink bright on black, as MNIST has them."""
    paths = {str(label): sorted((SAMPLES / "single" / str(label)).glob("*.png")) for label in range(10)}
    return {label: tuple(_read(path) for path in files) for label, files in paths.items()}


def all_digits() -> list[NDArray[np.uint8]]:
    """The 100 pictures, all zeros first."""
    return [picture for pictures in digits().values() for picture in pictures]


def _read(path: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8)


class Written(NamedTuple):
    """A page, uint8 (H, W), dark on light, and where its digits are, in reading order."""

    pixels: NDArray[np.uint8]
    boxes: tuple[Box, ...]


def draw_digit(label: str, height: int, hand: int = 0) -> NDArray[np.uint8]:
    """The ink of a digit `height` pixels high, uint8 (height, w), bright on black; `hand` is one of ten."""
    picture = digits()[label][hand % 10]
    x, y, width, rows = cv2.boundingRect(picture)
    size = max(1, round(width * height / rows)), height
    return np.asarray(cv2.resize(picture[y : y + rows, x : x + width], size, interpolation=cv2.INTER_CUBIC), np.uint8)


def write_page(
    lines: Sequence[str], height: int = 40, *, margin: int = 40, paper: int = PAPER, pen: int = PEN, hand: int = 0
) -> Written:
    """Write digits of this height in rows; a blank parts two numbers."""
    ink = np.zeros((margin + len(lines) * 2 * height + margin, 2 * margin + height), np.uint8)
    boxes = []
    for row, line in enumerate(lines):
        x, y = margin, margin + row * 2 * height
        for place, char in enumerate(line):
            if char == " ":
                x += 3 * height
                continue
            glyph = draw_digit(char, height, hand + row + place)
            ink = np.pad(ink, ((0, 0), (0, max(0, x + glyph.shape[1] + margin - ink.shape[1]))))
            ink[y : y + height, x : x + glyph.shape[1]] = glyph
            boxes.append(Box(x, y, glyph.shape[1], height))
            x += glyph.shape[1] + height // 4
    return Written(on_paper(ink, paper, pen), tuple(boxes))


def on_paper(ink: NDArray[np.uint8], paper: int = PAPER, pen: int = PEN) -> NDArray[np.uint8]:
    """Ink, uint8 (H, W), bright on black, as a page: uint8 (H, W)."""
    return np.rint(paper + ink / 255 * (pen - paper)).astype(np.uint8)


def noisy(pixels: NDArray[np.uint8], sigma: float, seed: int = 0) -> NDArray[np.uint8]:
    """With the noise of a scanner, its standard deviation in grey values."""
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


class ByHeart:
    """Stands in for a model: it knows the hundred digits by heart and takes all else for wrong cuts."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        """How many glyphs each call was about."""
        self.name = "by heart"
        self.card = SimpleNamespace(path_weights=None, line_reader="", tflite_sha256="")
        self._known = _unit(np.stack(all_digits()))

    def __call__(self, glyphs: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Probabilities float32 (N, 12) by likeness to the nearest known picture of each digit."""
        self.batches.append(len(glyphs))
        likeness = (_unit(glyphs) @ self._known.T).reshape(-1, 10, 10).max(axis=2)
        best = likeness.max(axis=1, initial=0)
        certainty = np.clip((best - 0.8) / 0.1, 0.02, 0.98)
        probabilities = np.zeros((len(glyphs), CLASS_COUNT), np.float32)
        probabilities[np.arange(len(glyphs)), likeness.argmax(axis=1)] = certainty
        probabilities[:, WRONG_CUT] = 1 - certainty
        return probabilities


def _unit(glyphs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pictures as vectors of length 1 whose products say how alike they are; blurred, since a pixel may be off."""
    blurred = [cv2.GaussianBlur(glyph.astype(np.float64), (0, 0), 1.5).ravel() for glyph in glyphs]
    flat = np.array(blurred).reshape(-1, 28 * 28)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1))


def write_card(name: Path, **changed: Any) -> None:
    """A model card with made-up values and these ones."""
    values: dict[str, Any] = {
        name: {int: 1, float: 1.0, str: "x", bool: True}.get(kind, {})
        for name, kind in get_type_hints(ModelCard).items()
    }
    card = ModelCard(**(values | {"per_digit": ()} | changed))
    model_file(name, ".json").write_text(card.to_json(), encoding="utf-8")


@cache
def zigzag_strokes() -> StrokeSet:
    """Three writers who draw every character as a zigzag of its own."""
    labels = [*string.ascii_letters, *string.digits, *".,-/+=$()*%#:'!?"] * 3
    rng = np.random.default_rng(0)
    points = [np.concatenate([[(0, 1000), (700, 0)], rng.integers(0, 1000, (4, 2))]) for _ in labels]
    count = len(labels)
    return StrokeSet(
        points=np.concatenate(points).astype(np.int16),
        stroke_offsets=np.arange(0, 6 * count + 1, 6, dtype=np.int32),
        sample_offsets=np.arange(count + 1, dtype=np.int32),
        chosen=np.arange(count),
        labels=np.array(labels),
        writers=np.repeat(np.arange(3), count // 3).astype(np.int32),
        writer_names=np.array(["a/1", "a/2", "b/1"]),
    )
