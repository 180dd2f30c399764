"""Makes `sample_images/`: pages of MNIST test digits as a scanner gives them, and their truth.

    python tools/make_samples.py --mnist FOLDER

The pages differ only by the constant `SEED`: every run makes the same ones, and none depends on another.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Colour = tuple[float, float, float]
"""Blue, green, red; 0 is none, 1 is all."""

SEED = 20250
SINGLES_PER_CLASS = 10
MM_PER_INCH = 25.4
A4, A5, A6 = (210.0, 297.0), (148.0, 210.0), (105.0, 148.0)

WHITE: Colour = (0.95, 0.96, 0.96)
CREAM: Colour = (0.84, 0.92, 0.95)
BLACKBOARD: Colour = (0.13, 0.12, 0.11)
BLACK_PEN: Colour = (0.17, 0.14, 0.14)
BLUE_PEN: Colour = (0.60, 0.24, 0.13)
RED_PEN: Colour = (0.20, 0.16, 0.76)
PENCIL: Colour = (0.60, 0.59, 0.58)
CHALK: Colour = (0.93, 0.93, 0.92)
PRINT: Colour = (0.25, 0.25, 0.25)
PALE_BLUE: Colour = (0.88, 0.76, 0.66)
PALE_GREEN: Colour = (0.78, 0.87, 0.72)

LETTER = """\
Dear Ms Holloway,

thank you for your letter about the apples that were
delivered to the school kitchen in Oldfield on Monday. I am
sorry that some of them arrived bruised: the driver had to
brake hard on the wet road below Gibson Hill, and the crates
slid. He has asked me to say that he is sorry, too.

We shall bring you fresh ones on Thursday, before the
lessons begin, and take back what you could not use. Would
you kindly leave the yard gate open? There is nothing to
pay; the invoice that you have received is void, and a new
one will follow.

If you would rather have pears, plums or quinces, please call
our office, where Lily or Boris will gladly help you. SIZES,
SORTS AND QUANTITIES can be changed until Wednesday noon.

With kind regards,

Iolanda Quigley
Bossley & Sons, Fruit Growers
"""


@dataclass(frozen=True)
class Mnist:
    """Digits to write with: `images` uint8 (N, 28, 28), white on black; `labels` uint8 (N,); `strokes` (N,) widths."""

    images: Pixels
    labels: Pixels
    strokes: Floats

    @classmethod
    def load(cls, folder: Path | None) -> Mnist:
        """The test part of MNIST from its IDX files, or from `keras.datasets`."""
        if folder is None:
            from keras.datasets import mnist

            images, labels = mnist.load_data()[1]
        else:
            images = read_idx(folder / "t10k-images-idx3-ubyte.gz").reshape(-1, 28, 28)
            labels = read_idx(folder / "t10k-labels-idx1-ubyte.gz")
        return cls(images, labels, np.array([stroke_width(image) for image in images], np.float32))


def read_idx(path: Path) -> Pixels:
    """The bytes after the header of a gzipped IDX file; the header's last byte pair says how long it is."""
    data = gzip.decompress(path.read_bytes())
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])


def stroke_width(image: Pixels) -> float:
    """Width of the pen in the 28x28 picture: ink over half the length of its outline."""
    ink = image.astype(np.float32) / 255
    outline = np.abs(np.diff(ink, axis=0)).sum() + np.abs(np.diff(ink, axis=1)).sum()
    return float(2 * ink.sum() / outline)


def cloud(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> Floats:
    """Smooth noise of about unit height, float32 of `shape`, whose spots are `cell` pixels wide."""
    coarse = rng.standard_normal((int(shape[0] / cell) + 2, int(shape[1] / cell) + 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


class Sheet:
    """A sheet of paper: what is printed and written on it, and the truth. Lengths are in mm, `y` is a baseline."""

    def __init__(self, name: str, mnist: Mnist, size: tuple[float, float], paper: Colour = WHITE, dpi: int = 200):
        self.mnist = mnist
        self.dpi = dpi
        self.lines: list[list[str]] = []
        # What is written must not depend on how many digits there are to choose from, so each has its own generator.
        self.rng, self._dealer = (np.random.default_rng([SEED, zlib.crc32(name.encode()), part]) for part in (0, 1))
        self.colour = np.full((self.px(size[1]), self.px(size[0]), 3), paper, np.float32)
        self._pen = float(np.quantile(mnist.strokes, self._dealer.uniform(0.35, 0.75)))
        self._used: set[int] = set()

    def px(self, mm: float) -> int:
        """Pixels for a length."""
        return round(mm * self.dpi / MM_PER_INCH)

    def number(self, length: int) -> str:
        """A random number of so many digits; it may start with zeros."""
        return "".join(str(digit) for digit in self.rng.integers(0, 10, length))

    def rule(self, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: float = 0.25) -> None:
        """Prints a straight line."""
        points = [(self.px(x), self.px(y)) for x, y in (start, end)]
        cv2.line(self.colour, points[0], points[1], colour, max(1, self.px(width)), cv2.LINE_AA)

    def grid(self, xs: Sequence[float], ys: Sequence[float], colour: Colour, width: float = 0.25) -> None:
        """Prints a grid: lines down at `xs` and across at `ys`."""
        for x in xs:
            self.rule((x, ys[0]), (x, ys[-1]), colour, width)
        for y in ys:
            self.rule((xs[0], y), (xs[-1], y), colour, width)

    def text(self, line: str, x: float, y: float, size: float) -> None:
        """Prints a line of text; it is not part of the truth, so it holds no digits."""
        cover = np.zeros(self.colour.shape[:2], np.uint8)
        # OpenCV brings this font along.
        cv2.putText(cover, line, (self.px(x), self.px(y)), 255, cv2.FontFace("sans"), self.px(size), 400)
        left, top, width, height = cv2.boundingRect(cover)
        area = np.s_[top : top + height, left : left + width]
        paper = self.colour[area]
        paper += cover[area][..., np.newaxis] / np.float32(255) * (np.array(PRINT, np.float32) - paper)

    def line(
        self,
        numbers: Sequence[str],
        xs: Sequence[float],
        y: float,
        *,
        height: float = 5,
        ink: Colour = BLACK_PEN,
        touch: float = 0,
    ) -> None:
        """Writes one line of numbers; their points, commas and dashes are drawn but are not part of the truth."""
        for number, x in zip(numbers, xs, strict=True):
            drop = self.rng.normal(0, 0.04) * height
            self._stamp(self._strip(number, self.px(height), touch), x, y + drop, ink)
        self.lines.append(["".join(filter(str.isdigit, number)) for number in numbers])

    def boxes(self, number: str, x: float, y: float, *, side: float, height: float, ink: Colour = BLACK_PEN) -> None:
        """Writes one digit into each of a row of boxes `side` wide, whose lower left corner is at (x, y)."""
        for place, digit in enumerate(number):
            glyph = self._strip(digit, self.px(height), 0)
            width = glyph.shape[1] * MM_PER_INCH / self.dpi
            left = x + side * place + (side - width) / 2 + self.rng.normal(0, 0.05) * side
            self._stamp(glyph, left, y - (side - height) / 2 + self.rng.normal(0, 0.05) * side, ink)
        self.lines.append([number])

    def _strip(self, text: str, height: int, touch: float) -> Floats:
        """The ink of one number, float32 (about 2 * height, width), 0 to 1; its baseline is 3/4 down."""
        strip = np.zeros((2 * height, 2 * height * (len(text) + 1)), np.float32)
        right = 0
        for place, char in enumerate(text):
            glyph = self._digit(char, height) if char.isdigit() else self._mark(char, height)
            joined = bool(place) and self._dealer.random() < touch
            gap = 0 if joined or not place else round(height * self._dealer.uniform(0.12, 0.28))
            top = round(height * (1.5 + self._dealer.normal(0, 0.02))) - glyph.shape[0]
            left = right + gap
            while joined and left > 0 and not self._meets(strip, glyph, left, top):
                left -= 1
            area = strip[top : top + glyph.shape[0], left : left + glyph.shape[1]]
            np.maximum(area, glyph, out=area)
            right = max(right, left + glyph.shape[1])
        return strip[:, :right]

    @staticmethod
    def _meets(strip: Floats, glyph: Floats, left: int, top: int) -> bool:
        """Whether the glyph's ink lies on ink of the strip by about a stroke's edge."""
        area = strip[top : top + glyph.shape[0], left : left + glyph.shape[1]]
        return int(np.count_nonzero(np.minimum(area, glyph) > 0.5)) >= 3

    def _digit(self, char: str, height: int) -> Floats:
        """An unused digit by about the page's pen, cut to its ink; MNIST's 20-pixel box becomes `height`."""
        choice = self._dealer.permutation(np.flatnonzero(self.mnist.labels == int(char)))[:12]
        free = [index for index in choice if int(index) not in self._used] or list(choice)
        index = int(min(free, key=lambda one: abs(self.mnist.strokes[one] - self._pen)))
        self._used.add(index)
        scale = height / 20 * self._dealer.uniform(0.94, 1.06)
        cell = self.mnist.images[index].astype(np.float32) / 255
        soft = np.asarray(cv2.resize(cell, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)
        # Upscaling widens a stroke's soft edge; a pen's edge is as wide as before.
        ink: Floats = np.clip((soft - 0.5) * max(1, 0.7 * scale) + 0.5, 0, 1)
        ys, xs = np.nonzero(ink > 0.2)
        return ink[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]

    def _mark(self, char: str, height: int) -> Floats:
        """A point, comma or dash as the pen draws it, standing on the baseline."""
        pen = max(2, round(self._pen * height / 20))
        reach, slant = {".": (0, 0.0), ",": (round(0.2 * height), -0.5), "-": (round(0.45 * height), 0.0)}[char]
        glyph = np.zeros((round(0.6 * height) if char == "-" else reach + 2 * pen, reach + 2 * pen), np.float32)
        tilt = round(self._dealer.normal(0, 0.05) * height)
        start = (pen, pen + abs(tilt)) if char == "-" else (round(pen - slant * reach), pen)
        end = (pen + reach, start[1] + tilt) if char == "-" else (pen, pen + reach)
        cv2.line(glyph, start, end, 1.0, pen, cv2.LINE_AA)
        return glyph

    def _stamp(self, strip: Floats, x: float, y: float, ink: Colour) -> None:
        """Lays the ink of a strip on the paper, a little uneven as pens write."""
        top, left = self.px(y) - strip.shape[0] * 3 // 4, self.px(x)
        area = self.colour[top : top + strip.shape[0], left : left + strip.shape[1]]
        pressure = np.clip(1 - 0.12 * np.abs(cloud(self._dealer, strip.shape, 7)), 0, 1)
        cover = (strip * pressure)[: area.shape[0], : area.shape[1], np.newaxis]
        area += cover * (np.array(ink, np.float32) - area)


def scan(
    sheet: Sheet,
    *,
    skew: float = 0,
    light: Floats | None = None,
    blur: float = 0.7,
    grain: float = 0.008,
    clip: float = 1,
) -> Pixels:
    """The sheet as a scanner sees it, uint8 (H, W, 3) BGR.

    `light` (H, W) multiplies it, `skew` is in degrees, `clip` is the brightness that the scanner calls white.
    """
    shape = sheet.colour.shape[:2]
    paper = 1 + 0.006 * cloud(sheet.rng, shape, sheet.px(15)) + 0.006 * cloud(sheet.rng, shape, 3)
    page = sheet.colour * paper[..., np.newaxis]
    if light is not None:
        page *= light[..., np.newaxis]
    if skew:
        page = turned(page, skew)
    blurred = cv2.GaussianBlur(page, (0, 0), blur * sheet.dpi / 200)
    noise = sheet.rng.normal(0, grain, (*shape, 1)) + sheet.rng.normal(0, grain / 3, page.shape)
    return np.asarray(np.clip((blurred + noise) / clip * 255, 0, 255), np.uint8)


def turned(page: Floats, degrees: float) -> Floats:
    """The page turned clockwise about its centre."""
    height, width = page.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
    return np.asarray(
        cv2.warpAffine(page, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    )


def grey(page: Pixels) -> Pixels:
    """The page without its colours."""
    return np.asarray(cv2.cvtColor(page, cv2.COLOR_BGR2GRAY), np.uint8)


@dataclass(frozen=True)
class Sample:
    """What a page function gives: its pages as pixels and, a page, its lines of numbers."""

    pages: list[Pixels]
    truth: list[list[list[str]]]


def one(sheet: Sheet, pixels: Pixels) -> Sample:
    """A sample of a single page."""
    return Sample([pixels], [sheet.lines])


def write_list(sheet: Sheet, rows: int, *, pitch: float, ink: Colour = BLACK_PEN, height: float = 5) -> None:
    """A list of numbers of 2 to 6 digits, one a line, from the top left down."""
    for row in range(rows):
        number = sheet.number(int(sheet.rng.integers(2, 7)))
        sheet.line([number], [14 + sheet.rng.normal(0, 1)], 20 + row * pitch, height=height, ink=ink)


def plain_list(name: str, mnist: Mnist) -> Sample:
    """A list of numbers on plain paper."""
    sheet = Sheet(name, mnist, A6)
    write_list(sheet, 10, pitch=12)
    return one(sheet, grey(scan(sheet)))


def ruled_list(name: str, mnist: Mnist) -> Sample:
    """Two numbers a line on ruled paper; the digits stand on the rules."""
    sheet = Sheet(name, mnist, A6, CREAM)
    for row in range(12):
        sheet.rule((0, 20 + row * 9), (A6[0], 20 + row * 9), PALE_BLUE)
    sheet.rule((12, 0), (12, A6[1]), (0.60, 0.60, 0.86))
    for row in range(12):
        sheet.line([sheet.number(4), sheet.number(3)], [20, 62], 20 + row * 9 + sheet.rng.normal(0, 0.2), ink=BLUE_PEN)
    return one(sheet, scan(sheet))


def boxed_form(name: str, mnist: Mnist) -> Sample:
    """A form with one box a digit."""
    sheet = Sheet(name, mnist, A6)
    side = 8.0
    for row, length in enumerate((8, 6, 10, 5, 8, 7, 9, 4)):
        bottom = 22 + row * 15
        sheet.grid([10 + side * place for place in range(length + 1)], [bottom - side, bottom], PRINT, 0.3)
        sheet.boxes(sheet.number(length), 10, bottom, side=side, height=5)
    return one(sheet, grey(scan(sheet, clip=0.88)))


def table(name: str, mnist: Mnist) -> Sample:
    """A ruled table of four columns."""
    sheet = Sheet(name, mnist, (A5[1], A5[0]))
    xs, pitch = [14.0, 60.0, 100.0, 145.0, 196.0], 11.0
    sheet.grid(xs, [14 + row * pitch for row in range(11)], PRINT)
    for row in range(10):
        numbers = [sheet.number(length) for length in (6, 4, 5, 6)]
        starts = [x + 4 + abs(sheet.rng.normal(0, 1)) for x in xs[:-1]]
        sheet.line(numbers, starts, 14 + (row + 0.78) * pitch, ink=BLUE_PEN)
    return one(sheet, grey(scan(sheet)))


def skew_3_degrees(name: str, mnist: Mnist) -> Sample:
    """Two columns on a page that lies 3 degrees askew on the glass."""
    sheet = Sheet(name, mnist, A5)
    for row in range(13):
        sheet.line([sheet.number(5), sheet.number(4)], [28, 86], 24 + row * 13, height=5.5)
    return one(sheet, grey(scan(sheet, skew=3)))


def shadow(name: str, mnist: Mnist) -> Sample:
    """A page photographed by a lamp: dark towards one corner, with the shadow of a hand across it."""
    sheet = Sheet(name, mnist, A6, CREAM)
    write_list(sheet, 10, pitch=12, ink=BLUE_PEN)
    height, width = sheet.colour.shape[:2]
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    edge = across + 0.35 * down + 0.05 * np.sin(7 * down) - 0.42
    light = (1 - 0.30 * down * across - 0.10 * across) * (1 - 0.42 / (1 + np.exp(-edge * 28)))
    return one(sheet, scan(sheet, light=light.astype(np.float32), blur=0.9, grain=0.012))


def coloured_ink(name: str, mnist: Mnist) -> Sample:
    """Blue and red ink on green squared paper."""
    sheet = Sheet(name, mnist, A6)
    sheet.grid(list(np.arange(2.5, A6[0], 5)), list(np.arange(3.0, A6[1], 5)), PALE_GREEN, 0.2)
    for row in range(9):
        ink = RED_PEN if row % 3 == 2 else BLUE_PEN
        sheet.line([sheet.number(3), sheet.number(4)], [14, 52], 22.5 + row * 13, height=5.5, ink=ink)
    return one(sheet, scan(sheet))


def white_on_black(name: str, mnist: Mnist) -> Sample:
    """Chalk on a blackboard."""
    sheet = Sheet(name, mnist, A6, BLACKBOARD)
    write_list(sheet, 9, pitch=13, ink=CHALK, height=6)
    return one(sheet, grey(scan(sheet, grain=0.012)))


def faint_pencil(name: str, mnist: Mnist) -> Sample:
    """A hard pencil, pressed lightly."""
    sheet = Sheet(name, mnist, A6)
    write_list(sheet, 10, pitch=12, ink=PENCIL)
    height, width = sheet.colour.shape[:2]
    # Graphite stays on the paper's tooth only: let specks of paper through.
    tooth = np.clip(np.abs(cloud(sheet.rng, (height, width), 1.5)) - 0.7, 0, 1)[..., np.newaxis] * 0.5
    sheet.colour += tooth * (np.array(WHITE, np.float32) - sheet.colour)
    return one(sheet, grey(scan(sheet, grain=0.010)))


def meter_list(name: str, mnist: Mnist) -> Sample:
    """Meter numbers and readings, a whole A4 page at 300 dpi."""
    sheet = Sheet(name, mnist, A4, dpi=300)
    xs = [20.0, 75.0, 125.0, 190.0]
    sheet.grid(xs, [20 + row * 11 for row in range(24)], (0.55, 0.55, 0.55), 0.2)
    for row in range(23):
        numbers = [sheet.number(6), sheet.number(4), sheet.number(5)]
        sheet.line(numbers, [26, 80, 132], 28.5 + row * 11, height=5, ink=BLUE_PEN)
    return one(sheet, grey(scan(sheet, skew=-0.4, grain=0.004)))


def exam_marks(name: str, mnist: Mnist) -> Sample:
    """Student numbers in black, their marks in red."""
    sheet = Sheet(name, mnist, A5)
    for row in range(14):
        y = 22 + row * 12.5
        sheet.rule((10, y + 2.5), (138, y + 2.5), (0.72, 0.72, 0.72), 0.2)
        marks = [f"{sheet.rng.integers(0, 21):02d}" for _ in range(3)]
        student = sheet.number(6)
        sheet.line([student], [16], y)
        sheet.line(marks, [66, 90, 114], y, ink=RED_PEN)
        sheet.lines[-2:] = [[student, *marks]]
    return one(sheet, scan(sheet))


def cheque_amounts(name: str, mnist: Mnist) -> Sample:
    """Amounts on safety paper, with points, commas and dashes against forgers."""
    sheet = Sheet(name, mnist, A6, CREAM)
    down, across = (
        np.mgrid[: sheet.colour.shape[0], : sheet.colour.shape[1]].astype(np.float32) / sheet.dpi * MM_PER_INCH
    )
    waves = np.sin(2 * np.pi * (down + 0.9 * np.sin(across / 3)) / 1.8)
    sheet.colour -= (np.clip(waves, 0, 1) * 0.07)[..., np.newaxis] * np.array((1.0, 0.5, 1.3), np.float32)
    amounts = ("1.250,00", "-386.500-", "72,40--", "-14.900,-", "5.073.120-", "--968,15", "-20.000.-", "3.417,60-")
    for row, amount in enumerate(amounts):
        bottom = 20 + row * 16.5
        sheet.grid([22, 95], [bottom - 10, bottom], (0.45, 0.50, 0.38))
        sheet.line([amount], [26], bottom - 2.6, height=4.8, ink=BLUE_PEN if row % 2 else BLACK_PEN)
    return one(sheet, scan(sheet))


def postal_codes(name: str, mnist: Mnist) -> Sample:
    """Postal codes scanned as black and white, one bit a pixel."""
    sheet = Sheet(name, mnist, A6)
    for row in range(11):
        sheet.line([sheet.number(5)], [30 + sheet.rng.normal(0, 2)], 18 + row * 12, height=6)
    return one(sheet, np.where(grey(scan(sheet)) < 150, 0, 255).astype(np.uint8))


def touching_digits(name: str, mnist: Mnist) -> Sample:
    """Numbers in which some digits touch the next one."""
    sheet = Sheet(name, mnist, A6)
    for row in range(10):
        sheet.line([sheet.number(3 + row % 3)], [20], 20 + row * 12.5, height=6, touch=0.35)
    return one(sheet, grey(scan(sheet)))


def pages_of_lists(name: str, mnist: Mnist, count: int, size: tuple[float, float] = A6) -> Sample:
    """Several pages, each a short list in another pen."""
    sheets = [Sheet(f"{name} {page}", mnist, size) for page in range(1, count + 1)]
    for sheet, ink in zip(sheets, (BLACK_PEN, BLUE_PEN, PENCIL), strict=False):
        write_list(sheet, 8, pitch=14, ink=ink, height=5.5)
    return Sample([grey(scan(sheet)) for sheet in sheets], [sheet.lines for sheet in sheets])


def three_pages(name: str, mnist: Mnist) -> Sample:
    """A TIFF file of three pages."""
    return pages_of_lists(name, mnist, 3)


def two_pages(name: str, mnist: Mnist) -> Sample:
    """A PDF file of two pages."""
    return pages_of_lists(name, mnist, 2, A5)


def printed_page(name: str, mnist: Mnist) -> Sample:
    """A letter from a printer, at 150 dpi, with no digit on it."""
    sheet = Sheet(name, mnist, A5, dpi=150)
    for row, line in enumerate(LETTER.splitlines()):
        sheet.text(line, 16, 24 + row * 6, 3.9)
    return one(sheet, grey(scan(sheet, clip=0.88)))


def blank(name: str, mnist: Mnist) -> Sample:
    """A page with nothing on it."""
    sheet = Sheet(name, mnist, A6)
    return one(sheet, grey(scan(sheet)))


PAGES: dict[str, Callable[[str, Mnist], Sample]] = {
    "blank.jpg": blank,
    "boxed-form.png": boxed_form,
    "cheque-amounts.jpg": cheque_amounts,
    "coloured-ink.jpg": coloured_ink,
    "exam-marks.webp": exam_marks,
    "faint-pencil.jpg": faint_pencil,
    "meter-list-a4-300dpi.jpg": meter_list,
    "plain-list.jpg": plain_list,
    "postal-codes.png": postal_codes,
    "printed-page.png": printed_page,
    "ruled-list.jpg": ruled_list,
    "shadow.jpg": shadow,
    "skew-3-degrees.jpg": skew_3_degrees,
    "table.jpg": table,
    "three-pages.tiff": three_pages,
    "touching-digits.jpg": touching_digits,
    "two-pages.pdf": two_pages,
    "white-on-black.jpg": white_on_black,
}


FORMATS: dict[str, list[int]] = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 80],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 80],
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 9],
    ".tiff": [
        *(cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_JPEG),
        *(cv2.IMWRITE_TIFF_ROWSPERSTRIP, 64),
    ],
}


def encode(suffix: str, pages: list[Pixels]) -> bytes:
    """The pages as a file in the format that the suffix names."""
    if suffix == ".pdf":
        return encode_pdf(pages)
    options = FORMATS[suffix]
    if suffix == ".png" and len(np.unique(pages[0])) == 2:
        options = [*options, cv2.IMWRITE_PNG_BILEVEL, 1]
    if len(pages) > 1:
        return cv2.imencodemulti(suffix, pages, options)[1].tobytes()
    return cv2.imencode(suffix, pages[0], options)[1].tobytes()


def encode_pdf(pages: list[Pixels], dpi: int = 200) -> bytes:
    """A PDF whose pages are one JPEG picture each, as office scanners make it."""
    document = pdfium.PdfDocument.new()
    for pixels in pages:
        height, width = (side * 72 / dpi for side in pixels.shape[:2])
        page, picture = document.new_page(width, height), pdfium.PdfImage.new(document)
        picture.load_jpeg(BytesIO(encode(".jpg", [pixels])), inline=True)
        picture.set_matrix(pdfium.PdfMatrix().scale(width, height))
        page.insert_obj(picture)
        page.gen_content()
    file = BytesIO()
    document.save(file)
    # PDFium marks each file with the time and a random number; the same pages shall give the same file.
    dated = re.sub(rb"(?<=D:)\d{14}", b"20000101000000", file.getvalue())
    return re.sub(rb"<[0-9A-F]{32}>", b"<" + b"0" * 32 + b">", dated)


def save_singles(folder: Path, mnist: Mnist) -> None:
    """A labelled folder of MNIST's own pictures: `0/0001.png` and so on."""
    rng = np.random.default_rng([SEED, 1])
    for label in range(10):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        chosen = rng.choice(np.flatnonzero(mnist.labels == label), SINGLES_PER_CLASS, replace=False)
        for place, index in enumerate(sorted(chosen), start=1):
            (folder / str(label) / f"{place:04d}.png").write_bytes(encode(".png", [mnist.images[index]]))


def truth_of(sample: Sample) -> str:
    """`12 34|56`: lines of one page joined by `|`, pages by `||`."""
    return "||".join("|".join(" ".join(line) for line in page) for page in sample.truth)


def opencv_truth() -> str:
    """The sheet of OpenCV: fifty rows of a hundred digits, five rows a class."""
    return "|".join(str(row // 5) * 100 for row in range(50))


def make(folder: Path, mnist: Mnist) -> None:
    """Writes all pages, the damaged one, the single digits and `truth.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [("opencv-digits/digits.png", opencv_truth())]
    for name, draw in PAGES.items():
        sample = draw(name, mnist)
        (folder / name).write_bytes(encode(Path(name).suffix, sample.pages))
        rows.append((name, truth_of(sample)))
    whole = (folder / "plain-list.jpg").read_bytes()
    (folder / "damaged.jpg").write_bytes(whole[: len(whole) * 2 // 5])
    save_singles(folder / "single", mnist)
    with (folder / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "lines"), *sorted(rows)])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Makes sample_images/ from MNIST's test digits.")
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="its IDX files, gzipped; default: by Keras")
    parser.add_argument("--opencv-digits", type=Path, metavar="FILE", help="OpenCV's digits.png, to be copied")
    parser.add_argument("-o", "--output", type=Path, default=Path("sample_images"), metavar="FOLDER")
    options = parser.parse_args()
    make(options.output, Mnist.load(options.mnist))
    if options.opencv_digits:
        (options.output / "opencv-digits").mkdir(exist_ok=True)
        shutil.copyfile(options.opencv_digits, options.output / "opencv-digits" / "digits.png")


if __name__ == "__main__":
    main()
