"""The networks that can be trained, in Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from digitscan.schema import FRAME, GLYPH_SIZE, STRIP_HEIGHT, Arch

if TYPE_CHECKING:
    from collections.abc import Callable

_DIGIT_FRAMES = STRIP_HEIGHT // 2 // FRAME
"""Frames of a strip that a digit takes, with the paper around it, on average."""


def build(arch: Arch, classes: int, seed: int) -> Any:
    """A new network, random but for the seed.

    The line reader takes strips, float32 (N, STRIP_HEIGHT, W) from 0 to 255, and gives probabilities float32
    (N, ceil(W / FRAME), `classes`); the others take glyphs, float32 (N, 28, 28) from 0 to 255, and give (N, `classes`).
    The scaling to 0..1 is the first layer, so that no caller can get it wrong.
    """
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    shape = (STRIP_HEIGHT, None) if arch is Arch.LINE else (GLYPH_SIZE, GLYPH_SIZE)
    inputs = keras.Input(shape, name="strips" if arch is Arch.LINE else "glyphs")
    bodies: dict[Arch, Callable[[Any], Any]] = {Arch.CNN: _cnn, Arch.MLP: _mlp, Arch.LINE: _line}
    features = bodies[arch](layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(features), name=arch.value)


def _mlp(x: Any) -> Any:
    """Two hidden layers, as in the project's first README."""
    from keras import layers

    x = _flat(x)
    for _ in range(2):
        x = layers.Dense(128, activation="relu")(x)
    return x


def _cnn(x: Any) -> Any:
    """Convolutions within 10 MFLOP: few channels where the picture is large, many where it is small."""
    from keras import layers, ops

    x = ops.expand_dims(x, -1)
    x = _convolution(x, 16)
    x = _convolution(x, 32, stride=2)
    x = _convolution(x, 64, stride=2)
    x = layers.Add()([x, _convolution(x, 64)])
    x = layers.MaxPooling2D()(x)
    x = _convolution(x, 128)
    x = layers.Dropout(0.3)(_flat(x))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(192, use_bias=False)(x)))
    return layers.Dropout(0.3)(x)


def _line(x: Any) -> Any:
    """Convolutions that make a column of pixels a frame, then some along the line, so that a digit's neighbours count:
    about one of them on each side.
    """
    from keras import layers, ops

    x = ops.expand_dims(x, -1)
    x = _convolution(x, 16, stride=FRAME)
    x = _convolution(x, 32, stride=(2, 1))
    x = _convolution(x, 64, stride=(2, 1))
    x = _convolution(x, 96)
    x = _convolution(x, 160, kernel=(x.shape[1], 1), padding="valid")
    for _ in range(3):
        x = layers.Add()([x, _convolution(x, 160, kernel=(1, 5))])
    return layers.Dropout(0.2)(ops.squeeze(x, 1))


def _flat(x: Any) -> Any:
    """One vector a glyph. The layers Flatten and Reshape ask for the batch size when they run, which LiteRT does
    outside of its fast path.
    """
    from keras import ops

    return ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))


def _convolution(
    x: Any,
    channels: int,
    stride: int | tuple[int, int] = 1,
    kernel: tuple[int, int] = (3, 3),
    padding: str = "same",
) -> Any:
    """Convolution, batch norm (which the export folds into the convolution), ReLU."""
    from keras import layers

    x = layers.Conv2D(channels, kernel, strides=stride, padding=padding, use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def count_mflop(network: Any) -> float:
    """Million floating-point operations of the convolutions and dense layers for one digit; a multiply-add is two."""
    operations = 0
    for layer in network.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            positions = [_DIGIT_FRAMES if size is None else size for size in layer.output.shape[1:-1]]
            operations += 2 * int(np.prod(kernel.shape)) * int(np.prod(positions, dtype=np.int64))
    return operations / 1e6
