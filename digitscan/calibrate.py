"""Weighs what a model's networks say against each other, on synthetic lines of writers that they haven't seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from digitscan.classifier import Classifier
from digitscan.errors import ModelError, UsageError
from digitscan.fit import Known, fit_weights
from digitscan.linereader import LineReader
from digitscan.model import ModelCard, model_file
from digitscan.report import write_file
from digitscan.schema import CLASS_COUNT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from digitscan.candidates import LabelledLine


def calibrate(
    model: Path, line_reader: Path | None, lines: Sequence[LabelledLine], command: str, threads: int = 1
) -> ModelCard:
    """Fit the path weights of `model` and write them to its card, with the name of the line reader, if there is one.

    The line reader must lie in the same folder as the model. Raises ModelError where one of them can't be used,
    UsageError where they lie apart, OutputError where the card can't be written.
    """
    classifier = Classifier.load(str(model), threads)
    if classifier.card.classes != CLASS_COUNT:
        raise ModelError(f"{model} knows single digits alone; train it with --strokes")
    if line_reader and line_reader.parent.resolve() != model.parent.resolve():
        raise UsageError(f"{line_reader} must be in the folder of {model}, since it becomes a part of it")
    reader = LineReader.load(str(line_reader), threads) if line_reader else None
    probabilities = classifier(np.concatenate([line.glyphs for line in lines]))
    labels = np.concatenate([line.labels for line in lines])
    frames = reader([line.strip for line in lines]) if reader else None
    card = replace(
        classifier.card,
        path_weights=fit_weights(Known([line.lattice for line in lines], probabilities, labels, frames)),
        calibration=command,
        line_reader=line_reader.name if line_reader else "",
        line_reader_sha256=reader.card.tflite_sha256 if reader else "",
    )
    write_file(model_file(model, ".json"), card.to_json().encode())
    return card
