"""Fits the ink of one glyph into 28x28 pixels as the authors of MNIST did.

'The original black and white images were size normalized to fit in a 20x20 pixel box while preserving their aspect
ratio. The resulting images contain grey levels as a result of the anti-aliasing. The images were centered in a 28x28
image by computing the center of mass of the pixels, and translating the image so as to position this point at the
center of the 28x28 field.' (Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan.schema import GLYPH_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BOX_SIZE = 20


def normalize(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One glyph as MNIST would have it.

    `ink` is uint8 (H, W), 0 for paper to 255 for full ink; its margin may be of any width. Returns uint8 (28, 28) of
    the same polarity; all zeros where there is no ink.
    """
    return np.asarray(normalize_all([ink])[0])


def normalize_all(inks: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """`normalize` for many glyphs of any sizes; uint8 (N, 28, 28), also for N = 0."""
    fitted = [_fit(ink) for ink in inks]
    glyphs = np.zeros((len(inks), GLYPH_SIZE, GLYPH_SIZE), np.uint8)
    for glyph, own in zip(glyphs, fitted, strict=True):
        glyph[: own.shape[0], : own.shape[1]] = own
    offsets = _offsets(glyphs, np.array([own.shape for own in fitted]).reshape(-1, 2))
    glyphs[:] = 0
    for glyph, own, (top, left) in zip(glyphs, fitted, offsets.tolist(), strict=True):
        glyph[top : top + own.shape[0], left : left + own.shape[1]] = own
    return glyphs


def _fit(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The ink without its margin, scaled so that the longer side is 20 pixels."""
    x, y, width, height = cv2.boundingRect(ink)
    ink = ink[y : y + height, x : x + width]
    longer = max(height, width)
    if longer in (0, BOX_SIZE):
        return ink
    size = (max(1, round(width * BOX_SIZE / longer)), max(1, round(height * BOX_SIZE / longer)))
    # Area interpolation averages; to enlarge, it would only repeat pixels.
    method = cv2.INTER_AREA if longer > BOX_SIZE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(ink, size, interpolation=method), np.uint8)


def _offsets(glyphs: NDArray[np.uint8], shapes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Row and column, int (N, 2), that bring each centre of mass to the centre of the field, with no ink cut off.

    `glyphs` is uint8 (N, 28, 28), each in the upper left corner of its field; `shapes` (N, 2) their rows and columns.
    """
    along = np.arange(GLYPH_SIZE)
    masses = np.stack([glyphs.sum(axis=2) @ along, glyphs.sum(axis=1) @ along], axis=1)
    # A few faint pixels far apart may have been averaged away: then there is no mass.
    centres = masses / np.maximum(glyphs.sum(axis=(1, 2)), 1)[:, None]
    return np.asarray(np.clip(np.rint(GLYPH_SIZE / 2 - centres), 0, GLYPH_SIZE - shapes), np.intp)
