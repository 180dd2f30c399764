"""Measures what each part of the reader is worth: strips read with nothing but connected components, then part by part.

    python benchmarks/ablation.py TRUTH.csv FOLDER [--half even|odd] [--json FILE]

A part is taken out by putting something simpler in the place of the package's own function, for the time of one run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import reduce
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray
from strips import Strips, add_arguments, chosen, percent, save, show

from digitscan import ink, segment
from digitscan.classifier import Classifier
from digitscan.cut import Cuts
from digitscan.decode import DIGIT_FEATURES, MARK_FEATURES
from digitscan.scan import Predictor, scan
from digitscan.schema import NOT_A_DIGIT, Layout, PathWeights, Settings
from digitscan.truth import TruthResult


@dataclass(frozen=True)
class Reader:
    """What a row of the table runs: the scan's arguments, and what stands in for functions of the package."""

    predict: Predictor
    weights: PathWeights | None
    replaced: tuple[tuple[ModuleType, str, object], ...] = ()

    def replacing(self, module: ModuleType, **replaced: object) -> Reader:
        """With other functions or constants in a module."""
        return replace(self, replaced=self.replaced + tuple((module, *item) for item in replaced.items()))


def without_joins(reader: Reader) -> Reader:
    """Every piece of ink is a candidate for itself."""
    return reader.replacing(segment, SPAN=1)


def without_cuts(reader: Reader) -> Reader:
    """Touching digits stay together."""

    def no_cuts(inks: Sequence[NDArray[np.uint8]], _: float) -> list[Cuts]:
        return [Cuts(np.empty((0, len(ink)), np.int32), np.empty(0, np.float32)) for ink in inks]

    return reader.replacing(segment, find_cuts=no_cuts)


def without_reject_class(reader: Reader) -> Reader:
    """Every candidate is one of the ten digits."""

    def predict(glyphs: NDArray[np.uint8], /) -> NDArray[np.float32]:
        probabilities = reader.predict(glyphs)
        probabilities[:, NOT_A_DIGIT:] = 0
        probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-30)
        return probabilities

    return replace(reader, predict=predict)


def without_priors(reader: Reader) -> Reader:
    """Only the classifier's probabilities count, not where a candidate lies or how large it is."""
    digit, mark = ((1.0,) + (0.0,) * (len(names) - 1) for names in (DIGIT_FEATURES, MARK_FEATURES))
    return replace(reader, weights=PathWeights(digit, mark))


def without_ink_steps(reader: Reader) -> Reader:
    """One threshold for the whole picture (N. Otsu, 1979), and rules stay where they are."""

    def darkness(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return ~grey

    def otsu(contrast: NDArray[np.uint8]) -> float:
        return float(cv2.threshold(contrast.reshape(1, -1), 0, 255, cv2.THRESH_OTSU)[0])

    def no_rules(mask: NDArray[np.bool_], _: float) -> NDArray[np.bool_]:
        return np.zeros_like(mask)

    return reader.replacing(ink, find_contrast=darkness, _threshold=otsu, _rules=no_rules)


PARTS: dict[str, Callable[[Reader], Reader]] = {
    "joins": without_joins,
    "cuts": without_cuts,
    "reject class": without_reject_class,
    "priors": without_priors,
    "ink steps": without_ink_steps,
}
"""In the order in which the rows of the table add them; each takes its part out of a reader."""


class Row(NamedTuple):
    """A reader's figures; `speed` is the digits it reads a second, in one process."""

    score: TruthResult
    speed: float


def readers(whole: Reader) -> dict[str, Reader]:
    """From the reader without any of the parts to the whole one."""
    names = ("connected components only", *(f"+ {part}" for part in PARTS))
    missing = (list(PARTS.values())[place:] for place in range(len(names)))
    return {
        name: reduce(lambda reader, without: without(reader), parts, whole)
        for name, parts in zip(names, missing, strict=True)
    }


def measure(reader: Reader, strips: Strips) -> Row:
    """Read all strips in this process."""
    settings = Settings(layout=Layout.LINE, jobs=1)
    with ExitStack() as stack:
        for module, name, instead in reader.replaced:
            stack.enter_context(patch.object(module, name, instead))
        start = time.perf_counter()
        pages = list(scan(strips.names, reader.predict, settings, reader.weights))
        seconds = time.perf_counter() - start
    score = strips.score(pages)
    return Row(score, score.digits.whole / seconds)


def to_json(row: Row) -> dict[str, Any]:
    """The figures of a row."""
    return {
        "amounts": row.score.images.to_json(),
        "digits": row.score.digits.to_json(),
        "digits_a_second": row.speed,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures what each part of the reader is worth.")
    add_arguments(parser)
    parser.add_argument("--model", metavar="NAME", help="default: the one that comes with digitscan")
    options = parser.parse_args()
    strips = chosen(options)
    predict = Classifier.load(options.model)
    whole = Reader(predict, predict.card.path_weights)
    rows = {name: measure(reader, strips) for name, reader in readers(whole).items()}
    show(
        ("reader", "amounts right", "digit accuracy", "digits a second"),
        (
            (name, percent(row.score.images), percent(row.score.digits), f"{row.speed:,.0f}")
            for name, row in rows.items()
        ),
    )
    save({name: to_json(row) for name, row in rows.items()}, options.json)


if __name__ == "__main__":
    main()
