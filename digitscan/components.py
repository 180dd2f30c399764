"""The connected parts of a mask. They are measured on their own pixels: most of a page is paper."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Components:
    """N parts, connected by sides or corners, of a mask of this `shape`.

    `boxes` is int32 (N, 4): x, y, width and height; `areas` int (N,), in pixels. `places` int (P,) are the pixels of
    all parts, in the flattened picture, and `owners` int32 (P,) say whose they are, from 1 to N.
    """

    shape: tuple[int, ...]
    boxes: NDArray[np.int32]
    areas: NDArray[np.intp]
    places: NDArray[np.intp]
    owners: NDArray[np.int32]

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """The owner of every pixel, int32 (H, W), 0 on paper."""
        labels = np.zeros(self.shape, np.int32)
        labels.reshape(-1)[self.places] = self.owners
        return labels

    def mask(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where the chosen parts are, bool (H, W); `chosen` is bool (N,)."""
        mask = np.zeros(self.shape, np.bool_)
        mask.reshape(-1)[self.places[chosen[self.owners - 1]]] = True
        return mask


def find_components(mask: NDArray[np.bool_]) -> Components:
    """The parts of a mask, bool (H, W)."""
    rows = rows_with_ink(mask)
    inked = mask[rows]
    count, found = cv2.connectedComponents(inked.view(np.uint8), connectivity=8)
    inside = np.flatnonzero(inked)
    owners = np.asarray(found.reshape(-1)[inside], np.int32)
    y, x = np.divmod(inside, mask.shape[1])
    y = rows[y]
    low, high = np.full((count, 2), max(mask.shape), np.int32), np.zeros((count, 2), np.int32)
    for axis, along in enumerate((x.astype(np.int32), y.astype(np.int32))):
        np.minimum.at(low[:, axis], owners, along)
        np.maximum.at(high[:, axis], owners, along + 1)
    boxes = np.hstack([low, high - low])[1:]
    return Components(mask.shape, boxes, np.bincount(owners, minlength=count)[1:], y * mask.shape[1] + x, owners)


def rows_with_ink(mask: NDArray[np.bool_], around: int = 1) -> NDArray[np.intp]:
    """The rows of a mask, bool (H, W), that have ink, and at least so many `around` each; without any, the first ones.

    Taken together they hold the same parts, as far from their paper, and in the same order: OpenCV numbers parts by
    blocks of two rows, so rows go in pairs.
    """
    pairs = np.add.reduceat(mask.any(axis=1), np.arange(0, len(mask), 2), dtype=np.bool_).view(np.uint8)
    pairs[0] |= not pairs.any()
    near = cv2.dilate(pairs[:, None], np.ones((2 * -(-around // 2) + 1, 1), np.uint8)) > 0
    return np.flatnonzero(np.repeat(near, 2)[: len(mask)])
