"""Compares the number formats that a network can be stored in: what they read right, and how fast.

    python benchmarks/formats.py TRUTH.csv FOLDER [--model models/digits] [--data MNIST] [--half even|odd] [--json FILE]

Needs TensorFlow, which converts the `.keras` files. The ranges of int8 are taken from what the networks are given for
the first of the strips.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from strips import Strips, add_arguments, chosen, percent, save, show

from digitscan.classifier import Classifier
from digitscan.datasets import load_test
from digitscan.model import ModelCard, load_model, model_file, sha256
from digitscan.scan import load_reader, normalize_digit, scan
from digitscan.schema import Layout, Samples, Settings
from digitscan.truth import TruthResult

Floats = NDArray[np.float32]
Inputs = list[Floats]

SETTINGS = Settings(layout=Layout.LINE, jobs=1)
STRIPS_FOR_RANGES, MOST_INPUTS = 50, 200


class Row(NamedTuple):
    """A format's figures: bytes of both files, share of the test digits, the strips, and seconds for each of these."""

    size: int
    test: float
    strips: TruthResult
    test_seconds: float
    strips_seconds: float


def float32(_: Any, __: Inputs) -> None:
    """As it was trained, and as it is shipped."""


def float16(converter: Any, _: Inputs) -> None:
    """Weights of half the length, made longer again when they are loaded."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def int8(converter: Any, inputs: Inputs) -> None:
    """Weights and activations of eight bits; the ends of the network stay float32."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([one] for one in inputs)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]


FORMATS: dict[str, Callable[[Any, Inputs], None]] = {"float32": float32, "float16": float16, "int8": int8}


def inputs_of(model: str, files: Sequence[str]) -> tuple[Inputs, Inputs]:
    """What the classifier and the line reader are given while these files are read."""
    reader = load_reader(model)
    assert isinstance(reader.classify, Classifier)
    seen: tuple[Inputs, Inputs] = [], []
    for part, inputs in zip((reader.classify, reader.read_strips), seen, strict=True):
        part._network = _recording(part._network, inputs)  # type: ignore[union-attr, assignment]
    list(scan(files, reader, SETTINGS))
    return seen


def _recording(network: Callable[[Floats], Floats], inputs: Inputs) -> Callable[[Floats], Floats]:
    def record(batch: Floats) -> Floats:
        inputs.extend(islice((one[None] for one in batch), MOST_INPUTS - len(inputs)))
        return network(batch)

    return record


def convert(name: Path, adapt: Callable[[Any, Inputs], None], inputs: Inputs, folder: Path) -> ModelCard:
    """Write a model in another format into a folder."""
    _, card = load_model(name, ".keras")
    with tempfile.TemporaryDirectory() as saved:
        keras.models.load_model(model_file(name, ".keras"), compile=False, safe_mode=True).export(saved, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        adapt(converter, inputs)
        content = bytes(converter.convert())
    model_file(folder / name.name, ".tflite").write_bytes(content)
    return card._replace(tflite_sha256=sha256(content))


def models(name: Path, folder: Path, files: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The model and its line reader in each format."""
    line_reader = name.with_name(load_model(name, ".tflite")[1].line_reader)
    glyphs, windows = inputs_of(str(name), files[:STRIPS_FOR_RANGES])
    for format_, adapt in FORMATS.items():
        own = folder / format_
        own.mkdir()
        line_card = convert(line_reader, adapt, windows, own)
        card = convert(name, adapt, glyphs, own)._replace(line_reader_sha256=line_card.tflite_sha256)
        for made, its_card in ((name, card), (line_reader, line_card)):
            model_file(own / made.name, ".json").write_text(its_card.to_json(), encoding="utf-8")
        yield format_, own / name.name


def measure(model: Path, digits: Samples, strips: Strips) -> Row:
    """Read the test digits, and the strips, in this process."""
    reader = load_reader(str(model))
    images, labels = digits
    reader.classify(images[:64])
    started = perf_counter()
    right = float((reader.classify(images).argmax(axis=1) == labels).mean())
    between = perf_counter()
    pages = list(scan(strips.names, reader, SETTINGS))
    seconds = between - started, perf_counter() - between
    size = sum(path.stat().st_size for path in model.parent.glob("*.tflite"))
    return Row(size, right, strips.score(pages), *seconds)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compares the number formats of networks.")
    add_arguments(parser)
    parser.add_argument(
        "--model", type=Path, default=Path("models/digits"), metavar="NAME", help="default: %(default)s"
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="MNIST's IDX files; default: downloaded by Keras")
    options = parser.parse_args()
    strips, digits = chosen(options), load_test(options.data, normalize_digit)
    with tempfile.TemporaryDirectory() as folder:
        rows = {
            name: measure(model, digits, strips)
            for name, model in models(options.model, Path(folder), list(strips.names))
        }
    base = rows["float32"]
    show(
        ("format", "MB", "test digits", "amounts", "digits", "time of test digits", "of strips"),
        (
            (
                name,
                f"{row.size / 1e6:.2f}",
                f"{row.test:.2%}",
                percent(row.strips.images),
                percent(row.strips.digits),
                f"{row.test_seconds / base.test_seconds:.2f}",
                f"{row.strips_seconds / base.strips_seconds:.2f}",
            )
            for name, row in rows.items()
        ),
    )
    save({name: row._replace(strips=row.strips.to_json())._asdict() for name, row in rows.items()}, options.json)


if __name__ == "__main__":
    main()
