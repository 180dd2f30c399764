"""Tells print from writing by colour, and makes a page grey in such a way that the print vanishes.

An ink takes a share of the light from each channel. The logarithm of that share is its optical density: where inks lie
on one another their densities add up, and the direction of the three densities is the ink's hue, whether it lies thick
or thin. So a weighted sum of the densities that is 0 for one ink leaves the strokes that cross it whole.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan.components import find_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

_SAME_HUE = math.cos(math.radians(12))
"""Cosine between densities up to which they are of one ink; nearer hues are too noisy to be told apart."""

_OWN_WRITING = 0.1
"""Writing in the colour of the print, as a share of the other: if there is more, none of it may be lost."""

_FAINT = (0.05, 0.2)
"""This share of the writing may become fainter than that share of its mean density: else a second pen would be lost."""

_SIDE = 5.0
"""In stroke widths: straight runs this long are sides of boxes rather than writing."""

_MARK_SIDES = (2.0, 5.0, 24.0)
"""In stroke widths: the least width, the least height and the longest side of what may be a digit."""

_DARKEST = 4
"""Of 255: below it, a channel's value is mere noise."""

_WHITE = 240
"""Of 255: paper in full light, with room for its grain."""

_DENSITY = -np.log(np.maximum(1 - np.arange(256, dtype=np.float32) / 255, 1 / 32))
"""Optical density by contrast."""


def weights_without_print(
    contrast: NDArray[np.uint8], mask: NDArray[np.bool_], rules: NDArray[np.bool_], stroke: float
) -> Floats | None:
    """How much the density of each channel must count for the print to vanish and the writing to stay, float (3,).

    `contrast` is uint8 (H, W, 3), 0 for paper to 255 for black; `mask` bool (H, W) is true on ink, `rules` on long
    straight lines of it, which tell what colour the print has; `stroke` is the pen's width in pixels.
    None where it is uncertain that all writing is of another colour, and for a page of one ink.
    """
    density = _DENSITY[contrast[mask]]
    print_hue = density[rules[mask]].mean(axis=0)
    print_hue /= np.linalg.norm(print_hue)
    printed = mask.copy()
    printed[mask] = density @ print_hue > _SAME_HUE * np.linalg.norm(density, axis=1)
    writing = _marks(mask & ~printed, stroke)
    own_writing = _marks(_without_sides(printed, stroke), stroke)
    if not writing.any() or printed.sum() < writing.sum() or own_writing.sum() > _OWN_WRITING * writing.sum():
        return None
    pens = _DENSITY[contrast[writing]]
    pen = pens.mean(axis=0)
    weights = pen - (pen @ print_hue) * print_hue
    mixed = pen @ print_hue > _SAME_HUE * np.linalg.norm(pen)  # Pens whose hues lie around that of the print.
    if mixed or np.quantile(pens @ weights, _FAINT[0]) < _FAINT[1] * (pen @ weights):
        return None
    return np.asarray(weights * pen.mean() / (pen @ weights), np.float32)


def weighted_grey(pixels: NDArray[np.uint8], weights: Floats) -> NDArray[np.uint8]:
    """The page, uint8 (H, W, 3), with the densities of its channels summed by `weights` (3,): uint8 (H, W)."""
    light = np.maximum(np.arange(256, dtype=np.float32), _DARKEST)[:, None] / 255
    blue, green, red = (
        cv2.LUT(channel, table) for channel, table in zip(cv2.split(pixels), (light**weights).T, strict=True)
    )
    grey = cv2.multiply(cv2.multiply(blue, green), red)
    return np.asarray(cv2.convertScaleAbs(grey, alpha=_WHITE / np.quantile(grey[::4, ::4], 0.99)), np.uint8)


def _without_sides(mask: NDArray[np.bool_], stroke: float) -> NDArray[np.bool_]:
    """A mask without its straight runs, even those that are too short to be taken for rules."""
    ink, side = mask.view(np.uint8), round(_SIDE * stroke)
    across = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, side), np.uint8))
    down = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((side, 1), np.uint8))
    return np.asarray(mask & (cv2.dilate(cv2.max(across, down), np.ones((3, 3), np.uint8)) == 0))


def _marks(mask: NDArray[np.bool_], stroke: float) -> NDArray[np.bool_]:
    """The connected parts of a mask that have the size of a digit."""
    parts = find_components(mask)
    width, height = parts.boxes[:, 2], parts.boxes[:, 3]
    narrow, low, long = (side * stroke for side in _MARK_SIDES)
    return parts.mask((width > narrow) & (height > low) & (np.maximum(width, height) < long))
