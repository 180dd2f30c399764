"""Measures how numbers on whole pages are read: tables, forms, notes and letters written with MNIST's test digits.

    python benchmarks/pages.py [--data FOLDER] [--count 24] [--keep DIR]

A number is right if it is a row of the report by itself, with all its digits and no other; a number in boxes, too.
Every page has its own pen, print, paper, light, resolution and JPEG quality; the same pages are made in every run.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from strips import add_drawing_arguments, kept, percent, save, show

from digitscan.datasets import load_test
from digitscan.scan import load_reader, normalize_digit, scan
from digitscan.schema import PageNumbers, Samples, Settings
from digitscan.truth import Share

Floats = NDArray[np.floating]
Colour = tuple[float, float, float]

SEED = 11
PENS: tuple[Colour, ...] = ((40, 30, 30), (120, 50, 30), (30, 30, 30), (90, 40, 40))
PRINTS: tuple[Colour, ...] = (
    *((60, 60, 60), (150, 150, 150), (0, 0, 0)),
    *((200, 130, 60), (60, 120, 230), (90, 170, 90)),
)

TABLES: tuple[Colour, ...] = ((60, 80, 120), (40, 40, 40), (120, 150, 180), (90, 90, 90))


class Scan(NamedTuple):
    """The most that a kind of page is spoilt when it is scanned or photographed."""

    turn: float = 2.0
    """Degrees."""
    aside: float = 0.0
    """How far corners are moved by a camera that looks from aside, as a share of the shorter side."""
    shadow: float = 0.3
    blur: float = 1.2
    noise: float = 6.0
    quality: int = 50
    """The least of a JPEG file."""


class Sheet:
    """A page in the making: float32 (H, W, 3), and the numbers that are written on it."""

    def __init__(self, shape: tuple[int, int], paper: Colour, digits: Samples, rng: np.random.Generator) -> None:
        self.light = np.ones((*shape, 3), np.float32) * np.array(paper, np.float32)
        self.numbers: list[str] = []
        self.rng = rng
        self._digits = digits

    def uniform(self, low: float, high: float) -> float:
        """A number between two."""
        return float(self.rng.uniform(low, high))

    def number(self, count: int, x: float, y: float, height: float, pen: Colour, gap: float = 0.2) -> float:
        """Write so many digits, and return where they end."""
        text = ""
        for index in self.rng.integers(0, len(self._digits.labels), count):
            x += self._digit(self._digits.images[index], x, y + self.rng.normal(0, 0.05) * height, height, pen)
            x += self.uniform(0.5, 1.5) * gap * height
            text += str(self._digits.labels[index])
        self.numbers.append(text)
        return x

    def _digit(self, image: NDArray[np.uint8], x: float, y: float, height: float, pen: Colour) -> int:
        left, top, width, rows = cv2.boundingRect((image > 40).view(np.uint8))
        high = max(6, round(height * self.uniform(0.9, 1.1)))
        size = max(2, round(width * high / rows)), high
        method = cv2.INTER_CUBIC if high > rows else cv2.INTER_AREA
        cover = cv2.resize(image[top : top + rows, left : left + width] / 255, size, interpolation=method)
        self._take_ink(np.clip(cover, 0, 1) * self.uniform(0.85, 1), round(x), round(y), pen)
        return size[0]

    def rules(self, ends: Iterable[tuple[float, float, float, float]], colour: Colour, width: int = 1) -> None:
        """Print straight lines, each from x, y to x, y."""
        cover = self._blank()
        for line in ends:
            x, y, to_x, to_y = map(round, line)
            cv2.line(cover, (x, y), (to_x, to_y), 255, width, cv2.LINE_AA)
        self._take_ink(cover / 255, 0, 0, colour)

    def grid(self, x: Floats, y: Floats, colour: Colour, width: int) -> None:
        """Print rules at all these columns and rows."""
        upright, level = [(each, y[0], each, y[-1]) for each in x], [(x[0], each, x[-1], each) for each in y]
        self.rules([*upright, *level], colour, width)

    def label(self, words: str, x: float, y: float, size: float, colour: Colour) -> None:
        """Print one of some words."""
        word = words.split()[self.rng.integers(len(words.split()))]
        cover, thickness = self._blank(), max(1, round(size / 14))
        cv2.putText(cover, word, (round(x), round(y)), cv2.FONT_HERSHEY_SIMPLEX, size / 30, 255, thickness, cv2.LINE_AA)
        self._take_ink(cover / 255, 0, 0, colour)

    def lie_on(self, ground: Colour) -> None:
        """Put the sheet on a table of that colour, with some grain."""
        height, width = self.light.shape[:2]
        above, below, left, right = (round(self.uniform(0.03, 0.15) * width) for _ in range(4))
        size = width + left + right, height + above + below
        grain = self.rng.normal(0, 14, (size[1] // 60, size[0] // 160)).astype(np.float32)
        table = cv2.resize(grain, size, interpolation=cv2.INTER_CUBIC)[:, :, None] + np.array(ground, np.float32)
        table[above : above + height, left : left + width] = self.light
        self.light = table

    def _blank(self) -> NDArray[np.uint8]:
        return np.zeros(self.light.shape[:2], np.uint8)

    def _take_ink(self, cover: Floats, x: int, y: int, pen: Colour) -> None:
        part = self.light[max(0, y) : y + cover.shape[0], max(0, x) : x + cover.shape[1]]
        own = cover[max(0, -y) :, max(0, -x) :][: part.shape[0], : part.shape[1], None]
        part += own * (np.array(pen, np.float32) - part)

    def scanned(self, limits: Scan, scale: float) -> NDArray[np.uint8]:
        """The page as an image file has it, uint8 (H, W, 3)."""
        height, width = self.light.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        aside = self.rng.uniform(-limits.aside, limits.aside, (4, 2)) * min(height, width)
        view = cv2.getPerspectiveTransform(corners, (corners + aside).astype(np.float32))
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), self.uniform(-limits.turn, limits.turn), 1.0)
        view = np.diag([scale, scale, 1.0]) @ np.vstack([turn, [0, 0, 1]]) @ view
        light = cv2.GaussianBlur(self.light, (0, 0), 0.35 / scale) if scale < 1 else self.light
        size = round(width * scale), round(height * scale)
        light = cv2.warpPerspective(light, view, size, borderMode=cv2.BORDER_REPLICATE)
        light *= self._shade(light.shape, self.uniform(0, limits.shadow))
        light = cv2.GaussianBlur(light, (0, 0), self.uniform(0.1, limits.blur))
        light += self.rng.normal(0, self.uniform(1, limits.noise), light.shape)
        quality = round(self.uniform(limits.quality, 90))
        _, data = cv2.imencode(".jpg", np.clip(light, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    def _shade(self, shape: tuple[int, ...], depth: float) -> Floats:
        """A shadow with an edge, and corners that are a little darker."""
        y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
        angle = self.uniform(0, 2 * np.pi)
        edge = (x * np.cos(angle) + y * np.sin(angle) - self.uniform(-0.5, 0.5)) / self.uniform(0.02, 0.5)
        return ((1 - depth / (1 + np.exp(-edge))) * (1 - 0.15 * depth * (x**2 + y**2)))[:, :, None]


def notes(sheet: Sheet) -> None:
    """Numbers in rows on plain, ruled or squared paper."""
    pen, pitch, kind = PENS[sheet.rng.integers(4)], sheet.uniform(60, 110), sheet.rng.integers(3)
    rows, columns = np.arange(40, 1400, pitch), np.arange(30, 1000, pitch)
    level, upright = [(0, row, 1000, row) for row in rows], [(column, 0, column, 1400) for column in columns]
    sheet.rules([*level[: len(level) * (kind > 0)], *upright[: len(upright) * (kind > 1)]], (210, 170, 140), 2)
    height = pitch * sheet.uniform(0.6, 0.85)
    for row in rows[1 :: 1 if kind == 1 else 2]:
        x = sheet.uniform(60, 200)
        while x < 700:
            count = min(int(sheet.rng.integers(2, 7)), int((980 - x) / height))  # No more than there is room for.
            x = sheet.number(count, x, row - height - 4, height, pen) + sheet.uniform(2, 3) * height


def lying_notes(sheet: Sheet) -> None:
    """Such notes on a table of wood or stone."""
    notes(sheet)
    sheet.lie_on(TABLES[sheet.rng.integers(len(TABLES))])


def form(sheet: Sheet) -> None:
    """A number in boxes in each row, one digit a box, beside a printed label."""
    pen, colour = PENS[sheet.rng.integers(4)], PRINTS[sheet.rng.integers(len(PRINTS))]
    y = 80.0
    while y < 1080:
        cell, boxes, left = sheet.uniform(44, 60), sheet.rng.integers(3, 9), sheet.uniform(250, 400)
        sheet.label("Name Date Number Total Meter Account", 40, y + 0.7 * cell, 22, colour)
        apart, width = 6 * sheet.rng.integers(2), int(sheet.rng.integers(1, 4))
        for start in left + np.arange(boxes) * (cell + apart):
            sheet.grid(np.array([start, start + cell]), np.array([y, y + cell]), colour, width)
        height, before = cell * sheet.uniform(0.6, 0.8), len(sheet.numbers)
        for start in left + np.arange(sheet.rng.integers(1, boxes + 1)) * (cell + apart):
            sheet.number(1, start + cell * sheet.uniform(0.2, 0.4), y + (cell - height) / 2, height, pen)
        sheet.numbers[before:] = ["".join(sheet.numbers[before:])]
        y += cell * sheet.uniform(1.4, 2)


def marks(sheet: Sheet) -> None:
    """Marks with one or two digits in a red grid, in red."""
    colour = (sheet.uniform(60, 150), sheet.uniform(60, 150), sheet.uniform(190, 235))
    pen = (sheet.uniform(20, 70), sheet.uniform(20, 70), sheet.uniform(150, 210))
    _table(sheet, (sheet.uniform(90, 150), sheet.uniform(60, 90)), colour, pen, "Q No Part Sum", 2)


def scores(sheet: Sheet) -> None:
    """Scores with one to three digits in a dark grid, in pencil."""
    pencil = sheet.uniform(105, 165)
    cell = sheet.uniform(90, 140), sheet.uniform(45, 70)
    _table(sheet, cell, (60, 60, 60), (pencil,) * 3, "Anna Ben Round Hole Par Sum", 3)


def shaded(sheet: Sheet) -> None:
    """Numbers with one to three digits in a grey grid, every second row of which is shaded."""
    pen, cell = PENS[sheet.rng.integers(4)], (sheet.uniform(90, 140), sheet.uniform(45, 70))
    _table(sheet, cell, (90, 90, 90), pen, "Anna Ben Round Hole Par Sum", 3, sheet.uniform(0.7, 0.95))


def circled(sheet: Sheet) -> None:
    """Marks with one or two digits, each alone, with a ring around it, or underlined twice; all in red."""
    pen = (sheet.uniform(20, 70), sheet.uniform(20, 70), sheet.uniform(170, 220))
    y = 70.0
    while y < 1100:
        height = sheet.uniform(40, 60)
        for place in (60, 380, 700):
            if sheet.rng.random() < 0.7:
                x = place + sheet.uniform(0, 60)
                end = sheet.number(int(sheet.rng.integers(1, 3)), x, y, height, pen, 0.15)
                _stress(sheet, x, y, end - x, height, pen)
        y += 2.6 * height


def _stress(sheet: Sheet, x: float, y: float, width: float, height: float, pen: Colour) -> None:
    """Draw a ring around a number, two lines under it, or nothing."""
    way = sheet.rng.integers(3)
    if way == 0:
        middle, radii = (x + width / 2, y + height / 2), (width / 2 + 0.45 * height, 0.95 * height)
        turns = np.radians(np.linspace(0, sheet.uniform(345, 375), 100))
        points = np.column_stack([np.cos(turns) * radii[0], np.sin(turns) * radii[1]]) + middle
        sheet.rules([(*start, *end) for start, end in pairwise(points)], pen, 3)
    elif way == 1:
        for below in (1.15, 1.32):
            slant = sheet.uniform(-4, 4)
            sheet.rules([(x - 5, y + below * height, x + width + 5, y + below * height + slant)], pen, 3)


def _table(
    sheet: Sheet,
    cell: tuple[float, float],
    colour: Colour,
    pen: Colour,
    words: str,
    longest: int,
    shade: float = 1.0,
) -> None:
    width, high = cell
    columns, rows = np.arange(50, 950, width), np.arange(50, 1100, high)
    for low, end in zip(rows[1::2], rows[2::2], strict=False):
        sheet.light[round(low) : round(end), 50 : round(columns[-1])] *= shade
    sheet.grid(columns, rows, colour, int(sheet.rng.integers(1, 4)))
    for column in columns[:-1]:
        sheet.label(words, column + 5, rows[0] + 0.65 * high, 18, colour)
    for row in rows[1:-1]:
        for column in columns[:-1]:
            height = high * sheet.uniform(0.5, 0.7)
            count = sheet.rng.integers(1, longest + 1)
            while (0.75 * count + 0.4) * height > width:  # No more than there is room for.
                count -= 1
            if count and sheet.rng.random() < 0.7:
                place = row + (high - height) / 2 + sheet.rng.normal(0, 0.05) * high
                sheet.number(count, column + width * sheet.uniform(0.08, 0.16), place, height, pen, 0.12)


def ledger(sheet: Sheet) -> None:
    """An old book: brown ink on stained paper, four ruled columns, the next page showing through."""
    pen = (sheet.uniform(30, 60), sheet.uniform(45, 75), sheet.uniform(60, 100))
    stains = sheet.rng.normal(0, sheet.uniform(3, 10), (40, 34)).astype(np.float32)
    sheet.light += cv2.resize(stains, sheet.light.shape[1::-1], interpolation=cv2.INTER_CUBIC)[:, :, None]
    pitch = sheet.uniform(60, 95)
    rows, columns = np.arange(80, 1180, pitch), np.array([20.0, 180, 520, 800])
    pale = tuple(0.93 * float(value) for value in sheet.light[0, 0])
    behind = len(sheet.numbers)
    for row in rows[1:]:
        sheet.number(4, sheet.uniform(200, 700), row - 0.3 * pitch, 0.6 * pitch, (pale[0], pale[1], pale[2]))
    del sheet.numbers[behind:]
    sheet.rules([(0, row, 1000, row) for row in rows], (120, 140, 150))
    sheet.rules([(column, 0, column, 1200) for column in columns[1:]], (90, 100, 120), 2)
    for row in rows[1:]:
        height = pitch * sheet.uniform(0.5, 0.7)
        for column, longest in zip(columns, (2, 4, 4, 3), strict=True):
            if sheet.rng.random() < 0.8:
                count = sheet.rng.integers(1, longest + 1)
                sheet.number(count, column + sheet.uniform(8, 25), row - height - 3, height, pen, 0.12)


def letter(sheet: Sheet) -> None:
    """A postal code on an envelope."""
    height = sheet.uniform(45, 90)
    sheet.number(5, sheet.uniform(60, 300), sheet.uniform(80, 250), height, PENS[sheet.rng.integers(4)])


class Kind(NamedTuple):
    """How a kind of page is written and spoilt, its size and paper, and the scales that it is scanned in."""

    write: Callable[[Sheet], None]
    shape: tuple[int, int]
    paper: Colour
    scales: tuple[float, float]
    limits: Scan


KINDS = {
    "notes, photographed": Kind(notes, (1400, 1000), (225, 225, 225), (0.6, 1.5), Scan(4, 0.04, 0.55, 1.5)),
    "form, in boxes": Kind(form, (1200, 1000), (245, 245, 245), (0.6, 1.8), Scan(quality=60)),
    "marks, red in red": Kind(marks, (1200, 1000), (240, 240, 242), (0.6, 1.8), Scan()),
    "scores, in pencil": Kind(scores, (1200, 1000), (238, 240, 242), (0.7, 2.0), Scan(blur=1.0, quality=60)),
    "ledger, old": Kind(ledger, (1200, 1000), (165, 200, 220), (0.6, 1.8), Scan(shadow=0.4, quality=40)),
    "lying notes, photographed": Kind(lying_notes, (1400, 1000), (225, 225, 225), (0.6, 1.5), Scan(4, 0.04, 0.55, 1.5)),
    "marks alone, circled": Kind(circled, (1200, 1000), (240, 240, 240), (0.6, 1.6), Scan()),
    "table, shaded": Kind(shaded, (1200, 1000), (240, 240, 240), (0.7, 2.0), Scan(blur=1.0, quality=60)),
    "postal code": Kind(letter, (420, 900), (170, 195, 210), (0.4, 1.6), Scan(6, 0, 0.4, 1.5, 8, 40)),
}


def write(folder: Path, kind: str, digits: Samples, count: int) -> dict[str, list[str]]:
    """Write `count` pages of a kind into a folder; returns the numbers on each, by its path."""
    rng, own = np.random.default_rng(SEED), KINDS[kind]
    written = {}
    for number in range(count):
        sheet = Sheet(own.shape, own.paper, digits, rng)
        own.write(sheet)
        path = folder / f"{kind.split(',')[0].replace(' ', '-')}-{number:03d}.png"
        cv2.imwrite(str(path), sheet.scanned(own.limits, sheet.uniform(*own.scales)))
        written[str(path)] = sheet.numbers
    return written


def measure(written: dict[str, list[str]], model: str | None) -> tuple[Share, Share]:
    """Numbers that were read as such, of those written and of those that were given."""
    right = given = 0
    for page in scan(written, load_reader(model), Settings()):
        found = Counter(number.text for number in page.numbers) if isinstance(page, PageNumbers) else Counter()
        right += (found & Counter(written[page.file])).total()
        given += found.total()
    return Share(right, sum(map(len, written.values()))), Share(right, given)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures how numbers on whole pages are read.")
    add_drawing_arguments(parser, 24, "pages of each kind")
    options = parser.parse_args()
    digits = load_test(options.data, normalize_digit)
    with kept(options.keep) as folder:
        results = {kind: measure(write(folder, kind, digits, options.count), options.model) for kind in KINDS}
    show(
        ("pages", "numbers", "read", "of the rows given"),
        ((kind, str(found.whole), percent(found), percent(given)) for kind, (found, given) in results.items()),
    )
    save(
        {kind: {"read": one.to_json(), "given": other.to_json()} for kind, (one, other) in results.items()},
        options.json,
    )


if __name__ == "__main__":
    main()
