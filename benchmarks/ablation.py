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
from digitscan.cut import Cuts
from digitscan.decode import DIGIT_FEATURES, MARK_FEATURES, PAIR_FEATURES
from digitscan.scan import Reader, load_reader, scan
from digitscan.schema import NOT_A_DIGIT, Layout, PathWeights, Settings
from digitscan.truth import TruthResult


@dataclass(frozen=True)
class Variant:
    """What a row of the table runs: a reader, and what stands in for functions of the package.

    `alone` is the reader whose weights were fitted without a line reader.
    """

    reader: Reader
    alone: Reader
    replaced: tuple[tuple[ModuleType, str, object], ...] = ()

    def replacing(self, module: ModuleType, **replaced: object) -> Variant:
        """With other functions or constants in a module."""
        return replace(self, replaced=self.replaced + tuple((module, *item) for item in replaced.items()))


def without_joins(variant: Variant) -> Variant:
    """Every piece of ink is a candidate for itself."""
    return variant.replacing(segment, SPAN=1)


def without_cuts(variant: Variant) -> Variant:
    """Touching digits stay together."""

    def no_cuts(inks: Sequence[NDArray[np.uint8]], *_: object) -> list[Cuts]:
        return [Cuts(np.empty((0, len(ink)), np.int32), np.empty(0, np.float32)) for ink in inks]

    return variant.replacing(segment, find_cuts=no_cuts)


def without_reject_class(variant: Variant) -> Variant:
    """Every candidate is one of the ten digits."""

    def predict(glyphs: NDArray[np.uint8], /) -> NDArray[np.float32]:
        probabilities = variant.reader.classify(glyphs)
        probabilities[:, NOT_A_DIGIT:] = 0
        probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-30)
        return probabilities

    return replace(variant, reader=variant.reader._replace(classify=predict))


def without_priors(variant: Variant) -> Variant:
    """Only the classifier's probabilities count, not where a candidate lies or how large it is."""
    digit, mark = ((1.0,) + (0.0,) * (len(names) - 1) for names in (DIGIT_FEATURES, MARK_FEATURES))
    pair = (0.0,) * len(PAIR_FEATURES)
    return replace(variant, reader=variant.reader._replace(weights=PathWeights(digit, mark, pair)))


def without_ink_steps(variant: Variant) -> Variant:
    """One threshold for the whole picture (N. Otsu, 1979), and rules stay where they are."""

    def darkness(grey: NDArray[np.uint8], _: float = 1.0) -> NDArray[np.uint8]:
        return ~grey

    def otsu(contrast: NDArray[np.uint8]) -> float:
        return float(cv2.threshold(contrast.reshape(1, -1), 0, 255, cv2.THRESH_OTSU)[0])

    def no_rules(mask: NDArray[np.bool_], *_: float) -> NDArray[np.bool_]:
        return np.zeros_like(mask)

    return variant.replacing(ink, find_contrast=darkness, _threshold=otsu, _rules=no_rules)


def without_line_reader(variant: Variant) -> Variant:
    """The classifier alone."""
    return replace(variant, reader=variant.alone)


PARTS: dict[str, Callable[[Variant], Variant]] = {
    "joins": without_joins,
    "cuts": without_cuts,
    "reject class": without_reject_class,
    "priors": without_priors,
    "ink steps": without_ink_steps,
    "line reader": without_line_reader,
}
"""In the order in which the rows of the table add them; each takes its part out."""


class Row(NamedTuple):
    """A variant's figures; `speed` is the digits it reads a second, in one process."""

    score: TruthResult
    speed: float


def variants(whole: Variant) -> dict[str, Variant]:
    """From the reader without any of the parts to the whole one."""
    names = ("connected components only", *(f"+ {part}" for part in PARTS))
    missing = (list(PARTS.values())[place:] for place in range(len(names)))
    return {
        name: reduce(lambda variant, without: without(variant), reversed(parts), whole)
        for name, parts in zip(names, missing, strict=True)
    }


def measure(variant: Variant, strips: Strips) -> Row:
    """Read all strips in this process."""
    settings = Settings(layout=Layout.LINE, jobs=1)
    with ExitStack() as stack:
        for module, name, instead in variant.replaced:
            stack.enter_context(patch.object(module, name, instead))
        start = time.perf_counter()
        pages = list(scan(strips.names, variant.reader, settings))
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
    parser.add_argument("--alone", metavar="NAME", help="the model as it was calibrated without a line reader")
    options = parser.parse_args()
    strips = chosen(options)
    alone = load_reader(options.alone or options.model)._replace(read_strips=None)
    whole = Variant(load_reader(options.model), alone)
    rows = {name: measure(variant, strips) for name, variant in variants(whole).items()}
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
