"""Makes `sample_forms/`: a form, its template, some filled with MNIST's test digits, and what is written on them.

    python tools/make_forms.py --mnist FOLDER
    python tools/make_forms.py --mnist FOLDER --copies 30 -o FOLDER
    python tools/make_forms.py --mnist FOLDER --copies 30 --hard -o FOLDER

The second makes copies as scanners and telephones give them, to measure with, the last of another form of the same
company; the third fills them with the tenth of the digits that is the hardest to read, in pencil. Every run makes the
same pages.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from make_samples import (
    A4,
    BLACK_PEN,
    BLUE_PEN,
    MM_PER_INCH,
    PENCIL,
    PRINT,
    SEED,
    Colour,
    Floats,
    Mnist,
    Pixels,
    Sheet,
    encode,
    grey,
    stroke_width,
)

FILLED = 3
DIGITS_A_CLASS = 250
DPI, REFERENCE_DPI = 300, 150
SIDE, HEIGHT = 7.5, 9.0
"""Of a box for one digit, and the height of a frame without boxes, in mm."""

LEFT, TOP, PITCH = 82.0, 66.0, 15.5
"""Where the first field is, and how far the next one is below it, in mm."""

COPY_DPI = (75, 100, 150, 200, 300, 600)

HEAD = (
    ("Riverside Water Company", 20, 24, 7.0),
    ("Meter reading card", 20, 35, 5.5),
    ("Please write one digit into each box, with a black or a blue pen, and send", 20, 45, 3.4),
    ("this card back before the end of the month. Keep the lower part for yourself.", 20, 51, 3.4),
)
FOOT = (
    ("Questions? Our office in Mill Lane is open from Monday to Friday.", 20, 278, 3.4),
    ("Riverside Water Company, Mill Lane, Oldfield", 20, 284, 3.4),
)


@dataclass(frozen=True)
class Field:
    """A field of the form: its label, its rules in TOML, its width in mm, and what somebody writes there.

    `write` gives the text, with its marks, and how the report shows it.
    """

    name: str
    label: str
    rules: str
    width: float
    write: Callable[[np.random.Generator], tuple[str, str]]

    @property
    def boxes(self) -> int:
        """Printed boxes; 0 for a frame."""
        return round(self.width / SIDE) if "boxes" in self.rules else 0


def digits(rng: np.random.Generator, count: int) -> str:
    """So many random digits."""
    return "".join(map(str, rng.integers(0, 10, count)))


def checked(count: int, holds: Callable[[str], bool]) -> Callable[[np.random.Generator], tuple[str, str]]:
    """Writes numbers of so many digits for which the check holds."""

    def write(rng: np.random.Generator) -> tuple[str, str]:
        while not holds(text := digits(rng, count)):
            pass
        return text, text

    return write


def plain(*lengths: int) -> Callable[[np.random.Generator], tuple[str, str]]:
    """Writes numbers of one of these lengths."""

    def write(rng: np.random.Generator) -> tuple[str, str]:
        text = digits(rng, int(rng.choice(lengths)))
        return text, text

    return write


def luhn(text: str) -> bool:
    """Whether Luhn's check digit is right."""
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(text))]
    return sum(d - 9 * (d > 9) for d in doubled) % 10 == 0


def mod11(text: str) -> bool:
    """Whether the digits, weighted 1, 2, 3 ... from the right, sum up to a multiple of 11."""
    return sum(int(d) * weight for weight, d in enumerate(reversed(text), 1)) % 11 == 0


def mod97(text: str) -> bool:
    """Whether the number leaves 1 when it is divided by 97."""
    return int(text) % 97 == 1


def written_date(rng: np.random.Generator) -> tuple[str, str]:
    """A day, without leading zeros."""
    day = datetime.date(2020, 1, 1) + datetime.timedelta(int(rng.integers(0, 3650)))
    return f"{day.day}.{day.month}.{day.year}", day.isoformat()


def boxed_date(rng: np.random.Generator) -> tuple[str, str]:
    """A day in eight digits."""
    day = datetime.date(2020, 1, 1) + datetime.timedelta(int(rng.integers(0, 3650)))
    return day.strftime("%d%m%Y"), day.isoformat()


def amount(rng: np.random.Generator) -> tuple[str, str]:
    """A sum of money with thousands points and a decimal comma."""
    cents = int(10 ** rng.uniform(2, 6))
    whole, rest = divmod(cents, 100)
    return f"{whole:,}".replace(",", ".") + f",{rest:02d}", f"{whole}.{rest:02d}"


def signed(rng: np.random.Generator) -> tuple[str, str]:
    """A number with one decimal that may be negative."""
    sign, tenths = ("-", "")[int(rng.integers(2))], int(rng.integers(10, 1000))
    return f"{sign}{tenths // 10},{tenths % 10}", f"{sign}{tenths // 10}.{tenths % 10}"


def count_people(rng: np.random.Generator) -> tuple[str, str]:
    """A small number."""
    text = str(rng.integers(1, 13))
    return text, text


def tariff(rng: np.random.Generator) -> tuple[str, str]:
    """One of a few codes."""
    text = str(rng.choice(["117", "140", "253", "689"]))
    return text, text


FIELDS = (
    Field("customer", "Customer number", 'type = "digits"\nboxes = 8\ncheck = "luhn"', 8 * SIDE, checked(8, luhn)),
    Field("meter", "Meter number", 'type = "digits"\nboxes = 10\ncheck = "mod11"', 10 * SIDE, checked(10, mod11)),
    Field(
        "payment", "Payment reference", 'type = "digits"\nboxes = 12\ncheck = "mod97"', 12 * SIDE, checked(12, mod97)
    ),
    Field("read_on", "Day of reading", 'type = "date"\norder = "dmy"\nboxes = 8', 8 * SIDE, boxed_date),
    Field("counter", "Counter", 'type = "digits"\nboxes = 6', 6 * SIDE, plain(6)),
    Field("former", "Former counter", 'type = "digits"\nlength = [3, 6]', 50, plain(3, 4, 5, 6)),
    Field("postcode", "Postal code", 'type = "digits"\nlength = 5', 40, plain(5)),
    Field("amount", "Amount paid", 'type = "number"\ndecimals = 2', 60, amount),
    Field("correction", "Correction", 'type = "number"\ndecimals = 1', 40, signed),
    Field("people", "People in the house", 'type = "digits"\nlength = [1, 2]\nrange = [1, 12]', 25, count_people),
    Field("tariff", "Tariff", 'type = "digits"\nvalues = ["117", "140", "253", "689"]', 30, tariff),
    Field("telephone", "Telephone", 'type = "digits"\nlength = [7, 10]\noptional = true', 80, plain(7, 8, 9, 10)),
    Field("signed_on", "Date of signature", 'type = "date"\norder = "dmy"', 60, written_date),
)


class Paper(Sheet):
    """A sheet on which points are as thick as people make them, so that they stay points in a scan."""

    def _mark(self, char: str, height: int) -> Floats:
        if char != ".":
            return super()._mark(char, height)
        side = round(0.2 * height)
        return np.asarray(cv2.circle(np.zeros((side, side), np.float32), (side // 2, side // 2), side // 2, 1.0, -1))


def print_form(sheet: Sheet, fields: Sequence[Field] = FIELDS) -> None:
    """Everything that is on the form before anybody writes on it."""
    for line, x, y, size in (*HEAD, *FOOT):
        sheet.text(line, x, y, size)
    for place, field in enumerate(fields):
        top = TOP + place * PITCH
        sheet.text(field.label, 20, top + 6.5, 4.2)
        if field.boxes:
            sheet.grid([LEFT + SIDE * box for box in range(field.boxes + 1)], [top, top + HEIGHT], PRINT, 0.3)
        else:
            sheet.grid([LEFT, LEFT + field.width], [top, top + HEIGHT], PRINT, 0.3)


def empty_form(fields: Sequence[Field] = FIELDS) -> Pixels:
    """The form that nobody has written on yet, uint8 (H, W) at `DPI`."""
    nothing = Mnist(np.empty((0, 28, 28), np.uint8), np.empty(0, np.uint8), np.ones(1, np.float32))
    sheet = Sheet("form", nothing, A4, (1.0, 1.0, 1.0), DPI)
    print_form(sheet, fields)
    return pixels_of(sheet)


def reference() -> Pixels:
    """The empty form at `REFERENCE_DPI`, from the print of the others: type drawn at that size would run otherwise."""
    scale = REFERENCE_DPI / DPI
    return np.asarray(cv2.resize(empty_form(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def fill(
    name: str, mnist: Mnist, fields: Sequence[Field] = FIELDS, pens: Sequence[Colour] = (BLACK_PEN, BLUE_PEN)
) -> tuple[Sheet, list[str]]:
    """A form with these fields that somebody has filled, and what the report shows."""
    sheet = Paper(name, mnist, A4, (0.98, 0.98, 0.98), DPI)
    print_form(sheet, fields)
    ink = pens[int(sheet.rng.integers(len(pens)))]
    return sheet, [_write(sheet, field, TOP + place * PITCH, ink) for place, field in enumerate(fields)]


def sheet_of(mnist: Mnist) -> Pixels:
    """Some digits to write with where MNIST isn't at hand: a row a class, uint8 (280, 28 * `DIGITS_A_CLASS`)."""
    rng = np.random.default_rng(SEED)
    classes = [rng.choice(np.flatnonzero(mnist.labels == label), DIGITS_A_CLASS, replace=False) for label in range(10)]
    return np.vstack([np.hstack(list(mnist.images[chosen])) for chosen in classes])


def digits_on(sheet: Pixels) -> Mnist:
    """What `sheet_of` has put there."""
    images = sheet.reshape(10, 28, DIGITS_A_CLASS, 28).swapaxes(1, 2).reshape(-1, 28, 28)
    labels = np.repeat(np.arange(10, dtype=np.uint8), DIGITS_A_CLASS)
    return Mnist(images, labels, np.array(list(map(stroke_width, images)), np.float32))


def hardest(mnist: Mnist) -> Mnist:
    """The tenth of the digits of which a small network is the least sure."""
    from digitscan.classifier import Classifier

    beliefs = Classifier.load(str(Path("models", "seed-mlp")))(mnist.images)
    doubt = beliefs[np.arange(len(beliefs)), mnist.labels].argsort(kind="stable")[: len(beliefs) // 10]
    return Mnist(mnist.images[doubt], mnist.labels[doubt], mnist.strokes[doubt])


def _write(sheet: Sheet, field: Field, top: float, ink: Colour) -> str:
    text, shown = field.write(sheet.rng)
    if field.boxes:
        height = float(sheet.rng.uniform(4.8, 5.6))
        sheet.boxes(text, LEFT, top + HEIGHT - (HEIGHT - SIDE) / 2, side=SIDE, height=height, ink=ink)
    else:
        sheet.line([text], [LEFT + 3 + abs(sheet.rng.normal(0, 2))], top + 7, height=5, ink=ink)
    return shown


def template() -> str:
    """`form.toml`: the fields in pixels of the reference."""
    scale = REFERENCE_DPI / MM_PER_INCH
    parts = ['reference = "form.png"\n']
    for place, field in enumerate(FIELDS):
        box = [round(side * scale) for side in (LEFT, TOP + place * PITCH, field.width, HEIGHT)]
        parts.append(f'[[field]]\nname = "{field.name}"\nbox = {box}\n{field.rules}\n')
    return "\n".join(parts)


def distort(page: Pixels, rng: np.random.Generator, dpi: int, kind: str) -> Pixels:
    """A filled form, uint8 (H, W) at `DPI`, as it comes back: uint8 (H, W).

    `kind` is `scan`, a little askew on the glass; `turned`, by any angle; or `photo`, taken from aside, with a shadow.
    """
    scale = dpi / DPI
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(page, None, fx=scale, fy=scale, interpolation=method)
    height, width = small.shape
    angle = {"scan": rng.normal(0, 1), "turned": rng.uniform(-180, 180), "photo": rng.normal(0, 4)}[kind]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, rng.uniform(0.97, 1.0))
    target = corners @ turn[:, :2].T + turn[:, 2] + rng.normal(0, 0.008, 2) * width
    if kind == "photo":
        target += rng.uniform(-0.06, 0.06, (4, 2)) * width
    target -= target.min(axis=0) - 0.02 * width * (kind != "scan")
    size = np.ceil(target.max(axis=0) + 0.02 * width).astype(int) if kind != "scan" else (width, height)
    lid = {"scan": 250, "turned": 235, "photo": 90}[kind]
    place = cv2.getPerspectiveTransform(corners, target.astype(np.float32))
    seen = cv2.warpPerspective(small, place, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR, borderValue=lid)
    light = _light(rng, seen.shape) if kind == "photo" else np.ones(seen.shape, np.float32)
    blurred = cv2.GaussianBlur(seen.astype(np.float32) * light, (0, 0), max(0.3, 0.6 * dpi / 200))
    return np.asarray(np.clip(blurred + rng.normal(0, 2.5, seen.shape), 0, 255), np.uint8)


def _light(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Light that falls off to a side, with the soft edge of a shadow across the page."""
    down, across = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * math.pi)
    side = (across - 0.5) * math.cos(angle) + (down - 0.5) * math.sin(angle)
    shadow = 1 / (1 + np.exp(-(side - rng.uniform(-0.2, 0.3)) * 30))
    return np.asarray((0.85 + 0.2 * side) * (1 - rng.uniform(0.25, 0.5) * shadow), np.float32)


def copy_of(page: Pixels, number: int) -> tuple[Pixels, int, str]:
    """The copy with this number of a filled form, its resolution and its kind: all combinations in turn."""
    rng = np.random.default_rng([number, 7])
    kinds = ("scan", "turned", "photo")
    dpi, kind = COPY_DPI[number % len(COPY_DPI)], kinds[number // len(COPY_DPI) % len(kinds)]
    return distort(page, rng, dpi, kind), dpi, kind


def write_truth(path: Path, rows: list[list[str]]) -> None:
    """`truth.csv`: a row a file, a column a field; no fields for a page that is another form."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["file", *(field.name for field in FIELDS)], *rows])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Makes sample_forms/ from MNIST's test digits.")
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="its IDX files, gzipped; default: by Keras")
    parser.add_argument("--copies", type=int, default=0, metavar="N", help="distorted copies, a form for each")
    parser.add_argument("--hard", action="store_true", help="the hardest tenth of the digits, in pencil")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also a picture of 2,500 digits, to fill forms with")
    parser.add_argument("-o", "--output", type=Path, default=Path("sample_forms"), metavar="FOLDER")
    options = parser.parse_args()
    mnist = Mnist.load(options.mnist)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "form.png").write_bytes(encode(".png", [reference()]))
    (options.output / "form.toml").write_text(template(), encoding="utf-8")
    if options.sheet:
        options.sheet.write_bytes(encode(".png", [sheet_of(mnist)]))
    writing, pens = (hardest(mnist), (PENCIL,)) if options.hard else (mnist, (BLACK_PEN, BLUE_PEN))
    rows = []
    for number in range(options.copies or FILLED):
        is_foreign = number == options.copies - 1
        sheet, values = fill(f"form {number}", writing, FIELDS[::-1] if is_foreign else FIELDS, pens)
        page, name = pixels_of(sheet), f"filled-{number + 1}.png"
        if options.copies:
            page, dpi, kind = copy_of(page, number)
            name = f"{number + 1:03d}-{kind}-{dpi}.jpg"
        (options.output / name).write_bytes(encode(Path(name).suffix, [page]))
        rows.append([name, *([""] * len(FIELDS) if is_foreign else values)])
    write_truth(options.output / "truth.csv", rows)


def pixels_of(sheet: Sheet) -> Pixels:
    """The sheet as a scanner sees it, uint8 (H, W)."""
    return grey(np.asarray(np.clip(sheet.colour * 255, 0, 255), np.uint8))


if __name__ == "__main__":
    main()
