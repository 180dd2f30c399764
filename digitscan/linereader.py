"""Strips of text lines -> what digit has its middle in each frame, with LiteRT and NumPy only.

The line reader sees a digit with its neighbours and with the line around it, where the classifier sees a candidate
alone. It never decides by itself: `segment.py` asks it what to cut apart, `decode.py` about every candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan.errors import ModelError
from digitscan.model import load_model
from digitscan.runtime import Network
from digitscan.schema import FRAME, FRAME_CLASS_COUNT, STRIP_HEIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from digitscan.model import ModelCard

_WINDOWS = (128, 384, 1024)
"""Columns that the network sees at a time: the fewest that hold what is left."""

_AROUND = 10
"""Frames on both sides that the network looks at to read one; so many at a window's sides belong to the next one."""

_GAP = 32
"""Columns of paper between two strips, as in training."""


@dataclass(slots=True, eq=False)
class LineReader:
    """A line model ready to read strips. Not for several threads at once."""

    name: str
    card: ModelCard
    _network: Network
    _paper: NDArray[np.float32] | None = None
    """What the network says of a frame with nothing around it; known after the first tape."""

    @classmethod
    def load(cls, name: str, threads: int = 1) -> LineReader:
        """Read model `name` (without suffix) and check it.

        Raises ModelError where it is missing, damaged, or not a line reader.
        """
        content, card = load_model(name, ".tflite")
        network = Network(content, threads)
        _check_shapes(name, network)
        return cls(name, card, network)

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
        """The frames of a tape of any width. Wide gaps needn't be read: paper between paper is always the same."""
        ink = tape.max(axis=0).reshape(-1, FRAME).max(axis=1, keepdims=True)
        near = cv2.dilate(ink, np.ones((2 * _AROUND + 1, 1), np.uint8))[:, 0] > 0
        paper = 2 * _AROUND + 1 if self._paper is None else 0
        read = self._read_windows(np.pad(tape[:, np.repeat(near, FRAME)], ((0, 0), (0, paper * FRAME))))
        if self._paper is None:
            self._paper = read[-1 - _AROUND]
        frames = np.tile(self._paper, (len(near), 1))
        frames[near] = read[: len(read) - paper]
        return frames

    def _read_windows(self, tape: NDArray[np.uint8]) -> NDArray[np.float32]:
        margin, end = FRAME * _AROUND, tape.shape[1]
        padded = np.pad(tape, ((0, 0), (margin, margin + _WINDOWS[-1])))
        frames, start = [np.empty((0, FRAME_CLASS_COUNT), np.float32)], 0
        while start < end:
            width = next((size for size in _WINDOWS if size - 2 * margin >= end - start), _WINDOWS[-1])
            window = padded[None, :, start : start + width].astype(np.float32)
            frames.append(self._network(window)[0, _AROUND:-_AROUND])
            start += width - 2 * margin
        return np.concatenate(frames)[: end // FRAME]


def _check_shapes(name: str, network: Network) -> None:
    problem = f"{name}.tflite is not a line reader; train it again with --arch line"
    try:
        shapes = network.shapes()
    except (ValueError, RuntimeError) as error:
        raise ModelError(problem) from error
    if shapes != ((-1, STRIP_HEIGHT, -1), (-1, -1, FRAME_CLASS_COUNT)):
        raise ModelError(problem)
