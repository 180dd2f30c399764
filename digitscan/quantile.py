"""Quantiles of few values, as NumPy's.

On the way of a page np.quantile would take eight times as long, and at its first call load numpy.ma, as np.median and
np.unique do: that takes as long as to read ten digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def quantile(values: NDArray[np.integer | np.floating], share: float) -> float:
    """What `share`, 0 to 1, of the values, (N,) and at least one, are below: between two of them on a straight line."""
    places = np.arange(len(values))
    return float(np.interp(share * places[-1], places, np.sort(values)))


def median(values: NDArray[np.integer | np.floating]) -> float:
    """The value in the middle, or the mean of both that are."""
    return quantile(values, 0.5)
