"""Weighs what a model's networks say against each other, on synthetic lines of writers that they haven't seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from digitscan.classifier import Classifier
from digitscan.errors import ModelError, UsageError
from digitscan.fit import fit_lines
from digitscan.linereader import LineReader
from digitscan.model import ModelCard, model_file
from digitscan.report import write_file
from digitscan.schema import CLASS_COUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from digitscan.schema import LabelledLine


class Networks(NamedTuple):
    """A model and the line reader that is to be a part of it."""

    classifier: Classifier
    line_reader: LineReader | None


def calibrate(networks: Networks, lines: Sequence[LabelledLine], command: str) -> ModelCard:
    """Fit the path weights of a model and write them to its card, with the name of the line reader, if there is one.

    Raises OutputError where the card can't be written.
    """
    classifier, reader = networks
    card = classifier.card._replace(
        path_weights=fit_lines(lines, classifier, reader),
        calibration=command,
        line_reader=Path(reader.name).name if reader else "",
        line_reader_sha256=reader.card.tflite_sha256 if reader else "",
    )
    write_file(model_file(classifier.name, ".json"), card.to_json().encode())
    return card


def load_networks(model: Path, line_reader: Path | None, threads: int = 1) -> Networks:
    """The networks to calibrate; the line reader must lie in the same folder as the model.

    Raises ModelError where one of them can't be used, UsageError where they lie apart.
    """
    classifier = Classifier.load(str(model), threads)
    if classifier.card.classes != CLASS_COUNT:
        raise ModelError(f"{model} knows single digits alone; train it with --strokes")
    if line_reader and line_reader.parent.resolve() != model.parent.resolve():
        raise UsageError(f"{line_reader} must be in the folder of {model}, since it becomes a part of it")
    return Networks(classifier, LineReader.load(str(line_reader), threads) if line_reader else None)
