"""Glyphs -> class probabilities, with LiteRT and NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitscan.errors import ModelError
from digitscan.model import load_model
from digitscan.runtime import Network
from digitscan.schema import CLASS_COUNT, GLYPH_SIZE, NOT_A_DIGIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from digitscan.model import ModelCard

BATCH_SIZES = (1, 16, 64)
"""LiteRT plans its memory for one batch size, so there are a few, each planned once. Larger ones don't stay in
the processor's cache and are slower a glyph."""


@dataclass(slots=True, eq=False)
class Classifier:
    """A model ready to read glyphs. Not for several threads at once."""

    name: str
    card: ModelCard
    _network: Network

    @classmethod
    def load(cls, name: str | None = None, threads: int = 1) -> Classifier:
        """Read model `name` (without suffix; None: the model that comes with the package) and check it.

        Raises ModelError where it is missing, damaged, or not a digitscan model.
        """
        found = name or str(_packaged_model())
        content, card = load_model(found, ".tflite")
        classifier = cls(found, card, Network(content, threads))
        classifier._check_shapes(card.classes)
        return classifier

    def __call__(self, glyphs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (N, 12) of the classes in `schema.py`; each row sums to 1.

        `glyphs` is uint8 (N, 28, 28), ink bright on black as `normalize.py` makes them; N may be 0.
        A model that knows only the ten digits gives 0 for the others.
        """
        probabilities = np.zeros((len(glyphs), CLASS_COUNT), np.float32)
        start = 0
        while start < len(glyphs):
            batch = glyphs[start : start + BATCH_SIZES[-1]]
            output = self._run(batch)
            probabilities[start : start + len(batch), : output.shape[1]] = output
            start += len(batch)
        return probabilities

    def _run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        size = next(size for size in BATCH_SIZES if size >= len(batch))
        padded = np.zeros((size, GLYPH_SIZE, GLYPH_SIZE), np.float32)
        padded[: len(batch)] = batch
        return self._network(padded)[: len(batch)]

    def _check_shapes(self, classes: int) -> None:
        try:
            taken, given = self._network.shapes()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self.name}.tflite is no network; train it again") from error
        if taken != (-1, GLYPH_SIZE, GLYPH_SIZE):
            raise ModelError(f"{self.name}.tflite does not take {GLYPH_SIZE}x{GLYPH_SIZE} glyphs; train it again")
        if given != (-1, classes) or classes not in (NOT_A_DIGIT, CLASS_COUNT):
            raise ModelError(f"{self.name}.tflite does not give {NOT_A_DIGIT} or {CLASS_COUNT} classes; train it again")


def _packaged_model() -> Path:
    """The default model: inside an installed package, or in a source checkout beside it."""
    package = Path(__file__).parent
    folders = (package / "models", package.parent / "models")
    found = next((folder for folder in folders if (folder / "digits.tflite").is_file()), folders[0])
    return found / "digits"
