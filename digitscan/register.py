"""Finds a form on a page: how the reference, the empty form, lies on a scan or a photo of a filled one, and how surely.

Features of the print are matched whichever way the page is turned (D. Lowe, Distinctive image features, 2004), and give
a map that is good to some pixels. Then each corner of the print is looked for where the map says that it is; the map
is fitted to those that are found there, and their share is the quality of the match: on another form hardly any are.
Forms of one sender share their letterhead, so that the share counts where it is least: above, below or between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from digitscan.ink import find_contrast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_QUALITY = 0.5
"""Share of the print's corners that must be found again in each part."""

_PARTS = 3
"""Of the print, from top to bottom, with as many corners each."""

_SIDE = 1200
"""Longer side in pixels at which pages are matched: about 100 dpi of an A4 page."""

_COARSE = 0.4
"""Of that: features are matched on a smaller picture, where writing, noise and small print count less."""

_FEATURES = 800
_RATIO = 0.8
"""A match counts if the next best is this much worse, so that one box is not taken for the next."""

_LEAST_MATCHES = 12
_REACH = 4.0
"""In pixels: how far a match may be off the map that is found first."""

_CORNERS = 240
_PATCH = 12
"""Half the side of a corner's patch."""

_SEARCH = ((20, 3.0), (10, 2.0), (5, 1.5))
"""In pixels: how far each corner is looked for, and the most that it may be off the fitted map, time after time."""

_LIKENESS = 0.55
"""Least correlation of a patch with where it is found."""

_FEWEST_CORNERS = 8
_MOST_STRETCH = 4.0
"""Between the shortest and the longest side on a page, over that of the reference: a photo isn't more oblique."""


class Registration(NamedTuple):
    """How a form lies on a page: `to_page`, float64 (3, 3), maps pixels of the reference to those of the page."""

    to_page: NDArray[np.float64]
    quality: float
    """Share of the print that was found at its place, 0 to 1, in the third where that is least."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """A page at the size at which pages are matched.

    `contrast` is uint8 (h, w), 0 for paper to 255 for black; `to_page`, float64 (3, 3), maps its pixels to the page's;
    `points`, float32 (N, 2) in pixels of it, and `descriptors`, float32 (N, 128), are its features.
    """

    contrast: NDArray[np.uint8]
    to_page: NDArray[np.float64]
    points: NDArray[np.float32]
    descriptors: NDArray[np.float32]

    @classmethod
    def of(cls, grey: NDArray[np.uint8]) -> Survey:
        """Of a page, uint8 (H, W)."""
        scale = _SIDE / max(grey.shape)
        size = [max(1, round(scale * side)) for side in grey.shape[::-1]]
        small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        contrast = find_contrast(np.asarray(small, np.uint8))
        soft = cv2.GaussianBlur(contrast, (0, 0), 0.8)
        coarse = cv2.resize(soft, None, fx=_COARSE, fy=_COARSE, interpolation=cv2.INTER_AREA)
        found, descriptors = cv2.SIFT.create(_FEATURES).detectAndCompute(coarse, None)
        points = (np.array([point.pt for point in found], np.float32).reshape(-1, 2) + 0.5) / _COARSE - 0.5
        if descriptors is None:
            descriptors = np.empty((0, 128), np.float32)
        # The sides are rounded, so that they are scaled by a hair differently.
        to_page = scaling(np.array(grey.shape[::-1]) / size)
        return cls(contrast, to_page, points, np.asarray(descriptors, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """An empty form, ready to be found: its survey and the corners of its print, float32 (N, 2) in the survey, from top
    to bottom.
    """

    survey: Survey
    corners: NDArray[np.float32]

    @classmethod
    def of(cls, grey: NDArray[np.uint8]) -> Reference:
        """Of a page, uint8 (H, W)."""
        survey = Survey.of(grey)
        found = cv2.goodFeaturesToTrack(survey.contrast, _CORNERS, 0.05, 1.5 * _PATCH, blockSize=7)
        corners = np.empty((0, 2), np.float32) if found is None else found.reshape(-1, 2)
        edge = _PATCH + 1
        inside = (corners >= edge).all(axis=1) & (corners < np.array(survey.contrast.shape[::-1]) - edge).all(axis=1)
        corners = corners[inside]
        return cls(survey, np.asarray(corners[corners[:, 1].argsort(kind="stable")], np.float32))

    @property
    def is_findable(self) -> bool:
        """Whether there is enough print to be found by."""
        return len(self.corners) >= _FEWEST_CORNERS and len(self.survey.points) >= _LEAST_MATCHES


def plain_grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness, uint8 (H, W), of a page that is grey already or BGR, whatever is printed in colour."""
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def register(reference: Reference, page: Survey) -> Registration | None:
    """How the form lies on the page; None where there is no sign of it."""
    start = _match(reference.survey, page)
    if start is None or not _is_plausible(start, reference.survey.contrast.shape):
        return None
    fitted, quality = _fit(reference, page, start)
    to_page = page.to_page @ fitted @ np.linalg.inv(reference.survey.to_page)
    return Registration(to_page / to_page[2, 2], quality)


def scaling(scale: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """The map of a picture to the resized one, float64 (3, 3): pixels have their coordinates in their middles.

    `scale` is that of both sides, or (2,): that of the width and that of the height.
    """
    across, down = np.broadcast_to(scale, 2)
    return np.array([[across, 0.0, (across - 1) / 2], [0.0, down, (down - 1) / 2], [0.0, 0.0, 1.0]])


def _match(reference: Survey, page: Survey) -> NDArray[np.float64] | None:
    if min(len(reference.points), len(page.points)) < _LEAST_MATCHES:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(reference.descriptors, page.descriptors, 2)
    good = [first for first, second in pairs if first.distance < _RATIO * second.distance]
    if len(good) < _LEAST_MATCHES:
        return None
    here = reference.points[[match.queryIdx for match in good]]
    there = page.points[[match.trainIdx for match in good]]
    found, _ = cv2.findHomography(here, there, cv2.USAC_MAGSAC, _REACH, maxIters=5000, confidence=0.999)
    return None if found is None else np.asarray(found)


def _is_plausible(to_page: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether a sheet of paper can lie so: seen from its front, and not from too far aside."""
    height, width = shape
    corners = np.array([[(0, 0), (width, 0), (width, height), (0, height)]], np.float64)
    target = cv2.perspectiveTransform(corners, to_page)[0]
    sides = np.roll(target, -1, axis=0) - target
    turns = sides[:, 0] * np.roll(sides[:, 1], -1) - sides[:, 1] * np.roll(sides[:, 0], -1)
    stretch = np.hypot(*sides.T) / np.array([width, height, width, height])
    return bool((turns > 0).all() and stretch.max() < _MOST_STRETCH * stretch.min() and stretch.min() > 0.1)


def _fit(reference: Reference, page: Survey, to_page: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The map fitted to the corners of the print, and the share of them that are where it says, where it is least."""
    for reach, off in _SEARCH:
        places, alike = _look(reference, page.contrast, to_page, reach)
        if np.count_nonzero(alike) < _FEWEST_CORNERS:
            return to_page, 0.0
        there = cv2.perspectiveTransform(places[None, alike].astype(np.float64), to_page)[0]
        found, inliers = cv2.findHomography(reference.corners[alike], there, cv2.USAC_MAGSAC, off)
        if found is None or not _is_plausible(np.asarray(found, np.float64), reference.survey.contrast.shape):
            return to_page, 0.0
        to_page = np.asarray(found, np.float64)
    seen = np.zeros(len(alike), np.bool_)
    seen[alike] = inliers.ravel() > 0
    return to_page, min(float(part.mean()) for part in np.array_split(seen, _PARTS))


def _look(
    reference: Reference, contrast: NDArray[np.uint8], to_page: NDArray[np.float64], reach: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Where each corner is found, float64 (N, 2) in the reference's survey, and whether it looks alike there."""
    own = reference.survey.contrast
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(contrast, to_page, own.shape[::-1], flags=flags)
    around = cv2.copyMakeBorder(seen, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    places, likeness = reference.corners.astype(np.float64), np.zeros(len(reference.corners))
    for index, (x, y) in enumerate(np.rint(reference.corners).astype(int)):
        patch = own[y - _PATCH : y + _PATCH + 1, x - _PATCH : x + _PATCH + 1]
        window = around[y - _PATCH : y + _PATCH + 2 * reach + 1, x - _PATCH : x + _PATCH + 2 * reach + 1]
        match = np.asarray(cv2.matchTemplate(window, patch, cv2.TM_CCOEFF_NORMED), np.float32)
        _, likeness[index], _, best = cv2.minMaxLoc(match)
        places[index] += np.array(best) - reach + _peak(match, best)
    return places, likeness >= _LIKENESS


def _peak(match: NDArray[np.float32], best: Sequence[int]) -> NDArray[np.float64]:
    """Where between the pixels the maximum is, by the parabola through it and its neighbours."""
    x, y = best
    if not (0 < x < match.shape[1] - 1 and 0 < y < match.shape[0] - 1):
        return np.zeros(2)
    offset = []
    for left, middle, right in (match[y, x - 1 : x + 2], match[y - 1 : y + 2, x]):
        curve = left - 2 * middle + right
        offset.append(float((left - right) / (2 * curve)) if curve < 0 else 0.0)
    return np.array(offset)
