"""Measures how touching digits are read: pairs, triples and chains of zeros made from MNIST's test digits.

    python benchmarks/touching.py [--data FOLDER] [--count 400] [--keep DIR]

Digits written with about the same pen stand on one baseline. The boxes of neighbours overlap by 0 to 4 pixels of
MNIST's, where a digit is 20 pixels high, and by half of the narrower digit at most. A chain is kept only if all of its
ink holds together and no digit hides more than a quarter of another. Then it is enlarged to a scan with 200 dpi.
Chains of the same digits with 2 pixels of paper between them show what touching costs.
"""

from __future__ import annotations

import argparse
import csv
from itertools import product
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from strips import Strips, add_drawing_arguments, kept, percent, save, show

from digitscan.datasets import load_test
from digitscan.scan import load_reader, normalize_digit, scan
from digitscan.schema import GLYPH_SIZE, Layout, Samples, Settings
from digitscan.truth import Share

Pixels = NDArray[np.uint8]

SEED = 5

OVERLAPS = {"apart": -2, "touch0": 0, "touch1": 1, "touch2": 2, "touch3": 3, "touch4": 4}
"""Columns by which the boxes of neighbours overlap; two columns of paper where they are apart."""

KINDS = {"pairs": (2, 2, range(10)), "triples": (3, 3, range(10)), "zeros": (2, 5, [0])}
"""Least and greatest length of a chain, and its digits."""

SAME_PEN = 1.15
"""Most times that a digit's strokes may be wider than its neighbour's."""

HIDDEN = 0.25
"""Most of a digit's ink that may lie on its neighbour's: of two 1s on top of each other nobody sees both."""

INK = 128
"""Of 255: what counts as ink where it is measured whether it touches."""

SCALE = 2
"""Digits of 40 pixels: 5 mm at 200 dpi."""

PAPER, PEN, NOISE = 235, 45, 2.0
"""Grey values; the noise is a scanner's standard deviation."""


class Chain(NamedTuple):
    """Touching digits: what is written, and the ink, uint8 (H, W), bright on black."""

    text: str
    ink: Pixels


class Writer:
    """Draws digits from a data set, and makes them touch."""

    def __init__(self, digits: Samples) -> None:
        self.labels = digits.labels
        self.images = digits.images
        self.pens = np.array([_pen(image) for image in digits.images])
        self.rng = np.random.default_rng(SEED)

    def chain(self, kind: str, overlap: int) -> Chain:
        """Tries until the digits touch at this overlap; a negative one is a gap."""
        while True:
            picked = self._pick(kind)
            ink = _overlapped(self.images[picked], overlap)
            if ink is not None and (overlap < 0 or _holds_together(ink)):
                return Chain("".join(str(self.labels[index]) for index in picked), ink)

    def _pick(self, kind: str) -> NDArray[np.intp]:
        """Digits by about the same pen."""
        least, greatest, allowed = KINDS[kind]
        fitting = np.flatnonzero(np.isin(self.labels, allowed))
        first = self.rng.choice(fitting)
        ratio = self.pens[fitting] / self.pens[first]
        alike = fitting[(ratio < SAME_PEN) & (ratio > 1 / SAME_PEN)]
        return np.append(first, self.rng.choice(alike, self.rng.integers(least, greatest + 1) - 1))

    def picture(self, ink: Pixels) -> Pixels:
        """Ink on paper, uint8 (H, W), dark on light, with a margin of a digit's height."""
        large = cv2.resize(ink, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
        padded = cv2.copyMakeBorder(large, *(20 * SCALE,) * 4, cv2.BORDER_CONSTANT, value=0)
        grey = PAPER + (PEN - PAPER) * (padded / 255.0)
        return np.asarray(np.clip(np.rint(grey + self.rng.normal(0, NOISE, grey.shape)), 0, 255), np.uint8)


def _pen(cell: Pixels) -> float:
    """Width of the strokes: the area over half of the outline."""
    ink = cell / 255.0
    outline = np.abs(np.diff(ink, axis=0)).sum() + np.abs(np.diff(ink, axis=1)).sum()
    return float(2 * ink.sum() / outline)


def _overlapped(cells: Pixels, overlap: int) -> Pixels | None:
    """Digits side by side on one baseline; None where one hides too much of another."""
    side = GLYPH_SIZE
    line = np.zeros((3 * side, side * (len(cells) + 2)), np.uint8)
    right = before = side
    for cell in cells:
        x, y, width, height = cv2.boundingRect((cell >= INK).view(np.uint8))
        left = right - min(overlap, width // 2, before // 2)
        area = line[2 * side - y - height :, left - x :][:side, :side]
        hidden = (area >= INK) & (cell >= INK)
        if hidden.sum() > HIDDEN * min((part >= INK).sum() for part in (area, cell) if part.any()):
            return None
        np.maximum(area, cell, out=area)
        right, before = left + width, width
    x, y, width, height = cv2.boundingRect(line)
    return np.asarray(line[y : y + height, x : x + width], np.uint8)


def _holds_together(ink: Pixels) -> bool:
    labels, _ = cv2.connectedComponents((ink >= INK).view(np.uint8), connectivity=8)
    return int(labels) == 2


def write(folder: Path, digits: Samples, count: int) -> Path:
    """Write `count` chains of each kind and overlap, and their truth, into a folder; returns the truth's path."""
    writer = Writer(digits)
    rows = []
    for kind, (part, overlap), number in product(KINDS, OVERLAPS.items(), range(count)):
        chain = writer.chain(kind, overlap)
        name = f"{kind}-{part}-{number:04d}.png"
        cv2.imwrite(str(folder / name), writer.picture(chain.ink))
        rows.append((name, chain.text))
    truth = folder / "truth.csv"
    with truth.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "lines"), *rows])
    return truth


def measure(truth: Path, model: str | None) -> dict[str, dict[str, Share]]:
    """Chains read right, by kind and overlap."""
    reader = load_reader(model)
    strips = Strips.load(truth, truth.parent)
    settings = Settings(layout=Layout.LINE, jobs=1)
    pages = list(scan(strips.names, reader, settings))
    return {
        kind: {part: strips.named(f"{kind}-{part}").score(pages).images for part in (*OVERLAPS, "touch")}
        for kind in KINDS
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures how touching digits from MNIST's test part are read.")
    add_drawing_arguments(parser, 400, "chains of each kind and overlap")
    options = parser.parse_args()
    digits = load_test(options.data, normalize_digit)
    with kept(options.keep) as folder:
        results = measure(write(folder, digits, options.count), options.model)
    show(
        ("read right", *OVERLAPS, "touch"),
        ((kind, *map(percent, found.values())) for kind, found in results.items()),
    )
    save(
        {kind: {part: share.to_json() for part, share in found.items()} for kind, found in results.items()},
        options.json,
    )


if __name__ == "__main__":
    main()
