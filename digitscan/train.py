"""Labelled glyphs -> NAME.keras, NAME.tflite and the card NAME.json. The only module that needs TensorFlow."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
import time
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from digitscan import __version__
from digitscan.courses import glyph_course, join_films, strip_course
from digitscan.errors import Interrupted, ModelError, OutputError, UsageError
from digitscan.fit import fit_lines
from digitscan.model import (
    DIGIT_COUNT,
    ModelCard,
    ModelResult,
    Tuning,
    load_model,
    model_file,
    native_stderr_without,
    score_classes,
    sha256,
)
from digitscan.networks import build, count_mflop
from digitscan.schema import (
    CLASS_COUNT,
    FRAME_CLASS_COUNT,
    GLYPH_SIZE,
    NORMALIZER_VERSION,
    NOT_A_DIGIT,
    UNCERTAIN,
    Arch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from digitscan.candidates import Lessons
    from digitscan.corrections import CorrectedDigits
    from digitscan.courses import Course
    from digitscan.datasets import Dataset
    from digitscan.schema import Samples

    Predictor = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

NO_TENSORFLOW = "training needs TensorFlow: pip install 'digitscan[train]'"
NO_STROKES = "a line reader learns from lines that are written for it: it needs --strokes"

WORSE = 0.001
"""How much less of the test digits a model may read after it learned from corrections."""

PREDICT_BATCH = 500
NATIVE_NOISE = (b"WARNING: All log messages before absl", b"I0000 ", b"W0000 ")
"""What TensorFlow's C++ part prints at its start, whatever its log level."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained: Adam with decoupled weight decay (Loshchilov and Hutter 2019), a linear warm-up and
    half a cosine down to 0 (2017), label smoothing (Szegedy et al. 2016), and an exponential moving average of the
    weights and of the batch-norm statistics, which is the model that is kept (Polyak and Juditsky 1992).
    """

    epochs: int
    batch_size: int
    learning_rate: float
    augmented: bool = False
    warmup: float = 0.0
    """Part of all steps."""
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    average_decay: float = 0.0
    """What is kept of the average at each step; 0 is no averaging."""
    extra_share: float = 2.0
    """Candidates of synthetic lines in an epoch for each digit of the data set; other ones in each epoch."""


RECIPES = {
    Arch.CNN: Recipe(
        epochs=60,
        batch_size=128,
        learning_rate=3e-3,
        augmented=True,
        warmup=0.05,
        weight_decay=0.02,
        label_smoothing=0.05,
        average_decay=0.999,
    ),
    Arch.MLP: Recipe(epochs=30, batch_size=128, learning_rate=1e-3),
    Arch.LINE: Recipe(
        epochs=10,
        batch_size=16,
        learning_rate=2e-3,
        augmented=True,
        warmup=0.05,
        weight_decay=0.02,
        average_decay=0.999,
    ),
}


def fine_tuning(recipe: Recipe) -> Recipe:
    """To train a model further: fewer and smaller steps, and less of what it has seen a lot of."""
    return replace(recipe, epochs=12, learning_rate=recipe.learning_rate / 3, extra_share=recipe.extra_share / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What `digitscan train` is asked to do; None takes the recipe's value."""

    output: Path
    """The model's NAME: path without suffix."""
    arch: Arch = Arch.CNN
    epochs: int | None = None
    batch_size: int | None = None
    seed: int = 1
    validation: float = 0.05
    """Fraction of the training data that is held out to pick the epoch; above 0 and below 1."""
    keep_partial: bool = False
    start: Path | None = None
    """NAME of a model whose weights are trained further; None begins with random ones."""
    allow_worse: bool = False
    """Write the model even if it unlearned from corrections what it knew."""
    command: str = ""
    """The command line, for the card."""


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One line of the training's table; `epoch` counts from 1, `best` says that it is the best one so far."""

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float
    best: bool


class Observer(Protocol):
    """Who wants to see the training go on."""

    def batch(self, epoch: int, step: int, steps: int, loss: float, accuracy: float) -> None:
        """After each step (from 1) of `steps` in the epoch (from 1); means over the epoch so far."""

    def epoch(self, result: EpochResult) -> None:
        """After each epoch."""

    def tuned(self, tuning: Tuning, source: str) -> None:
        """After all epochs, where corrections were trained on; `source` names the data set."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of a training: the best epoch's averaged network, and whether all epochs were trained."""

    network: Any
    epochs: int
    best: EpochResult
    complete: bool


def train(
    options: TrainOptions,
    dataset: Dataset,
    observer: Observer,
    lessons: Lessons | None = None,
    corrected: CorrectedDigits | None = None,
) -> ModelCard:
    """Train a model on the data set's training part, measure it once on its test part, write its three files.

    With `lessons` from synthetic lines it learns all classes and how to read a lattice, else the ten digits. With
    `corrected` digits a model is trained further; where it then reads the test part worse by more than `WORSE`, it is
    written under another name, NAME-worse, and ModelError is raised.

    The same seed, data and versions give the same model on the same machine; another processor or number of cores
    adds up in another order, and the rounding drifts apart. On KeyboardInterrupt the best model so far is kept with
    `keep_partial`; else Interrupted is raised and nothing is written. Raises UsageError without TensorFlow or for
    options that can't be, OutputError where the files can't be written.
    """
    recipe = _recipe(options)
    _start_tensorflow()
    classes = FRAME_CLASS_COUNT if options.arch is Arch.LINE else CLASS_COUNT if lessons else DIGIT_COUNT
    if corrected and classes == DIGIT_COUNT:
        corrected = corrected.digits_alone()
    course = _course(dataset, lessons, corrected, recipe, options)
    # Made before the training: a folder that can't be written to is reported before the hours of work.
    with _output_errors(options.output):
        staging = _staging_folder(options.output)
    with staging as folder:
        try:
            network = build(options.arch, classes, options.seed)
            if options.start:
                _take_weights(network, options.start)
            before = _accuracies(network, dataset, corrected) if corrected else None
            fitted = fit(network, recipe, course, options.seed, observer, options.keep_partial)
            tuning = _tuning(before, fitted.network, dataset, corrected) if corrected and before else None
            if tuning:
                observer.tuned(tuning, dataset.source)
            output = _worse_name(options) if tuning and _is_refused(tuning, options) else options.output
            with _output_errors(output):
                card = _export(fitted, recipe, options, dataset, lessons, tuning, Path(folder))
                _publish(Path(folder) / options.output.name, output)
        except KeyboardInterrupt:
            message = "training was stopped; nothing was written (--keep-partial keeps the best epoch)"
            raise Interrupted(message) from None
    if tuning and output != options.output:
        raise ModelError(
            f"{options.output} reads {tuning.test_after:.2%} of the test digits of {dataset.source} instead of "
            f"{tuning.test_before:.2%}, so it is kept as {output}; --allow-worse writes it all the same"
        )
    return card


def _accuracies(network: Any, dataset: Dataset, corrected: CorrectedDigits) -> tuple[float, float]:
    """On the test digits of the data set, and on the corrected glyphs that were held out."""
    predict = predictor(network)

    def accuracy(samples: Samples) -> float:
        read = np.minimum(predict(samples.images).argmax(axis=1), NOT_A_DIGIT)
        return float(np.mean(read == samples.labels))

    return accuracy(dataset.test), accuracy(corrected.held_out)


def _tuning(before: tuple[float, float], network: Any, dataset: Dataset, corrected: CorrectedDigits) -> Tuning:
    after = _accuracies(network, dataset, corrected)
    return Tuning(
        digits=len(corrected.training.labels),
        held_out=len(corrected.held_out.labels),
        unused=corrected.unused,
        test_before=before[0],
        test_after=after[0],
        corrections_before=before[1],
        corrections_after=after[1],
        sources=corrected.sources,
    )


def _is_refused(tuning: Tuning, options: TrainOptions) -> bool:
    # Rounded, since 0.9927 - 0.9917 is a little more than 0.001.
    return round(tuning.test_before - tuning.test_after, 9) > WORSE and not options.allow_worse


def _worse_name(options: TrainOptions) -> Path:
    return options.output.with_name(f"{options.output.name}-worse")


def check(options: TrainOptions, corrected: CorrectedDigits | None, strokes: Sequence[Path]) -> None:
    """Raise what `train` would raise for these options, before any work is done for it."""
    _recipe(options)
    if corrected and (options.arch is Arch.LINE or not options.start):
        raise UsageError("corrections are for a model that reads digits already: name it with --from")
    if options.start:
        _, card = load_model(options.start, ".keras")
        if card.strokes and not strokes:
            # Tried on a part of MNIST: of the cheque amounts that were read before, one in twenty was lost.
            raise UsageError(
                f"{options.start} has learned from lines of writing, and would forget what is no digit: "
                f"give --strokes as for its training ({', '.join(card.strokes)})"
            )
    if find_spec("tensorflow") is None:
        raise UsageError(NO_TENSORFLOW)
    with _output_errors(options.output):
        _staging_folder(options.output).cleanup()


def _recipe(options: TrainOptions) -> Recipe:
    recipe = RECIPES[options.arch]
    recipe = fine_tuning(recipe) if options.start else recipe
    recipe = replace(recipe, epochs=options.epochs or recipe.epochs, batch_size=options.batch_size or recipe.batch_size)
    if recipe.epochs < 1 or recipe.batch_size < 1 or not 0 < options.validation < 1:
        raise UsageError("--epochs and --batch-size must be at least 1, --validation above 0 and below 1")
    return recipe


def _course(
    dataset: Dataset,
    lessons: Lessons | None,
    corrected: CorrectedDigits | None,
    recipe: Recipe,
    options: TrainOptions,
) -> Course:
    if options.arch is Arch.LINE:
        if lessons is None:
            raise UsageError(NO_STROKES)
        return strip_course(*lessons.strips, options.validation, options.seed)
    candidates = lessons.candidates if lessons else None
    share, augmented = recipe.extra_share, recipe.augmented
    return glyph_course(
        dataset.train,
        candidates,
        options.validation,
        share,
        options.seed,
        augmented=augmented,
        corrected=corrected.training if corrected else None,
    )


# --- the training ---


def fit(
    network: Any,
    recipe: Recipe,
    course: Course,
    seed: int,
    observer: Observer,
    keep_partial: bool = False,
) -> Fitted:
    """Train `network`; the best epoch is the one whose average has the least loss on the validation part. This is the
    loss that is trained for: cross-entropy with labels that aren't smoothed rises from the middle of a training on.

    KeyboardInterrupt ends it early with `keep_partial` and at least one epoch done; else it is passed on.
    """
    trainer = _Trainer(network, recipe, course)
    generator = np.random.default_rng(seed)
    best: EpochResult | None = None
    weights, complete, epoch = None, True, 0
    try:
        for epoch in range(1, recipe.epochs + 1):
            result = trainer.epoch(epoch, best, generator, observer)
            if result.best:
                best, weights = result, trainer.averaged.get_weights()
            observer.epoch(result)
    except KeyboardInterrupt:
        if not keep_partial or best is None:
            raise
        epoch, complete = epoch - 1, False
    assert best is not None, "a recipe has at least one epoch"
    trainer.averaged.set_weights(weights)
    return Fitted(trainer.averaged, epoch, best, complete)


class _Trainer:
    """A network in training, and the average of its weights."""

    def __init__(self, network: Any, recipe: Recipe, course: Course) -> None:
        import keras
        import tensorflow as tf

        self.recipe = recipe
        self.course = course
        self.batch_size = min(recipe.batch_size, course.size)
        self.steps = course.size // self.batch_size
        self.network = network
        self.averaged = keras.models.clone_model(network)
        self.averaged.set_weights(network.get_weights())
        self.predict = predictor(self.averaged)
        self._optimizer = _optimizer(recipe, recipe.epochs * self.steps)
        self._step = tf.function(self._gradient_step)

    def epoch(
        self,
        epoch: int,
        best: EpochResult | None,
        generator: np.random.Generator,
        observer: Observer,
    ) -> EpochResult:
        """Go through one epoch's samples in a random order, then measure the average on the validation part."""
        started = time.monotonic()
        loss = accuracy = 0.0
        for step, (images, labels) in enumerate(self.course.batches(self.batch_size, generator), start=1):
            sums = self._step(images, labels)
            loss += (float(sums[0]) - loss) / step
            accuracy += (float(sums[1]) - accuracy) / step
            observer.batch(epoch, step, self.steps, loss, accuracy)
        validation_loss, validation_accuracy = self._validate()
        better = best is None or validation_loss < best.validation_loss
        return EpochResult(
            epoch,
            self.recipe.epochs,
            loss,
            accuracy,
            validation_loss,
            validation_accuracy,
            time.monotonic() - started,
            better,
        )

    def _validate(self) -> tuple[float, float]:
        """Loss and accuracy of the average where the label is certain."""
        inputs, labels = self.course.validation
        known = labels != UNCERTAIN
        probabilities, truth = self.predict(inputs)[known], labels[known]
        accuracy = float(np.mean(probabilities.argmax(axis=1) == truth))
        return float(np.mean(self._loss(truth, probabilities))), accuracy

    def _gradient_step(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """One step of the optimiser and of the average; runs as a TensorFlow graph. Mean loss and accuracy."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            probabilities = self.network(tf.cast(images, tf.float32), training=True)
            known = tf.cast(labels != UNCERTAIN, tf.float32)
            count = tf.maximum(tf.reduce_sum(known), 1.0)
            loss = tf.reduce_sum(known * self._loss(labels, probabilities)) / count
        variables = self.network.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        # Young averages look back less far, so that the random start is soon forgotten.
        step = tf.cast(self._optimizer.iterations, tf.float32)
        rate = 1 - tf.minimum(self.recipe.average_decay, (1 + step) / (10 + step))
        rate = rate if self.recipe.average_decay else 1.0
        for average, weight in zip(self.averaged.weights, self.network.weights, strict=True):
            average.assign(average + rate * (weight - average))
        right = tf.equal(tf.argmax(probabilities, axis=-1, output_type=tf.int32), tf.cast(labels, tf.int32))
        return loss, tf.reduce_sum(tf.cast(right, tf.float32)) / count

    def _loss(self, labels: Any, probabilities: Any) -> Any:
        import keras
        import tensorflow as tf

        truth = tf.one_hot(labels, probabilities.shape[-1])
        return keras.losses.categorical_crossentropy(truth, probabilities, label_smoothing=self.recipe.label_smoothing)


def _optimizer(recipe: Recipe, steps: int) -> Any:
    import keras

    rate: Any = recipe.learning_rate
    if recipe.warmup:
        warmup = int(recipe.warmup * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps - warmup, warmup_target=recipe.learning_rate, warmup_steps=warmup
        )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    # Decay is for kernels; a shift or a batch norm's scale near 0 is no simpler a model.
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


# --- models as files ---


def predictor(network: Any) -> Predictor:
    """`network` as a function of its input as uint8 that gives probabilities as float32."""
    import tensorflow as tf

    compiled = tf.function(
        lambda inputs: network(tf.cast(inputs, tf.float32), training=False),
        input_signature=[tf.TensorSpec(network.input_shape, tf.uint8)],
    )

    def predict(inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        starts = range(0, max(len(inputs), 1), PREDICT_BATCH)
        return np.concatenate([compiled(inputs[start : start + PREDICT_BATCH]).numpy() for start in starts])

    return predict


def _take_weights(network: Any, start: Path) -> None:
    """Begin with the weights of model `start`, which must be of the same kind."""
    try:
        network.set_weights(_load_network(str(start)).get_weights())
    except ValueError as error:
        raise UsageError(
            f"{start} is another network, or learned other classes; --from takes one of the same"
        ) from error


def load_keras(name: str) -> Predictor:
    """Read NAME.keras as a function of uint8 (N, 28, 28) that gives float32 (N, 12); what it doesn't know is 0.

    Raises ModelError where it or its card is missing or damaged, UsageError without TensorFlow.
    """
    network = _load_network(name)
    if network.input_shape[1:] != (GLYPH_SIZE, GLYPH_SIZE) or network.output_shape[-1] not in (
        DIGIT_COUNT,
        CLASS_COUNT,
    ):
        raise ModelError(f"{name}.keras does not read glyphs; train it again")
    predict = predictor(network)

    def padded(glyphs: NDArray[np.uint8]) -> NDArray[np.float32]:
        known = predict(glyphs)
        return np.pad(known, ((0, 0), (0, CLASS_COUNT - known.shape[1])))

    return padded


_UNREADABLE = (
    *(ValueError, TypeError, OSError, KeyError, AttributeError, IndexError, ImportError, RuntimeError, EOFError),
    zipfile.BadZipFile,
)
"""What Keras raises for files that aren't what they should be."""


def _load_network(name: str) -> Any:
    _, card = load_model(name, ".keras")
    _start_tensorflow()
    import keras

    try:
        # In safe mode no code that a file holds is run.
        network = keras.models.load_model(model_file(name, ".keras"), compile=False, safe_mode=True)
    except _UNREADABLE as error:
        raise ModelError(f"{name}.keras is not a model that this Keras reads; train it again") from error
    if network.output_shape[-1] != card.classes:
        raise ModelError(f"{name}.keras has other classes than {name}.json says; train it again")
    return network


def _export(
    fitted: Fitted,
    recipe: Recipe,
    options: TrainOptions,
    dataset: Dataset,
    lessons: Lessons | None,
    tuning: Tuning | None,
    folder: Path,
) -> ModelCard:
    """Write the three files into `folder`."""
    name = folder / options.output.name
    tflite = _convert(fitted.network, folder)
    model_file(name, ".tflite").write_bytes(tflite)
    fitted.network.save(model_file(name, ".keras"))
    predict = predictor(fitted.network)
    result = _test(predict, options.arch, dataset, lessons)
    card = ModelCard(
        name=options.output.name,
        arch=options.arch.value,
        classes=fitted.network.output_shape[-1],
        parameters=fitted.network.count_params(),
        mflop=count_mflop(fitted.network),
        data=dataset.source,
        data_sha256=dataset.sha256,
        seed=options.seed,
        epochs=fitted.epochs,
        best_epoch=fitted.best.epoch,
        batch_size=recipe.batch_size,
        validation=options.validation,
        validation_accuracy=fitted.best.validation_accuracy,
        command=options.command,
        start_sha256=load_model(options.start, ".keras")[1].keras_sha256 if options.start else "",
        versions=_versions(),
        test_accuracy=result.accuracy,
        test_n=result.n,
        per_digit=result.per_digit,
        normalizer_version=NORMALIZER_VERSION,
        path_weights=fit_lines(lessons.lines, predict) if lessons and options.arch is not Arch.LINE else None,
        strokes=lessons.sources if lessons else {},
        tuning=tuning,
        tflite_sha256=sha256(tflite),
        keras_sha256=sha256(model_file(name, ".keras").read_bytes()),
        created=datetime.now(UTC).date().isoformat(),
        complete=fitted.complete,
    )
    model_file(name, ".json").write_text(card.to_json(), encoding="utf-8")
    return card


def _test(predict: Predictor, arch: Arch, dataset: Dataset, lessons: Lessons | None) -> ModelResult:
    """The test digits of the data set; for a line reader those of the lines that no network has seen."""
    if arch is not Arch.LINE or lessons is None:
        return score_classes(predict(dataset.test.images).argmax(axis=1), dataset.test.labels)
    strips, frames = [line.strip for line in lessons.lines], [line.frames for line in lessons.lines]
    films, labels = join_films(strips, frames, np.random.default_rng(0))
    digits = labels < DIGIT_COUNT
    return score_classes(predict(films)[digits].argmax(axis=1), labels[digits])


def _convert(network: Any, folder: Path) -> bytes:
    """The network for LiteRT: float32, batch norms folded, any number of glyphs; `folder` is for its work."""
    import tensorflow as tf

    saved = str(folder / "saved_model")
    with native_stderr_without(NATIVE_NOISE):
        network.export(saved, verbose=False)
        return bytes(tf.lite.TFLiteConverter.from_saved_model(saved).convert())


def _versions() -> dict[str, str]:
    import keras
    import tensorflow as tf

    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "digitscan": __version__,
    }


def _staging_folder(output: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder beside the target, gone afterwards: what is in it can be moved over the target at once."""
    output.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent)


@contextlib.contextmanager
def _output_errors(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"can't write model {output}: {error.strerror or error}") from error


def _publish(made: Path, output: Path) -> None:
    """Move the files over the target; the card last, since a model is one only with its card."""
    for suffix in (".keras", ".tflite", ".json"):
        model_file(made, suffix).replace(model_file(output, suffix))


def _start_tensorflow() -> None:
    """Import TensorFlow quietly and make it repeat itself."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with native_stderr_without(NATIVE_NOISE):
            import tensorflow as tf
    except ImportError as error:
        raise UsageError(NO_TENSORFLOW) from error
    tf.config.experimental.enable_op_determinism()
