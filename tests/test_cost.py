"""What a page costs, counted rather than timed: a slow machine is no failure, and a costly change is one.

The limits are what was counted, and a margin. Raise one only for what is worth its cost; lower it after a saving.
"""

from __future__ import annotations

import sys
from collections import Counter
from types import BuiltinFunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from writing import PAPER, noisy, write_page

from digitscan.linereader import LineReader
from digitscan.scan import page_glyphs
from digitscan.schema import FRAME, FRAME_CLASS_COUNT, NOTHING, Page, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MARGIN = 1.2

DIGITS = 50
COUNTED = {
    "pixels given to OpenCV, a pixel of the page": 3.95,
    "calls of OpenCV, a digit": 5.1,
    "calls of functions, a digit": 198,
    "candidates, a digit": 1.18,
    "columns that the line reader sees, a digit": 41,
}


def a4_page() -> NDArray[np.uint8]:
    """Ten lines of a number on the left and one on the right, as a scanner gives them at 300 dpi."""
    numbers = [(f"{row * 7919 % 1000:03d}", f"{row * 31 % 100:02d}") for row in range(10)]
    page = np.full((3508, 2480), PAPER, np.uint8)
    for side, x in enumerate((200, 1400)):
        written = write_page([pair[side] for pair in numbers], 50, margin=200).pixels
        page[: written.shape[0], x : x + written.shape[1]] = written
    return noisy(page, 2)


@pytest.fixture(scope="module")
def counted() -> dict[str, float]:
    """What reading the page took."""
    counts: Counter[str] = Counter()

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted_function(*arguments: Any, **options: Any) -> Any:
            counts["calls"] += 1
            counts["pixels"] += sum(each.size for each in arguments if isinstance(each, np.ndarray))
            return function(*arguments, **options)

        return counted_function

    def network(tape: NDArray[np.float32]) -> NDArray[np.float32]:
        counts["columns"] += tape.shape[2]
        return np.tile(paper, (1, tape.shape[2] // FRAME, 1))

    def profile(_frame: object, event: str, _argument: object) -> None:
        counts["functions"] += event in ("call", "c_call")

    paper = np.eye(FRAME_CLASS_COUNT, dtype=np.float32)[NOTHING]
    card: Any = SimpleNamespace()
    page, read_strips = a4_page(), LineReader("counting", card, network, paper)  # type: ignore[arg-type]
    page_glyphs(Page("a4.png", 1, page), Settings(), read_strips)  # What is done once in a process is not a page's.
    with pytest.MonkeyPatch.context() as patch:
        sys.setprofile(profile)
        try:
            page_glyphs(Page("a4.png", 1, page), Settings(), read_strips)
        finally:
            sys.setprofile(None)
        for name, function in vars(cv2).items():
            if isinstance(function, BuiltinFunctionType):
                patch.setattr(cv2, name, counting(function))
        counts["columns"] = 0
        found = page_glyphs(Page("a4.png", 1, page), Settings(), read_strips)
    figures = (
        counts["pixels"] / page.size,
        *(count / DIGITS for count in (counts["calls"], counts["functions"], len(found.glyphs), counts["columns"])),
    )
    return dict(zip(COUNTED, figures, strict=True))


@pytest.mark.parametrize("what", COUNTED)
def test_a_page_costs_no_more_than_it_did(what: str, counted: dict[str, float]) -> None:
    assert counted[what] <= MARGIN * COUNTED[what]
