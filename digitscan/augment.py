"""Makes other glyphs of a glyph, and other lines of a line, as another hand might have written it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan.schema import GLYPH_SIZE, STRIP_HEIGHT

if TYPE_CHECKING:
    from numpy.typing import NDArray

WARP_BATCH = 1000
"""cv2.remap takes pictures of at most 32,767 rows: so many glyphs of 30 rows fit."""

_HAND_WIDTH = 80
"""Columns of a film over which one manner of writing turns into another."""

_BEND, _BEND_REACH = 1.0, 8
"""How far strokes of a film are bent, in pixels, and over how many pixels one bend turns into another: shorter than a
digit, so that digits change their form and hardly their place.
"""

_WORN, _SOILED, _BLURRED = 0.5, 0.5, 0.4
"""Shares of the films."""

_FRACTION = 4
"""Bits behind the binary point of coordinates."""


def augment(images: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Each glyph as another hand might have written it: other stroke width, slant, size, place, and a little bent.

    `images` and the result are uint8 (N, 28, 28), ink bright on black.
    """
    batches = [images[start : start + WARP_BATCH] for start in range(0, len(images), WARP_BATCH)]
    return np.concatenate([_warp(_stack(batch, generator), *_sources(len(batch), generator)) for batch in batches])


def _sources(count: int, generator: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel comes from: x and y, float32 (N, 28, 28), by an affine map and an elastic one."""
    angle, shear = generator.normal(0, (0.12, 0.15), (count, 2)).T
    scale_x, scale_y = np.exp(generator.normal(0, 0.08, (2, count)))
    shift = generator.normal(0, 0.8, (2, count))
    cosine, sine = np.cos(angle), np.sin(angle)
    # Rotation x shear x scale, written out.
    matrix = (
        (cosine * scale_x, (cosine * shear - sine) * scale_y),
        (sine * scale_x, (sine * shear + cosine) * scale_y),
    )
    centre = (GLYPH_SIZE - 1) / 2
    along = np.arange(GLYPH_SIZE) - centre
    bend = _bend(count, generator)
    x, y = (
        (a[:, None, None] * along + b[:, None, None] * along[:, None] + (centre + by)[:, None, None]).astype(np.float32)
        for (a, b), by in zip(matrix, shift, strict=True)
    )
    return x + bend[0], y + bend[1]


def _bend(count: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Smooth random displacements in pixels, float32 (2, N, 28, 28), after Simard et al. 2003 (Best Practices for
    Convolutional Neural Networks): here coarse noise, 7x7 a glyph, spread by Gaussians.
    """
    knots = np.linspace(0, GLYPH_SIZE - 1, 7)
    weights = np.exp(-0.5 * ((np.arange(GLYPH_SIZE)[:, None] - knots) / 4) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    spread = weights.astype(np.float32)
    noise = generator.normal(0, 0.6, (2, count, len(knots), len(knots))).astype(np.float32)
    return np.asarray(spread @ noise @ spread.T, np.float32)


def _stack(images: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """The glyphs, with a black border of 1 pixel and strokes made thicker or thinner, under each other: (30 N, 30)."""
    stack = np.pad(images, ((0, 0), (1, 1), (1, 1))).reshape(-1, GLYPH_SIZE + 2)
    amount = np.repeat(generator.uniform(-0.5, 0.6, len(images)), GLYPH_SIZE + 2).astype(np.float32)[:, None]
    return _thickened(stack, amount)


def _thickened(picture: NDArray[np.uint8], amount: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Strokes made thicker (`amount` up to 1) or thinner (down to -1)."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    ink = picture.astype(np.float32)
    thicker, thinner = cv2.dilate(ink, cross) - ink, ink - cv2.erode(ink, cross)
    return np.asarray(ink + np.maximum(amount, 0) * thicker + np.minimum(amount, 0) * thinner, np.uint8)


def _warp(stack: NDArray[np.uint8], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.uint8]:
    """All glyphs of a stack through one call of cv2.remap: a call for each would cost more than the training step."""
    x = np.clip(x, -1, GLYPH_SIZE) + 1
    y = np.clip(y, -1, GLYPH_SIZE) + 1
    y += (np.arange(len(y), dtype=np.float32) * (GLYPH_SIZE + 2))[:, None, None]
    flat = (-1, GLYPH_SIZE)
    warped = cv2.remap(stack, x.reshape(flat), y.reshape(flat), cv2.INTER_LINEAR)
    return np.asarray(warped, np.uint8).reshape(-1, GLYPH_SIZE, GLYPH_SIZE)


def augment_films(films: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Each film as another hand might have written it, and as another scan might have left it.

    Stroke widths, slants, sizes and heights are others and change slowly along it, and all is a little bent; then ink
    is worn, faded, soiled and blurred. Without the latter, a line reader goes on learning what synthetic scans look
    like when it has long learned to read them.

    `films` and the result are uint8 (N, STRIP_HEIGHT, W), ink bright on black. Digits keep their middles' columns.
    """
    return np.stack([_rescanned(_rewritten(film, generator), generator) for film in films])


def _rewritten(film: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    width = film.shape[1]
    slant, size, shift, amount = (
        _wandering(generator, width, spread) for spread in ((0.0, 0.2), (0.0, 0.13), (0.0, 1.8), (0.05, 0.4))
    )
    rows = np.arange(STRIP_HEIGHT, dtype=np.float32)[:, None] - (STRIP_HEIGHT - 1) / 2
    y = rows * np.exp(size) + shift
    x = np.arange(width, dtype=np.float32) + slant * y
    y += (STRIP_HEIGHT - 1) / 2
    # Elastic, after Simard et al. as in `_bend`.
    bend_x, bend_y = (_BEND * _smooth_noise(generator, film.shape, _BEND_REACH) for _ in "xy")
    thickened = _thickened(film, np.clip(amount, -0.7, 1.0))
    return np.asarray(cv2.remap(thickened, x + bend_x, y + bend_y, cv2.INTER_LINEAR), np.uint8)


def _rescanned(film: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    ink = film.astype(np.float32) / 255
    if generator.random() < _WORN:
        worn = _smooth_noise(generator, film.shape, int(generator.integers(2, 7)))
        ink *= np.clip(1.5 + generator.uniform(0.0, 1.2) - worn, 0, 1)
    ink = np.power(ink, np.exp(_wandering(generator, film.shape[1], (0.0, 0.4))))
    if generator.random() < _SOILED:
        ink = np.maximum(ink, _dirt(generator, film.shape))
    if generator.random() < _BLURRED:
        ink[:] = cv2.GaussianBlur(ink, (0, 0), float(generator.uniform(0.3, 0.9)))
    return np.asarray(np.clip(ink * 255, 0, 255), np.uint8)


def _dirt(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Specks, and what is left of rules and security prints: thin short lines, most of them nearly level or upright.

    Float32 of this shape, 0 for paper to 1 for full ink.
    """
    cover = np.zeros(shape, np.float32)
    for _ in range(int(generator.integers(3, 30))):
        length = float(np.exp(generator.uniform(0, 3.4)))
        angle = float(generator.normal(0, 0.15)) + (np.pi / 2 if generator.random() < 0.3 else 0)
        if generator.random() < 0.2:
            angle = float(generator.uniform(0, np.pi))
        start = generator.uniform(0, shape[1]), generator.uniform(0, shape[0])
        end = start[0] + length * np.cos(angle), start[1] + length * np.sin(angle)
        first, last = ([round(value * 2**_FRACTION) for value in point] for point in (start, end))
        cv2.line(cover, first, last, float(generator.uniform(0.15, 0.9)), 1, cv2.LINE_AA, _FRACTION)
    return cover


def _smooth_noise(generator: np.random.Generator, shape: tuple[int, ...], reach: int) -> NDArray[np.float32]:
    """About standard normal at every pixel, float32 of this shape; pixels further apart than `reach` don't agree."""
    knots = [-(-size // reach) + 1 for size in shape]
    noise = generator.normal(0, 1, knots).astype(np.float32)
    return np.asarray(cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _wandering(generator: np.random.Generator, width: int, normal: tuple[float, float]) -> NDArray[np.float32]:
    """A value for each column, float32 (W,), that goes from one random number to the next every `_HAND_WIDTH`."""
    knots = np.arange(0, width + _HAND_WIDTH, _HAND_WIDTH)
    values = generator.normal(*normal, len(knots))
    return np.interp(np.arange(width), knots, values).astype(np.float32)
