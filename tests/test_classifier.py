from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from writing import write_card

from digitscan import classifier
from digitscan.classifier import BATCH_SIZES, Classifier
from digitscan.errors import ModelError
from digitscan.model import model_file, native_stderr_without, sha256
from digitscan.scan import load_reader

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def glyphs(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)


def write_model(folder: Path, classes: int = 10, name: str = "tiny", **changed: Any) -> str:
    """A model of one dense layer, made without any training."""
    pytest.importorskip("tensorflow")
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    inputs = keras.Input((28, 28))
    flat = keras.ops.reshape(keras.layers.Rescaling(1 / 255)(inputs), (-1, 784))
    network = keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(flat))
    network.export(str(folder / "saved"), verbose=False)
    content = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved")).convert()
    model_file(folder / name, ".tflite").write_bytes(content)
    weights = {"kernel": network.weights[0].numpy(), "bias": network.weights[1].numpy()}
    np.savez(folder / f"{name}.npz", **weights)
    write_card(folder / name, tflite_sha256=sha256(content), classes=classes, **changed)
    return str(folder / name)


def expected(name: str, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    with np.load(f"{name}.npz") as weights:
        logits = images.reshape(-1, 784) / 255 @ weights["kernel"] + weights["bias"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def copied(tiny: str, tmp_path: Path) -> str:
    for suffix in (".tflite", ".json"):
        shutil.copy(f"{tiny}{suffix}", tmp_path)
    return str(tmp_path / "tiny")


def edit_card(name: str, **changed: Any) -> None:
    path = model_file(name, ".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize("count", sorted({1, 2, *BATCH_SIZES, BATCH_SIZES[-1] + 1, 2 * BATCH_SIZES[-1] + 17}))
def test_every_number_of_glyphs_gives_the_same_probabilities(tiny: str, count: int) -> None:
    probabilities = Classifier.load(tiny)(glyphs(count))
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (count, 12)
    np.testing.assert_allclose(probabilities[:, :10], expected(tiny, glyphs(count)), atol=1e-5)
    assert not probabilities[:, 10].any()


def test_no_glyphs(tiny: str) -> None:
    assert Classifier.load(tiny)(glyphs(0)).shape == (0, 12)


def test_eleven_classes(tmp_path: Path) -> None:
    name = write_model(tmp_path, classes=12)
    np.testing.assert_allclose(Classifier.load(name, threads=2)(glyphs(3)), expected(name, glyphs(3)), atol=1e-5)


def test_nothing_on_stderr(tiny: str) -> None:
    script = f"""
import numpy, sys
from digitscan.classifier import Classifier
Classifier.load({tiny!r})(numpy.zeros((100, 28, 28), numpy.uint8))
print("own words", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "own words\n")


def test_what_others_write_to_stderr_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with native_stderr_without((b"INFO: ",)):
        subprocess.run(["sh", "-c", "echo INFO: noise >&2; echo INFORM >&2; printf 'no line end' >&2"], check=True)
    assert capfd.readouterr().err == "INFORM\nno line end"


def test_import_is_cheap() -> None:
    script = "import sys, digitscan.classifier; print([m for m in sys.modules if m.split('.')[0] in sys.argv[1:]])"
    heavy = ["ai_edge_litert", "tensorflow", "keras", "cv2", "pandas"]
    done = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_checkouts_own_model_is_the_default(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "digitscan").mkdir()
    monkeypatch.setattr(classifier, "__file__", str(tmp_path / "digitscan" / "classifier.py"))
    with pytest.raises(ModelError, match="digits"):
        Classifier.load(None)
    for folder in ("models", "digitscan/models"):
        (tmp_path / folder).mkdir()
        for suffix in (".tflite", ".json"):
            shutil.copy(f"{tiny}{suffix}", tmp_path / folder / f"digits{suffix}")
        assert Classifier.load(None).name == str(tmp_path / folder / "digits")


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="without suffix"):
        Classifier.load(str(tmp_path / "absent"))


def test_missing_card(copied: str) -> None:
    model_file(copied, ".json").unlink()
    with pytest.raises(ModelError, match=r"tiny\.json"):
        Classifier.load(copied)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"per_digit": [1]}', '{"per_digit": []}', "\xff"])
def test_card_that_is_none(copied: str, text: str) -> None:
    model_file(copied, ".json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match="not the card of a digitscan model"):
        Classifier.load(copied)


@pytest.mark.parametrize(
    "changed",
    [
        {"line_reader": "../tiny"},
        {"line_reader": 3},
        {"line_reader": ["tiny"]},
        {"path_weights": {"digit": ["x"], "mark": [], "pair": []}},
        {"path_weights": {"digit": [float("nan")], "mark": [], "pair": []}},
        {"path_weights": 1},
    ],
)
def test_card_with_odd_values(copied: str, changed: dict[str, Any]) -> None:
    edit_card(copied, **changed)
    with pytest.raises(ModelError, match="not the card of a digitscan model"):
        Classifier.load(copied)


def test_card_that_nests_deeply(copied: str) -> None:
    model_file(copied, ".json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="not the card of a digitscan model"):
        Classifier.load(copied)


def test_card_with_too_few_weights(copied: str) -> None:
    edit_card(copied, line_reader="", path_weights={"digit": [1.0], "mark": [1.0], "pair": [1.0]})
    with pytest.raises(ModelError, match="path weights"):
        load_reader(copied)


def test_card_of_another_file(copied: str) -> None:
    with model_file(copied, ".tflite").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="sha256"):
        Classifier.load(copied)


def test_model_for_another_normaliser(copied: str) -> None:
    edit_card(copied, normalizer_version=99)
    with pytest.raises(ModelError, match="normaliser version 99"):
        Classifier.load(copied)


def test_card_that_counts_other_classes(copied: str) -> None:
    edit_card(copied, classes=12)
    with pytest.raises(ModelError, match="classes"):
        Classifier.load(copied)


def test_file_that_is_no_tflite(copied: str) -> None:
    model_file(copied, ".tflite").write_bytes(b"no model at all, but its checksum is right")
    edit_card(copied, tflite_sha256=sha256(model_file(copied, ".tflite").read_bytes()))
    with pytest.raises(ModelError, match="no network"):
        Classifier.load(copied)


def test_network_that_reads_lines(copied: str) -> None:
    content = model_file(Path(__file__).parents[1] / "models" / "digits-line", ".tflite").read_bytes()
    model_file(copied, ".tflite").write_bytes(content)
    edit_card(copied, tflite_sha256=sha256(content))
    with pytest.raises(ModelError, match="28x28"):
        Classifier.load(copied)
