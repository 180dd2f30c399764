"""A4 pages at 300 dpi, as an office scanner gives them, each with fifty real digits, in four formats.

The digits are those of OpenCV's sheet in `sample_images/`, or MNIST's test digits; the pages are the same in every run.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from shutil import copyfile

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from make_samples import A4, BLUE_PEN, Mnist, Sheet, encode, encode_pdf, grey, scan, stroke_width  # noqa: E402

SHEET = ROOT / "sample_images" / "opencv-digits" / "digits.png"

KINDS = {"grey PNG": ".png", "grey JPEG": ".jpg", "1-bit TIFF": ".tiff", "PDF": ".pdf"}

DIFFERENT = 4
"""Pages that differ; more are copies of these."""

DPI, ROWS, PITCH = 300, 10, 24.0
"""The pitch of the rows is in mm."""


def load_digits(mnist: Path | None) -> Mnist:
    """Digits to write with: MNIST's, from the folder of its IDX files, or those of OpenCV's sheet."""
    if mnist:
        return Mnist.load(mnist)
    sheet = np.asarray(cv2.imread(str(SHEET), cv2.IMREAD_GRAYSCALE))
    cells = sheet.reshape(50, 20, 100, 20).swapaxes(1, 2).reshape(-1, 20, 20)
    images = np.pad(cells, ((0, 0), (4, 4), (4, 4)))
    labels = np.repeat(np.arange(10, dtype=np.uint8), 500)
    return Mnist(images, labels, np.array([stroke_width(image) for image in images], np.float32))


def write_pages(folder: Path, digits: Mnist, count: int) -> None:
    """Write `count` pages of each kind into a sub-folder called like its suffix, and single lines into `lines/`."""
    truth = []
    for name in ("lines", *(suffix[1:] for suffix in KINDS.values())):
        (folder / name).mkdir(parents=True)
    for number in range(min(count, DIFFERENT)):
        sheet, page = _page(number, digits)
        for suffix in KINDS.values():
            (folder / suffix[1:] / f"{number}{suffix}").write_bytes(_encoded(suffix, page))
        for row, strip in enumerate(_strips(page)):
            name = f"{number}-{row}.png"
            cv2.imwrite(str(folder / "lines" / name), strip)
            truth.append((name, " ".join(sheet.lines[row])))
    with (folder / "lines" / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "lines"), *truth])
    for suffix in KINDS.values():
        fill(folder / suffix[1:], count)


def fill(folder: Path, count: int, source: Path | None = None) -> None:
    """Copy the pages of `source`, or of the folder itself, until there are `count`; links would be read only once."""
    folder.mkdir(exist_ok=True)
    pages = sorted((source or folder).iterdir())
    for number in range(0 if source else len(pages), count):
        page = pages[number % len(pages)]
        copyfile(page, folder / f"{number}{page.suffix}")


def _page(number: int, digits: Mnist) -> tuple[Sheet, NDArray[np.uint8]]:
    """Two columns of numbers; every other page is ruled, and every fourth lies a little askew."""
    sheet = Sheet(f"page {number}", digits, A4, dpi=DPI)
    if number % 2:
        sheet.grid([20.0, 90.0, 170.0], [30 + row * PITCH for row in range(ROWS + 1)], (0.55, 0.55, 0.55), 0.2)
    for row in range(ROWS):
        numbers = [sheet.number(3), sheet.number(2)]
        sheet.line(numbers, [30 + sheet.rng.normal(0, 3), 110], 30 + (row + 0.7) * PITCH, ink=BLUE_PEN)
    return sheet, grey(scan(sheet, skew=0.6 if number % 4 == 3 else 0, grain=0.004))


def _strips(page: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for row in range(ROWS):
        top, bottom = (round((30 + (row + part) * PITCH) * DPI / 25.4) for part in (0.1, 0.95))
        yield page[top:bottom]


def _encoded(suffix: str, page: NDArray[np.uint8]) -> bytes:
    if suffix == ".pdf":
        return encode_pdf([page], DPI)
    return _fax(page) if suffix == ".tiff" else encode(suffix, [page])


def _fax(page: NDArray[np.uint8]) -> bytes:
    """Black and white, as fax machines and many scanners pack it; OpenCV can't."""
    file = BytesIO()
    _, pixels = cv2.threshold(page, 0, 255, cv2.THRESH_OTSU)
    Image.fromarray(pixels).convert("1").save(file, "tiff", compression="group4", dpi=(DPI, DPI))
    return file.getvalue()
