"""Runs a network's `.tflite` file with LiteRT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from digitscan.model import native_stderr_without

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Network:
    """A network ready to run. Not for several threads at once: LiteRT's interpreters aren't."""

    def __init__(self, content: bytes, threads: int) -> None:
        self._content = content
        self._threads = threads
        self._interpreters: dict[tuple[int, ...], Any] = {}

    def __getstate__(self) -> tuple[bytes, int]:
        # Another process makes interpreters of its own, and has others like it beside it.
        return self._content, 1

    def __setstate__(self, state: tuple[bytes, int]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of what the network takes and gives; -1 stands for any number.

        Raises ValueError or RuntimeError for a file that is no network.
        """
        interpreter = self._new()
        taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        return tuple(taken["shape_signature"].tolist()), tuple(given["shape_signature"].tolist())

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network makes of `inputs`. LiteRT plans its memory once for each shape: use few of them.

        Raises ValueError or RuntimeError for a shape or a file that can't be.
        """
        interpreter = self._interpreter(inputs.shape)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), np.float32)

    def _interpreter(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._interpreters:
            interpreter = self._new()
            interpreter.resize_tensor_input(0, shape, strict=True)
            # "INFO: Created TensorFlow Lite XNNPACK delegate for CPU." comes with the first one.
            with native_stderr_without((b"INFO: ",)):
                interpreter.allocate_tensors()
            self._interpreters[shape] = interpreter
        return self._interpreters[shape]

    def _new(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(model_content=self._content, num_threads=self._threads)
