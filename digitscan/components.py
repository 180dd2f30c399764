"""The connected parts of a mask. They are measured on their own pixels: most of a page is paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Components(NamedTuple):
    """N parts, connected by sides or corners.

    `labels` is int32 (H, W): 0 on paper, and 1 to N on the parts; `boxes` int32 (N, 4): x, y, width and height;
    `areas` int (N,), in pixels. `places` int (P,) are the pixels of all parts, in the flattened picture, and `owners`
    int32 (P,) their labels.
    """

    labels: NDArray[np.int32]
    boxes: NDArray[np.int32]
    areas: NDArray[np.intp]
    places: NDArray[np.intp]
    owners: NDArray[np.int32]

    def mask(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where the chosen parts are, bool (H, W); `chosen` is bool (N,)."""
        mask = np.zeros(self.labels.shape, np.bool_)
        mask.reshape(-1)[self.places[chosen[self.owners - 1]]] = True
        return mask


def find_components(mask: NDArray[np.bool_]) -> Components:
    """The parts of a mask, bool (H, W)."""
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    places = np.flatnonzero(mask)
    owners = np.asarray(labels.reshape(-1)[places], np.int32)
    y, x = (axis.astype(np.int32) for axis in np.divmod(places, mask.shape[1]))
    low, high = np.full((count, 2), max(mask.shape), np.int32), np.zeros((count, 2), np.int32)
    for axis, along in enumerate((x, y)):
        np.minimum.at(low[:, axis], owners, along)
        np.maximum.at(high[:, axis], owners, along + 1)
    boxes = np.hstack([low, high - low])[1:]
    return Components(np.asarray(labels, np.int32), boxes, np.bincount(owners, minlength=count)[1:], places, owners)
