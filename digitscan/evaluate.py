"""How well a model reads labelled digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digitscan.model import ModelResult, score_classes
from digitscan.report import write_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def evaluate_model(
    predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]], images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> ModelResult:
    """Accuracy, per-digit scores and confusion of `predict` on labelled glyphs.

    `images` is uint8 (N, 28, 28), `labels` uint8 (N,) with 0 to 9, N at least 1; `predict` gives float32 (N, 12).
    """
    return score_classes(predict(images).argmax(axis=1), labels)


def write_csv(result: ModelResult, path: Path) -> None:
    """Write a row a digit: digit, precision, recall, f1, n. Raises OutputError."""
    rows = ((s.digit, s.precision, s.recall, s.f1, s.n) for s in result.per_digit)
    write_table(path, ("digit", "precision", "recall", "f1", "n"), rows)
