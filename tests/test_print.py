"""Printed text without digits gives no number that is taken for sure."""

from __future__ import annotations

from pathlib import Path

import pytest

import digitscan

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(
    not (ROOT / "models" / "digits.tflite").is_file(), reason="models/digits.tflite isn't there: it is trained first"
)
def test_a_printed_letter_gives_no_sure_number() -> None:
    frame = digitscan.classify(str(ROOT / "sample_images" / "printed-page.png"))
    assert frame[frame.status == "ok"].text.tolist() == []
