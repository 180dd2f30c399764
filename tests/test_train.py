from __future__ import annotations

import json
import sys
from base64 import b64encode
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner
from writing import write_card

from digitscan.augment import augment
from digitscan.calibrate import calibrate, load_networks
from digitscan.candidates import Lessons, StripSamples
from digitscan.classifier import Classifier
from digitscan.cli import app
from digitscan.corrections import CorrectedDigits
from digitscan.courses import glyph_course
from digitscan.datasets import Dataset
from digitscan.errors import Interrupted, ModelError, NoInputError, OutputError, UsageError
from digitscan.linereader import LineReader
from digitscan.model import ModelCard, Tuning, model_file, sha256
from digitscan.networks import build, count_mflop
from digitscan.scan import load_reader
from digitscan.schema import FRAME, NOT_A_DIGIT, NOTHING, STRIP_HEIGHT, WRONG_CUT, Arch, LabelledLine, Lattice, Samples
from digitscan.train import EpochResult, TrainOptions, check, load_keras, train

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIXES = (".keras", ".tflite", ".json")


@dataclass
class Recorder:
    """Notes what it is told; interrupts after `stop_after` batches."""

    stop_after: int = 1000
    batches: list[tuple[int, int, int]] = field(default_factory=list)
    epochs: list[EpochResult] = field(default_factory=list)
    tunings: list[tuple[Tuning, str]] = field(default_factory=list)

    def batch(self, epoch: int, step: int, steps: int, loss: float, accuracy: float) -> None:
        assert np.isfinite(loss)
        assert 0 <= accuracy <= 1
        self.batches.append((epoch, step, steps))
        if len(self.batches) >= self.stop_after:
            raise KeyboardInterrupt

    def epoch(self, result: EpochResult) -> None:
        self.epochs.append(result)

    def tuned(self, tuning: Tuning, source: str) -> None:
        self.tunings.append((tuning, source))


def bars(count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Glyphs that are easy to tell apart: a bright bar whose row says which digit it is."""
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = np.zeros((count, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 + 2 * label : 6 + 2 * label, 4:24] = 255
    return images, labels


def dataset() -> Dataset:
    return Dataset(Samples(*bars(200)), Samples(*bars(30)), source="bars", sha256="0" * 64)


def lesson(text: str) -> LabelledLine:
    """A line of bars that stand apart, each a candidate, and all pairs of neighbours wrong cuts."""
    images = bars(10)[0]
    glyphs = [images[int(char)] for char in text]
    strip = np.zeros((STRIP_HEIGHT, 28 * len(text)), np.uint8)
    strip[6:34] = np.hstack(glyphs)
    frames = np.full(strip.shape[1] // FRAME, NOTHING, np.uint8)
    for place, char in enumerate(text):
        frames[14 * place + 6 : 14 * place + 8] = int(char)
    edges = [(start, start + size) for start in range(len(text)) for size in (1, 2) if start + size <= len(text)]
    boxes = [(28 * start + 4, 0, 28 * (stop - start) - 8, 20) for start, stop in edges]
    both = [np.maximum(images[int(text[start])], images[int(text[stop - 1])][::-1]) for start, stop in edges]
    lattice = Lattice(
        np.array(edges, np.int32),
        np.array(boxes, np.int32),
        np.ones(len(edges), np.bool_),
        np.zeros(len(edges), np.float32),
        np.array([14 * (start + stop) for start, stop in edges], np.float32),
        np.array([14 * (stop - start) - 4 for start, stop in edges], np.float32),
        20.0,
        np.eye(2, 3),
        np.empty(0, np.float32),
    )
    inks = [glyphs[start] if stop == start + 1 else pair for (start, stop), pair in zip(edges, both, strict=True)]
    labels = [int(text[start]) if stop == start + 1 else WRONG_CUT for start, stop in edges]
    return LabelledLine(lattice, np.stack(inks), *(np.array(labels, np.uint8),) * 2, strip, frames, text)


def lessons() -> Lessons:
    lines = [lesson("".join(np.random.default_rng(seed).choice(list("0123456789"), 6))) for seed in range(200)]
    candidates = Samples(
        np.concatenate([line.glyphs for line in lines]), np.concatenate([line.labels for line in lines])
    )
    strips = StripSamples([line.strip for line in lines], [line.frames for line in lines])
    return Lessons(candidates, strips, lines[:60], {"bars.npz": "1" * 64})


def options(output: Path, **changed: object) -> TrainOptions:
    base = TrainOptions(
        output=output, arch=Arch.MLP, epochs=2, batch_size=20, validation=0.2, command="digitscan train"
    )
    return replace(base, **changed)  # type: ignore[arg-type]


def require_tensorflow() -> None:
    pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelCard, Recorder]:
    require_tensorflow()
    output, recorder = tmp_path_factory.mktemp("mlp") / "new" / "bars-1.0", Recorder()
    return output, train(options(output, epochs=12), dataset(), recorder), recorder


def test_three_files_and_nothing_else(mlp: tuple[Path, ModelCard, Recorder]) -> None:
    output, _, _ = mlp
    assert {path.name for path in output.parent.iterdir()} == {f"bars-1.0{suffix}" for suffix in SUFFIXES}


def test_card(mlp: tuple[Path, ModelCard, Recorder]) -> None:
    output, card, recorder = mlp
    text = model_file(output, ".json").read_text(encoding="utf-8")
    assert ModelCard.from_json(text) == card
    assert json.loads(text)["per_digit"][3]["n"] == 3
    assert (card.name, card.arch, card.classes, card.epochs, card.complete) == ("bars-1.0", "mlp", 10, 12, True)
    assert (card.data, card.data_sha256, card.test_n) == ("bars", "0" * 64, 30)
    assert card.parameters == 785 * 128 + 129 * 128 + 129 * 10
    assert card.mflop == pytest.approx(2 * (784 * 128 + 128 * 128 + 128 * 10) / 1e6)
    assert card.tflite_sha256 == sha256(model_file(output, ".tflite").read_bytes())
    best = min(recorder.epochs, key=lambda epoch: epoch.validation_loss)
    assert (card.best_epoch, card.validation_accuracy) == (best.epoch, best.validation_accuracy)


def test_a_card_that_is_older_than_the_strokes(mlp: tuple[Path, ModelCard, Recorder]) -> None:
    output, card, _ = mlp
    values = json.loads(model_file(output, ".json").read_text(encoding="utf-8"))
    del values["strokes"]
    assert ModelCard.from_json(json.dumps(values)) == card


def test_it_learns_and_all_runtimes_agree(mlp: tuple[Path, ModelCard, Recorder]) -> None:
    output, card, _ = mlp
    images, labels = bars(30)
    lite, keras = Classifier.load(str(output))(images), load_keras(str(output))(images)
    np.testing.assert_allclose(lite, keras, atol=1e-5)
    assert card.test_accuracy == np.mean(lite.argmax(axis=1) == labels) == 1


def test_observer_sees_every_batch_and_epoch(mlp: tuple[Path, ModelCard, Recorder]) -> None:
    _, _, recorder = mlp
    assert recorder.batches == [(epoch, step, 8) for epoch in range(1, 13) for step in range(1, 9)]
    assert [result.epoch for result in recorder.epochs] == list(range(1, 13))
    assert recorder.epochs[0].best


def test_cnn_trains_within_its_budget(tmp_path: Path) -> None:
    require_tensorflow()
    card = train(options(tmp_path / "cnn", arch=Arch.CNN, epochs=1), dataset(), Recorder())
    assert card.mflop <= 10
    images = bars(30)[0]
    expected = load_keras(str(tmp_path / "cnn"))(images)
    np.testing.assert_allclose(Classifier.load(str(tmp_path / "cnn"))(images), expected, atol=1e-4)


def test_cnn_with_the_class_not_a_digit_keeps_the_budget() -> None:
    require_tensorflow()
    network = build(Arch.CNN, 12, seed=1)
    assert network.output.shape == (None, 12)
    assert count_mflop(network) <= 10


def test_same_seed_same_model(tmp_path: Path) -> None:
    require_tensorflow()
    outputs = []
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        train(options(tmp_path / name, seed=seed), dataset(), Recorder())
        outputs.append(Classifier.load(str(tmp_path / name))(bars(30)[0]))
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])


def test_interrupt_leaves_nothing(tmp_path: Path) -> None:
    require_tensorflow()
    (tmp_path / "bars.json").write_text("the model before")
    with pytest.raises(Interrupted):
        train(options(tmp_path / "bars"), dataset(), Recorder(stop_after=12))
    assert [path.name for path in tmp_path.iterdir()] == ["bars.json"]
    assert (tmp_path / "bars.json").read_text() == "the model before"


def test_interrupt_keeps_the_best_epoch_if_asked_to(tmp_path: Path) -> None:
    require_tensorflow()
    card = train(options(tmp_path / "bars", keep_partial=True), dataset(), Recorder(stop_after=12))
    assert (card.complete, card.epochs, card.best_epoch) == (False, 1, 1)
    assert len(list(tmp_path.iterdir())) == 3


def test_interrupt_before_there_is_anything_to_keep(tmp_path: Path) -> None:
    require_tensorflow()
    with pytest.raises(Interrupted):
        train(options(tmp_path / "bars", keep_partial=True), dataset(), Recorder(stop_after=3))
    assert not list(tmp_path.iterdir())


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    require_tensorflow()
    (tmp_path / "file").write_text("in the way")
    recorder = Recorder()
    with pytest.raises(OutputError, match="file"):
        train(options(tmp_path / "file" / "bars"), dataset(), recorder)
    assert not recorder.batches


@pytest.mark.parametrize("changed", [{"epochs": -1}, {"batch_size": -1}, {"validation": 0.0}, {"validation": 1.0}])
def test_options_that_cannot_be(tmp_path: Path, changed: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--"):
        train(options(tmp_path / "bars", **changed), dataset(), Recorder())


def test_without_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(UsageError, match=r"pip install 'digitscan\[train\]'"):
        train(options(tmp_path / "bars"), dataset(), Recorder())
    assert not list(tmp_path.iterdir())


def test_keras_model_without_card(mlp: tuple[Path, ModelCard, Recorder], tmp_path: Path) -> None:
    (tmp_path / "bars.keras").write_bytes(model_file(mlp[0], ".keras").read_bytes())
    with pytest.raises(ModelError, match=r"bars\.json"):
        load_keras(str(tmp_path / "bars"))


def test_augmentation_is_seeded_and_keeps_the_glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.zeros((50, 28, 28), np.uint8)
    images[:, 6:22, 12:16] = 255
    augmented = augment(images, np.random.default_rng(1))
    assert (augmented.shape, augmented.dtype) == (images.shape, np.uint8)
    np.testing.assert_array_equal(augmented, augment(images, np.random.default_rng(1)))
    ink = augmented.sum(axis=(1, 2), dtype=np.int64) / images[0].sum(dtype=np.int64)
    assert 0.4 < ink.min() < 1 < ink.max() < 2
    assert len(np.unique(augmented.reshape(50, -1), axis=0)) == 50
    monkeypatch.setattr("digitscan.augment.WARP_BATCH", 7)
    assert augment(images, np.random.default_rng(1)).shape == images.shape


def test_augmentation_does_not_mix_neighbours() -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    images[1] = 255
    for seed in range(20):
        augmented = augment(images, np.random.default_rng(seed))
        assert not augmented[0].any()
        assert not augmented[2].any()


def test_a_model_is_trained_further(mlp: tuple[Path, ModelCard, Recorder], tmp_path: Path) -> None:
    start, before, _ = mlp
    recorder = Recorder()
    card = train(options(tmp_path / "further", start=start, epochs=1), dataset(), recorder)
    assert card.start_sha256 == before.keras_sha256
    # One epoch from random weights would not do.
    assert card.test_accuracy >= before.test_accuracy - 0.1
    assert recorder.epochs[0].accuracy > 0.5


def turned(labels: NDArray[np.uint8], count: int = 200) -> CorrectedDigits:
    """Bars that stand upright, which the data set has none of, with these labels for 0 to 9, and a mark."""
    images = bars(count)[0].transpose(0, 2, 1)
    digits = Samples(images, labels[np.arange(count) % 10])
    mark = Samples(np.full((1, 28, 28), 255, np.uint8), np.array([NOT_A_DIGIT], np.uint8))
    training = Samples(*(np.concatenate(pair) for pair in zip(digits, mark, strict=True)))
    return CorrectedDigits(training, digits.take(np.arange(count // 10)), 3, {"c.json": "2" * 64})


def test_a_model_learns_from_corrections(mlp: tuple[Path, ModelCard, Recorder], tmp_path: Path) -> None:
    recorder, corrected = Recorder(), turned(np.arange(10, dtype=np.uint8))
    changes: dict[str, object] = {"start": mlp[0], "epochs": 12}
    card = train(options(tmp_path / "mine", **changes), dataset(), recorder, corrected=corrected)
    assert card.tuning
    assert (card.tuning.digits, card.tuning.held_out, card.tuning.unused) == (200, 20, 3)
    assert card.tuning.corrections_after > card.tuning.corrections_before + 0.3
    assert card.tuning.test_after >= card.tuning.test_before - 0.001
    assert recorder.tunings == [(card.tuning, "bars")]
    assert Classifier.load(str(tmp_path / "mine")).card.tuning == card.tuning
    read = Classifier.load(str(tmp_path / "mine"))(corrected.held_out.images).argmax(axis=1)
    assert np.mean(read == corrected.held_out.labels) == card.tuning.corrections_after


def test_a_model_that_unlearned_is_kept_under_another_name(
    mlp: tuple[Path, ModelCard, Recorder], tmp_path: Path
) -> None:
    shifted = ((np.arange(10) + 1) % 10).astype(np.uint8)
    wrong = turned(shifted)._replace(training=Samples(bars(1000)[0], shifted[np.arange(1000) % 10]))
    changes: dict[str, object] = {"start": mlp[0], "epochs": 6}
    with pytest.raises(ModelError, match="--allow-worse") as error:
        train(options(tmp_path / "mine", **changes), dataset(), Recorder(), corrected=wrong)
    assert "\n" not in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == {f"mine-worse{suffix}" for suffix in SUFFIXES}
    assert Classifier.load(str(tmp_path / "mine-worse"))
    changes["allow_worse"] = True
    card = train(options(tmp_path / "mine", **changes), dataset(), Recorder(), corrected=wrong)
    assert card.tuning
    assert card.tuning.test_after < card.tuning.test_before


def test_the_command_takes_corrections_beside_the_data(mlp: tuple[Path, ModelCard, Recorder], tmp_path: Path) -> None:
    images, labels = bars(100)
    np.savez(tmp_path / "bars.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    glyph = b64encode(cv2.imencode(".png", images[7].T)[1].tobytes()).decode()
    entry = {"file": "a.png", "page": "1", "line": "1", "number": "1", "text": "1", "corrected": "7", "glyphs": glyph}
    (tmp_path / "c.json").write_text(json.dumps({"corrections": [entry] * 10}))
    data = ["--data", str(tmp_path / "bars.npz"), "--data", str(tmp_path / "c.json")]
    command = ["train", "--arch", "mlp", "--epochs", "2", "--from", str(mlp[0]), *data, "-o", str(tmp_path / "mine")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    card = json.loads((tmp_path / "mine.json").read_text())
    assert (card["tuning"]["digits"], card["tuning"]["held_out"]) == (8, 2)
    assert list(card["tuning"]["sources"]) == ["c.json"]


@pytest.mark.parametrize("changed", [{}, {"start": "mlp", "arch": Arch.LINE}])
def test_corrections_are_for_a_model_that_reads_digits(tmp_path: Path, changed: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--from"):
        check(options(tmp_path / "mine", **changed), turned(np.arange(10, dtype=np.uint8)), ())


def test_what_was_learned_from_lines_is_not_to_be_forgotten(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--strokes as for its training \(bars\.npz\)"):
        check(options(tmp_path / "mine", start=pair[0]), turned(np.arange(10, dtype=np.uint8)), ())
    check(options(tmp_path / "mine", start=pair[0]), turned(np.arange(10, dtype=np.uint8)), [Path("bars.npz")])


def test_corrections_without_digits_teach_a_model_of_digits_nothing(
    mlp: tuple[Path, ModelCard, Recorder], tmp_path: Path
) -> None:
    marks = turned(np.full(10, NOT_A_DIGIT, np.uint8))
    with pytest.raises(NoInputError, match=r"c\.json"):
        train(options(tmp_path / "mine", start=mlp[0]), dataset(), Recorder(), corrected=marks)


def test_few_corrected_glyphs_are_seen_several_times_an_epoch() -> None:
    digits, corrected = Samples(*bars(1000)), turned(np.arange(10, dtype=np.uint8), 10).training
    course = glyph_course(digits, None, 0.2, 0.0, 1, augmented=False, corrected=corrected)
    images = np.concatenate([images for images, _ in course.batches(1, np.random.default_rng(0))])
    times = (images[:, None] == corrected.images).all(axis=(2, 3)).sum(axis=0)
    assert times.tolist() == [7] * 11  # A tenth of 800 digits are 80.
    assert not (course.validation[0][:, None] == corrected.images).all(axis=(2, 3)).any()


def test_another_network_is_no_start(mlp: tuple[Path, ModelCard, Recorder], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another network"):
        train(options(tmp_path / "further", start=mlp[0], arch=Arch.CNN), dataset(), Recorder())
    assert not any(tmp_path.iterdir())


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and a line reader beside it."""
    require_tensorflow()
    folder = tmp_path_factory.mktemp("pair")
    changes: dict[str, object] = {"batch_size": 4, "epochs": 4, "arch": Arch.LINE}
    train(options(folder / "bars-line", **changes), dataset(), Recorder(), lessons())
    train(options(folder / "bars", epochs=4), dataset(), Recorder(), lessons())
    return folder / "bars", folder / "bars-line"


def test_a_line_reader_is_measured_on_lines(pair: tuple[Path, Path]) -> None:
    card = LineReader.load(str(pair[1])).card
    assert (card.arch, card.classes, card.path_weights) == ("line", 11, None)
    assert card.strokes == {"bars.npz": "1" * 64}
    assert 0 < card.test_n <= 2 * 6 * 60


def test_a_line_reader_needs_strokes(tmp_path: Path) -> None:
    require_tensorflow()
    with pytest.raises(UsageError, match="--strokes"):
        train(options(tmp_path / "lines", arch=Arch.LINE), dataset(), Recorder())


def test_calibration_joins_a_model_and_its_line_reader(pair: tuple[Path, Path]) -> None:
    model, line_reader = pair
    before = load_reader(str(model))
    assert before.read_strips is None
    card = calibrate(load_networks(model, line_reader), lessons().lines, "digitscan calibrate")
    assert (card.line_reader, card.calibration) == ("bars-line", "digitscan calibrate")
    after = load_reader(str(model))
    assert isinstance(after.read_strips, LineReader)
    assert card.path_weights
    assert tuple(after.weights.digit) == card.path_weights.digit != tuple(before.weights.digit)
    again = calibrate(load_networks(model, None), lessons().lines, "digitscan calibrate")
    assert (again.line_reader, load_reader(str(model)).read_strips) == ("", None)


def test_another_line_reader_than_the_calibrated_one(pair: tuple[Path, Path]) -> None:
    model, line_reader = pair
    card = calibrate(load_networks(model, line_reader), lessons().lines, "digitscan calibrate")
    model_file(model, ".json").write_text(card._replace(line_reader_sha256="0" * 64).to_json())
    with pytest.raises(ModelError, match="digitscan calibrate"):
        load_reader(str(model))


def test_what_cannot_be_calibrated(pair: tuple[Path, Path], mlp: tuple[Path, ModelCard, Recorder]) -> None:
    model, line_reader = pair
    with pytest.raises(ModelError, match="--strokes"):
        load_networks(mlp[0], None)
    with pytest.raises(ModelError, match="--arch line"):
        load_networks(model, model)
    with pytest.raises(UsageError, match="folder"):
        load_networks(model, line_reader.parent.parent / "elsewhere")


# --- models of others ---


def saved(name: Path, network: Any, classes: int) -> str:
    """A network and a card that fits it."""
    network.save(f"{name}.keras")
    write_card(name, keras_sha256=sha256(model_file(name, ".keras").read_bytes()), classes=classes)
    return str(name)


def test_code_in_a_model_is_not_run(tmp_path: Path) -> None:
    import keras

    mark = str(tmp_path / "run")
    inputs = keras.Input((28, 28))
    harmful = keras.layers.Lambda(lambda x: (open(mark, "w").close(), x)[1])(inputs)  # noqa: PTH123
    network = keras.Model(inputs, keras.layers.Dense(12)(keras.layers.Flatten()(harmful)))
    Path(mark).unlink()
    with pytest.raises(ModelError, match="not a model that this Keras reads"):
        load_keras(saved(tmp_path / "m", network, 12))
    assert not Path(mark).exists()


@pytest.mark.parametrize(
    ("shape", "classes", "said"), [((28, 28), 11, "other classes"), ((5, 5), 12, "does not read glyphs")]
)
def test_a_network_of_another_shape(tmp_path: Path, shape: tuple[int, int], classes: int, said: str) -> None:
    import keras

    inputs = keras.Input(shape)
    network = keras.Model(inputs, keras.layers.Dense(12)(keras.layers.Flatten()(inputs)))
    with pytest.raises(ModelError, match=said):
        load_keras(saved(tmp_path / "m", network, classes))


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\3\4"])
def test_a_file_that_is_no_keras_model(tmp_path: Path, content: bytes) -> None:
    model_file(tmp_path / "m", ".keras").write_bytes(content)
    write_card(tmp_path / "m", keras_sha256=sha256(content))
    with pytest.raises(ModelError, match="not a model that this Keras reads"):
        load_keras(str(tmp_path / "m"))
