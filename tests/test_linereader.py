from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_classifier import write_card, write_model

from digitscan.errors import ModelError
from digitscan.linereader import LineReader
from digitscan.model import model_file, sha256
from digitscan.schema import FRAME, FRAME_CLASS_COUNT, NOTHING, STRIP_HEIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def write_line_model(folder: Path, name: str = "lines") -> str:
    """A network that looks at one frame alone: the row where the ink is says which digit it is."""
    pytest.importorskip("tensorflow")
    import keras
    import tensorflow as tf

    kernel = np.zeros((STRIP_HEIGHT, FRAME, 1, FRAME_CLASS_COUNT), np.float32)
    for digit in range(10):
        kernel[4 * digit : 4 * digit + 4, :, 0, digit] = 1
    bias = np.zeros(FRAME_CLASS_COUNT, np.float32)
    bias[NOTHING] = 2
    inputs = keras.Input((STRIP_HEIGHT, None))
    look = keras.layers.Conv2D(FRAME_CLASS_COUNT, kernel.shape[:2], strides=(1, FRAME), activation="softmax")
    x = look(keras.ops.expand_dims(keras.layers.Rescaling(1 / 255)(inputs), -1))
    network = keras.Model(inputs, keras.ops.squeeze(x, 1))
    look.set_weights([kernel, bias])
    network.export(str(folder / "saved"), verbose=False)
    content = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved")).convert()
    model_file(folder / name, ".tflite").write_bytes(content)
    write_card(folder / name, tflite_sha256=sha256(content), classes=FRAME_CLASS_COUNT, arch="line")
    return str(folder / name)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> LineReader:
    return LineReader.load(write_line_model(tmp_path_factory.mktemp("lines")))


def strip(digits: Sequence[int]) -> NDArray[np.uint8]:
    """Ink of each digit in a frame of its own."""
    pixels = np.zeros((STRIP_HEIGHT, FRAME * len(digits)), np.uint8)
    for place, digit in enumerate(digits):
        pixels[4 * digit : 4 * digit + 4, FRAME * place : FRAME * place + FRAME] = 255
    return pixels


@pytest.mark.parametrize("counts", [[1], [3, 40], [64], [65, 1, 2000], [5000], [448, 449]])
def test_every_frame_of_every_strip_is_read(reader: LineReader, counts: list[int]) -> None:
    rng = np.random.default_rng(0)
    digits = [rng.integers(0, 10, count).tolist() for count in counts]
    frames = reader([strip(each) for each in digits])
    assert [part.argmax(axis=1).tolist() for part in frames] == digits
    assert all(part.dtype == np.float32 for part in frames)
    np.testing.assert_allclose(np.concatenate(frames).sum(axis=1), 1, atol=1e-5)


def test_an_odd_column_is_a_frame_too(reader: LineReader) -> None:
    (frames,) = reader([strip([3, 5])[:, :3]])
    assert frames.argmax(axis=1)[0] == 3
    assert len(frames) == 2


def test_paper_is_nothing(reader: LineReader) -> None:
    (frames,) = reader([np.zeros((STRIP_HEIGHT, 100), np.uint8)])
    assert (frames.argmax(axis=1) == NOTHING).all()


def test_a_classifier_is_no_line_reader(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--arch line"):
        LineReader.load(write_model(tmp_path))


def test_wide_gaps_are_read_as_paper(reader: LineReader) -> None:
    pixels = np.hstack(
        [np.pad(strip([digit]), ((0, 0), (FRAME * gap, 0))) for digit, gap in ((3, 0), (5, 700), (7, 30))]
    )
    seen: list[int] = []
    network = reader._network

    def watched(tape: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(tape.shape[2])
        return network(tape)

    spy = LineReader(reader.name, reader.card, watched, reader._paper)  # type: ignore[arg-type]
    (frames,) = spy([pixels])
    expected = np.full(len(frames), NOTHING)
    expected[[0, 701, 732]] = 3, 5, 7
    assert frames.argmax(axis=1).tolist() == expected.tolist()
    assert sum(seen) <= 384
