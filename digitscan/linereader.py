"""Strips of text lines -> what digit has its middle in each frame, with LiteRT and NumPy only.

The line reader sees a digit with its neighbours and with the line around it, where the classifier sees a candidate
alone. It never decides by itself: `segment.py` asks it what to cut apart, `decode.py` about every candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from digitscan.errors import ModelError
from digitscan.model import load_model
from digitscan.runtime import Network
from digitscan.schema import FRAME, FRAME_CLASS_COUNT, STRIP_HEIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from digitscan.model import ModelCard

_WINDOWS = (384, 1024)
"""Columns that the network sees at a time: the first if that is all there is."""

_OVERLAP = 64
"""Columns on both sides of a window that are seen again in the next one: more than the network looks around."""

_GAP = 32
"""Columns of paper between two strips, as in training."""


@dataclass(slots=True, eq=False)
class LineReader:
    """A line model ready to read strips. Not for several threads at once."""

    name: str
    card: ModelCard
    _network: Network

    @classmethod
    def load(cls, name: str, threads: int = 1) -> LineReader:
        """Read model `name` (without suffix) and check it.

        Raises ModelError where it is missing, damaged, or not a line reader.
        """
        content, card = load_model(name, ".tflite")
        reader = cls(name, card, Network(content, threads))
        reader._check()
        return reader

    def __call__(self, strips: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """For each strip, uint8 (STRIP_HEIGHT, W), probabilities float32 (ceil(W / FRAME), FRAME_CLASS_COUNT).

        Class d is 'here is the middle of a digit d', NOTHING 'of no digit'; each row sums to 1.
        """
        counts = [-(-strip.shape[1] // FRAME) for strip in strips]
        starts = [*accumulate((count + _GAP // FRAME for count in counts), initial=0)]
        tape = np.zeros((STRIP_HEIGHT, starts[-1] * FRAME), np.uint8)
        for strip, start in zip(strips, starts, strict=False):
            tape[:, start * FRAME : start * FRAME + strip.shape[1]] = strip
        frames = self._read(tape)
        return [frames[start : start + count] for start, count in zip(starts, counts, strict=False)]

    def _read(self, tape: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The frames of a tape of any width, window by window."""
        width = next((size for size in _WINDOWS if size - 2 * _OVERLAP >= tape.shape[1]), _WINDOWS[-1])
        step = width - 2 * _OVERLAP
        count = -(-tape.shape[1] // step)
        padded = np.zeros((STRIP_HEIGHT, count * step + 2 * _OVERLAP), np.float32)
        padded[:, _OVERLAP : _OVERLAP + tape.shape[1]] = tape
        inner = slice(_OVERLAP // FRAME, (_OVERLAP + step) // FRAME)
        windows = (padded[None, :, start : start + width] for start in range(0, count * step, step))
        return np.concatenate([self._network(window)[0, inner] for window in windows])

    def _check(self) -> None:
        problem = f"{self.name}.tflite is not a line reader; train it again with --arch line"
        try:
            shape = self._network(np.zeros((1, STRIP_HEIGHT, _WINDOWS[0]), np.float32)).shape
        except (ValueError, RuntimeError) as error:
            raise ModelError(problem) from error
        if shape != (1, _WINDOWS[0] // FRAME, FRAME_CLASS_COUNT):
            raise ModelError(problem)
