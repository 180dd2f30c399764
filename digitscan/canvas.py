"""A scan in the making: light that prints and inks take away from, and whose ink lies where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan import backgrounds
from digitscan.schema import Box
from digitscan.strokes import Patch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from digitscan.hands import Written

    Colour = NDArray[np.float32]

NOBODY = -1
"""In the owner map: ink of no character."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character: its label, where its ink lies, how much, and in which text line (from 0).

    `mask` is uint8 (box.height, box.width), 0 no ink to 255 full. Only handwritten digits have a digit as label.
    """

    label: str
    box: Box
    mask: NDArray[np.uint8]
    line: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A synthetic scan: `pixels` uint8, (H, W) grey or (H, W, 3) BGR; its characters in reading order.

    `lines` has the digits of each text line, with one space where a space or a column lies between two of them; the
    text of a line without digits is empty.
    """

    pixels: NDArray[np.uint8]
    glyphs: tuple[Glyph, ...]
    lines: tuple[str, ...]

    def owner(self, least: int = 96) -> NDArray[np.int16]:
        """Index of the glyph that each pixel belongs to, int16 (H, W); of several the one with most ink.

        NOBODY where no glyph has at least `least` (1 to 255) ink: paper, printing, blots, cut-off neighbours.
        """
        shape = self.pixels.shape[:2]
        owner, most = np.full(shape, NOBODY, dtype=np.int16), np.full(shape, least - 1, dtype=np.uint8)
        for index, glyph in enumerate(self.glyphs):
            box = glyph.box
            part = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
            more = glyph.mask > most[part]
            owner[part][more] = index
            most[part][more] = glyph.mask[more]
        return owner


_BRIGHTNESS = np.array([0.114, 0.587, 0.299], dtype=np.float32)
"""Of full blue, green and red."""

_GREY = 0.6
"""Share of the scans without colour."""


class Canvas:
    """A scan in the making: light (H, W, C) that inks and prints take away from, and the glyphs so far."""

    def __init__(self, rng: np.random.Generator, height: int, width: int, unit: float) -> None:
        self.rng, self.height, self.width, self.unit = rng, height, width, unit
        self.grey = rng.random() < _GREY
        light = backgrounds.paper(rng, height, width)
        tint = self.seen(np.float32(1) - rng.uniform(0, 0.12, 3).astype(np.float32))
        self.light = light * tint if self.grey else light[..., None] * tint
        self.glyphs: list[Glyph] = []

    def seen(self, colour: Colour) -> Colour:
        """The colour (3,) BGR as this scan records it: itself, or its brightness (1,)."""
        return (colour @ _BRIGHTNESS)[None].astype(np.float32) if self.grey else colour

    def lay(self, cover: NDArray[np.floating], colour: Colour) -> None:
        """Print or write: coverage (H, W) from 0 to 1, in a colour (3,) of light sent back."""
        lost = np.float32(1) - self.seen(colour)
        self.light *= 1 - cover * lost if self.grey else 1 - cover[..., None] * lost

    def blank(self) -> NDArray[np.uint8]:
        """An empty coverage."""
        return np.zeros((self.height, self.width), dtype=np.uint8)

    def add(self, cover: NDArray[np.uint8], written: Sequence[Written], line: int | None) -> None:
        """Put characters into a coverage; with a line number they also become glyphs. What lies outside is cut off."""
        for label, patch in written:
            part = self._inside(patch)
            if not part.alpha.any():
                continue
            rows, columns = part.alpha.shape
            window = cover[part.y : part.y + rows, part.x : part.x + columns]
            np.maximum(window, part.alpha, out=window)
            if line is not None:
                self.glyphs.append(Glyph(label, Box(part.x, part.y, columns, rows), part.alpha, line))

    def _inside(self, patch: Patch) -> Patch:
        left, top = max(patch.x, 0), max(patch.y, 0)
        rows = slice(top - patch.y, max(min(self.height - patch.y, patch.alpha.shape[0]), 0))
        columns = slice(left - patch.x, max(min(self.width - patch.x, patch.alpha.shape[1]), 0))
        return Patch(np.ascontiguousarray(patch.alpha[rows, columns]), left, top)

    def ink(self, cover: NDArray[np.uint8], colour: Colour, patchiness: float) -> None:
        """Lay handwriting, patchy as a dry pen or the paper's grain makes it."""
        alpha = cover.astype(np.float32) / 255
        if patchiness > 0.05:
            size = (max(self.height // 2, 1), max(self.width // 2, 1)) if self.unit > 40 else (self.height, self.width)
            grain = cv2.GaussianBlur(self.rng.standard_normal(size, dtype=np.float32), (0, 0), 0.8)
            grain = cv2.resize(grain, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
            alpha *= np.clip(1 - np.float32(patchiness) * (np.abs(grain) * 2), 0.1, 1)
        self.lay(alpha, colour)

    def shrunk(self, pixels: NDArray[np.uint8], zoom: int, lines: tuple[str, ...]) -> Sample:
        """The finished sample at 1 / `zoom` of the size; height and width must be multiples of `zoom`."""
        if zoom > 1:
            size = (self.width // zoom, self.height // zoom)
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        return Sample(pixels, tuple(_shrunk(glyph, zoom) for glyph in self.glyphs), lines)


def _shrunk(glyph: Glyph, zoom: int) -> Glyph:
    if zoom == 1:
        return glyph
    box = glyph.box
    left, top = box.x // zoom, box.y // zoom
    right, bottom = -(-(box.x + box.width) // zoom), -(-(box.y + box.height) // zoom)
    whole = np.zeros(((bottom - top) * zoom, (right - left) * zoom), dtype=np.uint8)
    whole[box.y - top * zoom :, box.x - left * zoom :][: box.height, : box.width] = glyph.mask
    mask = np.asarray(cv2.resize(whole, (right - left, bottom - top), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return Glyph(glyph.label, Box(left, top, right - left, bottom - top), mask, glyph.line)
