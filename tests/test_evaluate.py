from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from digitscan.evaluate import evaluate_model

if TYPE_CHECKING:
    from numpy.typing import NDArray


def reads(*classes: int) -> NDArray[np.float32]:
    return np.eye(12, dtype=np.float32)[list(classes)]


def test_scores_against_a_count_by_hand() -> None:
    labels = np.array([3, 3, 3, 8, 8, 5], np.uint8)
    images = np.zeros((6, 28, 28), np.uint8)
    result = evaluate_model(lambda _: reads(3, 3, 8, 8, 8, 10), images, labels)
    assert (result.accuracy, result.n) == (4 / 6, 6)
    three, eight, five, none = (result.per_digit[digit] for digit in (3, 8, 5, 0))
    assert (three.precision, three.recall, three.f1, three.n) == (1, 2 / 3, 0.8, 3)
    assert (eight.precision, eight.recall, eight.f1) == (2 / 3, 1, 0.8)
    assert (five.precision, five.recall, five.f1, five.n) == (0, 0, 0, 1)
    assert (none.precision, none.recall, none.f1, none.n) == (0, 0, 0, 0)
    assert result.confusion.shape == (10, 11)
    assert result.confusion[3].tolist() == [0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0]
    assert result.confusion[5, 10] == 1
    assert result.confusion.sum() == 6


def test_json_holds_plain_values() -> None:
    labels = np.arange(10, dtype=np.uint8)
    result = evaluate_model(lambda _: reads(*range(10)), np.zeros((10, 28, 28), np.uint8), labels).to_json()
    assert json.loads(json.dumps(result)) == result
    assert set(result) == {"accuracy", "per_digit", "confusion", "n"}
    assert result["accuracy"] == pytest.approx(1)
    assert result["per_digit"][7] == {"digit": 7, "precision": 1, "recall": 1, "f1": 1, "n": 1}
