"""Paper, security printing, forms and scanners for synthetic scans.

Coverage is float32 (H, W), 0 bare to 1 full; light is float32 (H, W), 1 white paper. Sizes are relative to `unit`, the
height of a digit in pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan.strokes import Patch, trimmed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Coverage = NDArray[np.uint8]

_FONTS = (
    *(cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX),
    *(cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX_SMALL),
)


def paper(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Light that bare paper sends back: its tone, an uneven lamp, now and then a shadow, fibres."""
    tone = rng.uniform(0.75, 1.0) if rng.random() < 0.75 else rng.uniform(0.5, 0.8)
    light = tone * (1 - rng.uniform(0, 0.12) * smooth_field(rng, height, width, 3))
    if rng.random() < 0.12:
        light *= 1 - rng.uniform(0.1, 0.45) * _shadow(rng, height, width)
    if rng.random() < 0.7:
        fibres = rng.standard_normal((height, width), dtype=np.float32)
        sigma = float(rng.uniform(0.3, 2.0))
        light += cv2.GaussianBlur(fibres, (0, 0), sigma) * np.float32(rng.uniform(0, 0.03) * 2 * sigma)
    return np.asarray(light, dtype=np.float32)


def smooth_field(rng: np.random.Generator, height: int, width: int, knots: int) -> Floats:
    """A smooth random field from 0 to 1 with about `knots` hills a side."""
    grid = rng.random((knots, knots), dtype=np.float32)
    field = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(field, 0, 1).astype(np.float32)


def _shadow(rng: np.random.Generator, height: int, width: int) -> Floats:
    """The edge of a shadow across the picture, 0 to 1."""
    across, _ = _axes(height, width, rng.uniform(0, 2 * np.pi))
    middle, softness = rng.uniform(-0.4, 0.4) * width, rng.uniform(0.02, 0.3) * width + 1
    return np.asarray(1 / (1 + np.exp(np.clip((middle - across) / softness, -30, 30))), dtype=np.float32)


def _axes(height: int, width: int, angle: float) -> tuple[Floats, Floats]:
    """Coordinates (broadcast to (H, W)) along the direction `angle` and across it, 0 in the middle."""
    x = np.arange(width, dtype=np.float32) - np.float32(width / 2)
    y = (np.arange(height, dtype=np.float32) - np.float32(height / 2))[:, None]
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def security_print(rng: np.random.Generator, height: int, width: int, unit: float) -> Floats:
    """Coverage by one of the printed grounds of cheques and forms: wave bundles, rosettes, dots, hatching, grain."""
    kind = rng.random()
    if kind < 0.5:
        cover = _waves(rng, height, width, unit)
        if rng.random() < 0.45:
            cover = np.maximum(cover, _waves(rng, height, width, unit))
    elif kind < 0.62:
        cover = _rosette(rng, height, width, unit)
    elif kind < 0.78:
        cover = _dots(rng, height, width, unit)
    elif kind < 0.9:
        cover = _hatching(rng, height, width, unit)
    else:
        cover = _grain(rng, height, width, unit)
    if rng.random() < 0.3:
        cover = cover * smooth_field(rng, height, width, int(rng.integers(2, 5)))
    return cover


def _pitch(rng: np.random.Generator, unit: float) -> float:
    return max(float(np.exp(rng.uniform(np.log(0.07), np.log(0.5)))) * unit, 2.2)


def _profile(rng: np.random.Generator, phase: NDArray[np.floating]) -> Floats:
    """Lines where the phase is whole; from a soft wave to a fine line."""
    fineness = np.float32(rng.uniform(-0.2, 0.85))
    crests = (np.cos(np.float32(2 * np.pi) * phase) - fineness) / (1 - fineness)
    return np.asarray(np.clip(crests * 1.5, 0, 1), dtype=np.float32)


def _waves(rng: np.random.Generator, height: int, width: int, unit: float) -> Floats:
    """A guilloche: a bundle of wavy lines whose waves shift, swell or converge from line to line."""
    along, across = _axes(height, width, rng.normal(0, 0.35) if rng.random() < 0.7 else rng.uniform(0, np.pi))
    pitch, length = _pitch(rng, unit), rng.uniform(0.5, 5) * unit
    reach = rng.uniform(0, 3) * min(1.0, length / (8 * pitch))
    wave = np.sin(along * np.float32(2 * np.pi / length) + across * np.float32(rng.normal(0, 1) / unit))
    phase = across / np.float32(pitch) + np.float32(reach) * wave
    if rng.random() < 0.5:
        swell = np.sin(along * np.float32(2 * np.pi / (length * rng.uniform(1.5, 4))) + np.float32(rng.uniform(0, 6.3)))
        phase = phase * (1 + np.float32(rng.uniform(0, 0.3)) * swell)
    return _profile(rng, phase)


def _rosette(rng: np.random.Generator, height: int, width: int, unit: float) -> Floats:
    """Rings with petals around a point that may lie outside the picture."""
    along, across = _axes(height, width, 0.0)
    along = along - np.float32(rng.uniform(-0.7, 0.7) * width)
    across = across - np.float32(rng.uniform(-1.5, 1.5) * height)
    petals, reach = int(rng.integers(3, 20)), rng.uniform(0, 1.5)
    radius = np.sqrt(along * along + across * across)
    rings = radius / np.float32(_pitch(rng, unit))
    return _profile(rng, rings + np.float32(reach) * np.sin(petals * np.arctan2(across, along)))


def _dots(rng: np.random.Generator, height: int, width: int, unit: float) -> Floats:
    """A halftone: dots on a turned grid, or their negative."""
    along, across = _axes(height, width, rng.uniform(0, np.pi / 2))
    turn = np.float32(2 * np.pi / max(_pitch(rng, unit) * 0.7, 2.2))
    waves = np.cos(along * turn) + np.cos(across * turn)
    level = np.float32(rng.uniform(-0.3, 1.2))
    return np.asarray(np.clip((waves - level) * 1.5, 0, 1), dtype=np.float32)


def _hatching(rng: np.random.Generator, height: int, width: int, unit: float) -> Floats:
    """Straight fine lines; as a tint of lines or, crossing, as a grid."""
    angle = rng.choice([0.0, np.pi / 2, np.pi / 4, -np.pi / 4]) + rng.normal(0, 0.03)
    along, across = _axes(height, width, float(angle))
    cover = _profile(rng, across / np.float32(_pitch(rng, unit)) + np.zeros_like(along))
    if rng.random() < 0.4:
        cover = np.maximum(cover, _profile(rng, along / np.float32(_pitch(rng, unit))))
    return cover


def _grain(rng: np.random.Generator, height: int, width: int, unit: float) -> Floats:
    """Random specks of one size, as of coarse copies and micro print."""
    cell = max(unit * rng.uniform(0.03, 0.1), 1.0)
    few = rng.random((int(height / cell) + 2, int(width / cell) + 2), dtype=np.float32) < rng.uniform(0.1, 0.5)
    return cv2.resize(few.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)


def draw_lines(cover: Coverage, points: NDArray[np.float64], thickness: float, strength: float = 1.0) -> None:
    """Draw straight lines, `points` (N, 2, 2) x, y of their ends, into coverage uint8 (H, W).

    Lines thinner than a pixel come out paler instead, as a scanner sees them.
    """
    value = round(255 * strength * min(thickness, 1.0))
    fixed = np.rint(points * 16).astype(np.int32)
    for (x0, y0), (x1, y1) in fixed.tolist():
        cv2.line(cover, (x0, y0), (x1, y1), value, max(round(thickness), 1), cv2.LINE_AA, 4)


def ruled(rng: np.random.Generator, cover: Coverage, unit: float, baseline: float, angle: float) -> None:
    """Rules of a ledger or a form, one of them near the baseline; sometimes columns, dashes, a double line."""
    height, width = cover.shape
    pitch = unit * rng.uniform(1.1, 2.5)
    first = baseline + unit * rng.normal(0.08, 0.1)
    offsets = first + pitch * np.arange(-8, 9) if rng.random() < 0.6 else np.array([first])
    if rng.random() < 0.2:
        offsets = np.concatenate([offsets, offsets + unit * 0.12])
    slope = np.tan(angle) * width
    lines = np.array([[[0, y], [width, y + slope]] for y in offsets if -abs(slope) < y < height + abs(slope)])
    thickness, strength = unit * rng.uniform(0.015, 0.08), rng.uniform(0.3, 1)
    draw_lines(cover, lines.reshape(-1, 2, 2), thickness, strength)
    if rng.random() < 0.2:
        columns = rng.uniform(0, width, int(rng.integers(1, 4)))
        uprights = np.array([[[x, 0], [x - np.tan(angle) * height, height]] for x in columns])
        draw_lines(cover, uprights, thickness, strength)
    if rng.random() < 0.2:
        cover[:, np.arange(width) % max(int(unit * 0.2), 3) < max(unit * 0.08, 1)] = 0


def frame(rng: np.random.Generator, cover: Coverage, unit: float, angle: float) -> None:
    """A printed box whose sides lie near the picture's edges, some of them cut off, some doubled."""
    height, width = cover.shape
    left, right = rng.normal(0, 0.12, 2) * unit + [0, width]
    top, bottom = rng.normal(0, 0.12, 2) * unit + [0, height]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    turn = np.array([[1, np.tan(angle)], [-np.tan(angle), 1]])
    middle = np.array([width / 2, height / 2])
    turned = (corners - middle) @ turn + middle
    sides = np.stack([turned, np.roll(turned, -1, axis=0)], axis=1)
    draw_lines(cover, sides, unit * rng.uniform(0.02, 0.12), rng.uniform(0.4, 1))


def print_text(rng: np.random.Generator, text: str, size: float) -> list[tuple[str, Patch]]:
    """Printed characters whose capitals are `size` pixels high, each with its ink; they stand on the line y = 0."""
    font, weight = _FONTS[int(rng.integers(len(_FONTS)))], int(rng.integers(1, 3))
    large = max(size, 24.0)
    scale = cv2.getFontScaleFromHeight(font, int(large), weight)
    ratio, spread = size / large, rng.uniform(0.95, 1.15)
    printed, x = [], 0.0
    for char in text:
        advance = cv2.getTextSize(char, font, scale, weight)[0][0]
        cover = np.zeros((int(large * 2), advance + 8), dtype=np.uint8)
        cv2.putText(cover, char, (4, int(large * 1.5)), font, scale, 255, weight, cv2.LINE_AA)
        target = (max(round(cover.shape[1] * ratio), 1), max(round(cover.shape[0] * ratio), 1))
        small = np.asarray(cv2.resize(cover, target, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        if small.any():
            printed.append((char, trimmed(Patch(small, round(x - 4 * ratio), -round(int(large * 1.5) * ratio)))))
        x += (advance + (size * 0.5 if char == " " else 0)) * ratio * spread
    return printed


def blots(rng: np.random.Generator, cover: Coverage, unit: float) -> None:
    """Specks, blots and scratches at random places."""
    height, width = cover.shape
    for _ in range(int(rng.integers(1, 12))):
        center = (int(rng.integers(width) * 16), int(rng.integers(height) * 16))
        reach = np.exp(rng.normal(np.log(0.03), 0.7, 2)) * unit * 16
        axes = (max(int(reach[0]), 5), max(int(reach[1]), 5))
        cv2.ellipse(cover, center, axes, rng.uniform(0, 180), 0, 360, int(rng.integers(80, 256)), -1, cv2.LINE_AA, 4)


def stamp(rng: np.random.Generator, cover: Coverage, unit: float) -> None:
    """A rubber stamp's rings or frame, patchy, somewhere across the picture."""
    height, width = cover.shape
    center = (int(rng.uniform(-0.1, 1.1) * width), int(rng.uniform(-0.3, 1.3) * height))
    thickness = max(round(unit * rng.uniform(0.03, 0.1)), 1)
    reach = unit * rng.uniform(0.8, 2)
    for part in (1.0, 0.85)[: int(rng.integers(1, 3))]:
        size = (int(reach * part * rng.uniform(0.9, 1.1)), int(reach * part))
        cv2.ellipse(cover, center, size, rng.uniform(0, 180), 0, 360, 255, thickness, cv2.LINE_AA)
    patches = smooth_field(rng, height, width, 8)
    np.multiply(cover, np.clip(patches * 2, 0, 1), out=cover, casting="unsafe")


def scanned(rng: np.random.Generator, light: Floats, unit: float) -> NDArray[np.uint8]:
    """What a scanner or camera makes of light (H, W) or (H, W, 3), 0 to 1: blur, noise, JPEG, seldom a negative."""
    if rng.random() < 0.7:
        light = _soft(light, rng.uniform(0.2, 0.25 + 0.025 * min(unit, 60)))
    if rng.random() < 0.15:
        sharp = np.float32(rng.uniform(0.3, 1.2))
        light = light + sharp * (light - _soft(light, 1.2))
    levels = light * np.float32(255)
    if rng.random() < 0.6:
        levels += rng.standard_normal(levels.shape, dtype=np.float32) * np.float32(rng.uniform(0.5, 9))
    pixels: NDArray[np.uint8] = np.clip(levels, 0, 255).astype(np.uint8)
    if rng.random() < 0.05:
        pixels = 255 - pixels
    if rng.random() < 0.6:
        coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_UNCHANGED), dtype=np.uint8)
    return pixels


def blurred(cover: Coverage, sigma: float) -> Floats:
    """Coverage uint8 (H, W) as float32 from 0 to 1, out of focus."""
    return _soft(cover.astype(np.float32) / np.float32(255), max(sigma, 0.3))


def _soft(values: NDArray[np.floating], sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), dtype=np.float32)
