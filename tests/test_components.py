from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from digitscan.components import find_components, rows_with_ink

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=40))


@given(MASKS)
def test_parts_are_those_of_opencv(mask: np.ndarray) -> None:
    parts = find_components(mask)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    np.testing.assert_array_equal(parts.labels, labels)
    np.testing.assert_array_equal(parts.boxes, stats[1:, :4])
    np.testing.assert_array_equal(parts.areas, stats[1:, 4])


@given(MASKS, st.data())
def test_a_mask_has_the_chosen_parts(mask: np.ndarray, data: st.DataObject) -> None:
    parts = find_components(mask)
    chosen = data.draw(arrays(np.bool_, len(parts.boxes)))
    expected = np.isin(parts.labels, 1 + np.flatnonzero(chosen))
    np.testing.assert_array_equal(parts.mask(chosen), expected)


@given(MASKS, st.data())
def test_blank_rows_change_nothing(mask: np.ndarray, data: st.DataObject) -> None:
    mask = mask & ~data.draw(arrays(np.bool_, (len(mask), 1)))
    test_parts_are_those_of_opencv.hypothesis.inner_test(mask)
    rows = rows_with_ink(mask)
    distance, among = (cv2.distanceTransform(each.view(np.uint8), cv2.DIST_L2, 3) for each in (mask, mask[rows]))
    np.testing.assert_array_equal(distance[mask], among[mask[rows]])
