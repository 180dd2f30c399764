"""What everything that makes or runs a model shares: the card beside it, the scores on the card, a quiet native start.

A model NAME is three files: NAME.keras (to train on), NAME.tflite (to read with), NAME.json (the card).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from digitscan.errors import ModelError
from digitscan.schema import NORMALIZER_VERSION, NOT_A_DIGIT, PathWeights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DIGIT_COUNT = 10


def model_file(name: str | Path, suffix: str) -> Path:
    """The file of model `name` with `suffix` (`.tflite`); a dot in the name is kept, as in `digits-1.2`."""
    return Path(f"{name}{suffix}")


class DigitScore(NamedTuple):
    """How well one digit is read: fractions from 0 to 1 (0 where undefined), `n` images of it."""

    digit: int
    precision: float
    recall: float
    f1: float
    n: int


class ModelResult(NamedTuple):
    """How well a model reads a set of labelled digits.

    `confusion` is int64 (10, 11): row the true digit, column what was read, the last column no digit.
    """

    accuracy: float
    per_digit: tuple[DigitScore, ...]
    confusion: NDArray[np.int64]
    n: int

    def to_json(self) -> dict[str, Any]:
        """The result in plain lists, dicts and numbers."""
        return {
            "accuracy": self.accuracy,
            "per_digit": [score._asdict() for score in self.per_digit],
            "confusion": self.confusion.tolist(),
            "n": self.n,
        }


def score_classes(read: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]]) -> ModelResult:
    """Compare what was read, (N,) with any class, with the truth, (N,) with 0 to 9; N is at least 1."""
    columns = DIGIT_COUNT + 1
    pairs = labels.astype(np.int64) * columns + np.minimum(read, NOT_A_DIGIT)
    confusion = np.bincount(pairs, minlength=DIGIT_COUNT * columns).reshape(DIGIT_COUNT, columns)
    per_digit = tuple(_digit_score(confusion, digit) for digit in range(DIGIT_COUNT))
    return ModelResult(int(np.trace(confusion)) / len(labels), per_digit, confusion, len(labels))


def _digit_score(confusion: NDArray[np.int64], digit: int) -> DigitScore:
    right = int(confusion[digit, digit])
    true, read = int(confusion[digit].sum()), int(confusion[:, digit].sum())
    # F1 = 2 right / (true + read) is the harmonic mean of precision and recall, without their division by zero.
    return DigitScore(digit, right / max(read, 1), right / max(true, 1), 2 * right / max(true + read, 1), true)


class Tuning(NamedTuple):
    """What training a model further on corrections brought: accuracies from 0 to 1, before and after it.

    `test` is of the data set's test digits, `corrections` of the `held_out` corrected digits; `digits` were trained on,
    and `unused` numbers were not, since they were cut wrongly. `sources` are the files of corrections by name, with
    their SHA-256.
    """

    digits: int
    held_out: int
    unused: int
    test_before: float
    test_after: float
    corrections_before: float
    corrections_after: float
    sources: dict[str, str]


class ModelCard(NamedTuple):
    """Where a model comes from and how good it is; `NAME.json` holds exactly these fields."""

    name: str
    arch: str
    classes: int
    """10, or 12 with marks and wrong cuts."""
    parameters: int
    mflop: float
    """Million floating-point operations for one glyph; a multiply-add counts as two."""
    data: str
    data_sha256: str
    seed: int
    epochs: int
    """Epochs that were trained; the model is that of `best_epoch`, both count from 1."""
    best_epoch: int
    batch_size: int
    validation: float
    """Fraction of the training data that was held out to pick the epoch."""
    validation_accuracy: float
    command: str
    versions: dict[str, str]
    test_accuracy: float
    test_n: int
    per_digit: tuple[DigitScore, ...]
    normalizer_version: int
    strokes: dict[str, str]
    """The files of pen strokes that it learned from, by name, with their SHA-256."""
    tflite_sha256: str
    keras_sha256: str
    created: str
    """Date in UTC, ISO 8601."""
    complete: bool
    """False for a model that was kept when its training was interrupted."""
    start_sha256: str = ""
    """Of the `.keras` file whose weights were trained further; empty where the training began with random ones."""
    path_weights: PathWeights | None = None
    """How lattices are read with this model; None where only single digits were trained on."""
    line_reader: str = ""
    """Name of the model, beside this one, that is asked about lines; empty where there is none."""
    line_reader_sha256: str = ""
    """Of its `.tflite` file."""
    calibration: str = ""
    """The command line that fitted `path_weights`, where it was not the training's own."""
    tuning: Tuning | None = None
    """Where it was trained on corrections."""

    def to_json(self) -> str:
        """The card as the text of its file."""
        values = self._asdict() | {
            "per_digit": [score._asdict() for score in self.per_digit],
            "path_weights": self.path_weights and self.path_weights._asdict(),
            "tuning": self.tuning and self.tuning._asdict(),
        }
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Inverse of `to_json`; fields of newer versions are ignored.

        Raises ValueError, TypeError or KeyError where the text is not that of a card.
        """
        values = json.loads(text)
        known = set(cls._fields) & values.keys()
        read = {"strokes": {}} | {name: values[name] for name in known}  # The oldest cards have no strokes.
        read["per_digit"] = tuple(DigitScore(**score) for score in values["per_digit"])
        if values.get("path_weights"):
            read["path_weights"] = _path_weights(**values["path_weights"])
        line_reader = values.get("line_reader", "")
        if line_reader and line_reader != Path(line_reader).name:
            raise ValueError("a line reader lies beside the model that names it")
        if values.get("tuning"):
            read["tuning"] = Tuning(**values["tuning"])
        return cls(**read)


def _path_weights(
    digit: list[float], mark: list[float], pair: list[float], sharpness: float = 1.0, letters: float = 0.0
) -> PathWeights:
    """Weights as a file has them; raises ValueError or TypeError where one is no number."""
    digit_weights, mark_weights, pair_weights = (tuple(map(float, each)) for each in (digit, mark, pair))
    weights = PathWeights(digit_weights, mark_weights, pair_weights, float(sharpness), float(letters))
    if not all(map(isfinite, (*weights.digit, *weights.mark, *weights.pair, weights.sharpness, weights.letters))):
        raise ValueError("a weight is no number")
    return weights


def load_model(name: str | Path, suffix: str) -> tuple[bytes, ModelCard]:
    """Read model file NAME`suffix` (`.tflite` or `.keras`) and its card, and check that they belong together.

    Raises ModelError where one is missing or damaged, or made for glyphs that are normalised in another way.
    """
    path = model_file(name, suffix)
    try:
        content = path.read_bytes()
        card = ModelCard.from_json(model_file(name, ".json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"can't read model {name}: {error.filename}: {error.strerror}; give its name without suffix"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(f"{name}.json is not the card of a digitscan model; train it again") from error
    expected = {".tflite": card.tflite_sha256, ".keras": card.keras_sha256}[suffix]
    if sha256(content) != expected:
        raise ModelError(
            f"{path} is not the file that {name}.json describes (sha256 differs); copy or train both again"
        )
    if card.normalizer_version != NORMALIZER_VERSION:
        raise ModelError(
            f"model {name} was trained for normaliser version {card.normalizer_version}, "
            f"this digitscan has version {NORMALIZER_VERSION}; train it again"
        )
    return content, card


def sha256(content: bytes) -> str:
    """Checksum as it is written into cards, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def native_stderr_without(prefixes: tuple[bytes, ...]) -> Iterator[None]:
    """Hold back what is written to file descriptor 2 and pass it on at the end, without lines that start so.

    LiteRT and TensorFlow print from C++ while they start and have no Python setting against it. Nothing that
    another thread writes meanwhile is lost, only late; start no process inside, it would inherit the detour.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            kept = [line for line in held if not line.startswith(prefixes)]
            with contextlib.suppress(OSError):
                os.write(2, b"".join(kept))
