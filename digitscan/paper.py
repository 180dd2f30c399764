"""Finds the sheet of paper in a photograph or scan that shows more than the sheet: a table, a scanner's black lid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE = 400
"""In pixels, about: the longer side of the picture in which the sheet is looked for."""

_LEAST_SIDE = 200
"""In such pixels: a picture that is narrower shows a line, or less, whose strokes aren't narrow beside it."""

_STROKE = 9
"""In such pixels: what is narrower than this is ink, or a rule, and not what lies around a sheet."""

_STEP = 0.15
"""Share of the brightness that is lost within a few pixels at the edge of a sheet; a shadow's edge is softer."""

_DARKER = 0.75
"""Of the nearest paper's brightness: what lies around a sheet is darker than this."""

_LEAST = (0.3, 0.01)
"""Shares of the picture: of the sheet, and of what lies around it, at least."""

_SOLID = 0.9
"""Share of its convex hull that a sheet covers at least."""

_DARK = 0.7
"""Share of all that isn't the sheet: so much of it is dark at least, or there is more than one sheet."""


def without_surroundings(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A page on which what is darker than the sheet and lies around it is as bright as the nearest paper.

    `pixels` is uint8, (H, W) grey or (H, W, 3) BGR; where there is nothing around the sheet it is returned itself.
    """
    step = max(1, round(max(pixels.shape[:2]) / _SIDE))
    sample = np.ascontiguousarray(pixels[step // 2 :: step, step // 2 :: step])
    if min(sample.shape[:2]) < _LEAST_SIDE:
        return pixels
    # Paper is bright in all colours, wood and cloth seldom are.
    sheet = _find_sheet(_ground(sample if sample.ndim == 2 else np.minimum.reduce(cv2.split(sample))))
    if sheet is None:
        return pixels
    size = pixels.shape[1::-1]
    filling = cv2.resize(_from_nearest(_ground(sample), sheet), size, interpolation=cv2.INTER_LINEAR)
    inside = cv2.resize(sheet.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return np.where(inside if pixels.ndim == 2 else inside[:, :, None], pixels, np.asarray(filling, np.uint8))


def _ground(sample: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture without noise and without what is as narrow as ink."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_STROKE, _STROKE))
    edge = _STROKE // 4  # What is dark along a side of the picture goes on beyond it.
    framed = cv2.copyMakeBorder(cv2.medianBlur(sample, 3), edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    closed = np.asarray(cv2.morphologyEx(framed, cv2.MORPH_CLOSE, kernel), np.uint8)
    return np.ascontiguousarray(closed[edge:-edge, edge:-edge])


def _find_sheet(ground: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """The one sheet in a picture, without its edge; bool (H, W). None where that is all, or none is to be seen."""
    around = np.ones((5, 5), np.uint8)
    brightest = cv2.dilate(ground, around)
    smooth = brightest - cv2.erode(ground, around) <= _STEP * brightest
    _, labels, stats, _ = cv2.connectedComponentsWithStats(smooth.view(np.uint8))
    large = 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= _LEAST[0] * ground.size)
    parts = [labels == part for part in large]
    if not parts:
        return None
    sheet = _filled(max(parts, key=lambda part: float(ground[part].mean())))
    beside = cv2.dilate(sheet.view(np.uint8), around) == 0
    least = max(_LEAST[1], _DARK * beside.mean())
    if beside.mean() < least or not _is_solid(sheet):
        return None
    return sheet if (beside & (ground < _DARKER * _from_nearest(ground, sheet))).mean() >= least else None


def _filled(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A part of a picture, bool (H, W), without holes."""
    outlines, _ = cv2.findContours(part.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros(part.shape, np.uint8), outlines, -1, 1, cv2.FILLED)
    return np.asarray(filled, np.uint8).view(np.bool_)


def _is_solid(part: NDArray[np.bool_]) -> bool:
    """Whether a part of a picture has the outline of a sheet, which is nearly its convex hull."""
    points = np.asarray(cv2.findNonZero(part.view(np.uint8)))
    return len(points) >= _SOLID * cv2.contourArea(cv2.convexHull(points))


def _from_nearest(ground: NDArray[np.uint8], sheet: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """What is not on the sheet as bright as the nearest place that is."""
    outside = (~sheet).view(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.zeros(labels.max() + 1, np.intp)
    places[labels[sheet]] = np.flatnonzero(sheet)
    return np.asarray(ground.reshape(-1, *ground.shape[2:])[places[labels]])
