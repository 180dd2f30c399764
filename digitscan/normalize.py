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
    glyph = np.zeros((GLYPH_SIZE, GLYPH_SIZE), np.uint8)
    x, y, width, height = cv2.boundingRect(ink)
    if width == 0:
        return glyph
    fitted = _fit(ink[y : y + height, x : x + width])
    if not fitted.any():  # A few faint pixels far apart, averaged away.
        return glyph
    top, left = _offset(fitted)
    height, width = fitted.shape
    glyph[top : top + height, left : left + width] = fitted
    return glyph


def normalize_all(inks: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """`normalize` for many glyphs of any sizes; uint8 (N, 28, 28), also for N = 0."""
    glyphs = np.empty((len(inks), GLYPH_SIZE, GLYPH_SIZE), np.uint8)
    for glyph, ink in zip(glyphs, inks, strict=True):
        glyph[:] = normalize(ink)
    return glyphs


def _fit(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale so that the longer side is 20 pixels."""
    height, width = ink.shape
    longer = max(height, width)
    if longer == BOX_SIZE:
        return ink
    size = (max(1, round(width * BOX_SIZE / longer)), max(1, round(height * BOX_SIZE / longer)))
    # Area interpolation averages; to enlarge, it would only repeat pixels.
    method = cv2.INTER_AREA if longer > BOX_SIZE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(ink, size, interpolation=method), np.uint8)


def _offset(ink: NDArray[np.uint8]) -> tuple[int, int]:
    """Row and column that bring the centre of mass to the centre of the field, with no ink cut off."""
    moments = cv2.moments(ink)
    limits = GLYPH_SIZE - ink.shape[0], GLYPH_SIZE - ink.shape[1]
    centre = moments["m01"] / moments["m00"], moments["m10"] / moments["m00"]
    row, column = (round(GLYPH_SIZE / 2 - mass) for mass in centre)
    return min(max(row, 0), limits[0]), min(max(column, 0), limits[1])
