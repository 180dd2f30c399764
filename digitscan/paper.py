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
    sheet = _find_sheet(_ground(sample if sample.ndim == 2 else sample.min(axis=2)))
    if sheet is None:
        return pixels
    size = pixels.shape[1::-1]
    filling = cv2.resize(_from_nearest(_ground(sample), sheet), size, interpolation=cv2.INTER_LINEAR)
    inside = cv2.resize(sheet.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return np.where(inside if pixels.ndim == 2 else inside[:, :, None], pixels, np.asarray(filling, np.uint8))


def _ground(sample: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture without noise and without what is as narrow as ink."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_STROKE, _STROKE))
    return np.asarray(cv2.morphologyEx(cv2.medianBlur(sample, 3), cv2.MORPH_CLOSE, kernel), np.uint8)


def _find_sheet(ground: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """The one sheet in a picture, without its edge; bool (H, W). None where that is all, or none is to be seen."""
    around = np.ones((5, 5), np.uint8)
    brightest = cv2.dilate(ground, around)
    smooth = brightest - cv2.erode(ground, around) <= _STEP * brightest
    outlines, _ = cv2.findContours(smooth.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea, default=None)
    if outline is None or cv2.contourArea(outline) < _SOLID * cv2.contourArea(cv2.convexHull(outline)):
        return None
    filled = np.asarray(cv2.drawContours(np.zeros_like(ground), [outline], 0, 1, cv2.FILLED))
    sheet = filled.view(np.bool_)
    beside = cv2.dilate(filled, around) == 0
    dark = beside & (ground < _DARKER * _from_nearest(ground, sheet))
    if sheet.mean() < _LEAST[0] or dark.mean() < max(_LEAST[1], _DARK * beside.mean()):
        return None
    return sheet


def _from_nearest(ground: NDArray[np.uint8], sheet: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """What is not on the sheet as bright as the nearest place that is."""
    outside = (~sheet).view(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.zeros(labels.max() + 1, np.intp)
    places[labels[sheet]] = np.flatnonzero(sheet)
    return np.asarray(ground.reshape(-1, *ground.shape[2:])[places[labels]])
