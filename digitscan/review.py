"""Makes the review page: one HTML file in which a person sees what was read beside its picture, and corrects it.

The page holds the report's cells as text, and for the rows to look at a picture cut from the scan and what the
classifier saw. It is put together from the files in `review_page/` and needs nothing else: no server, no network.
"""

from __future__ import annotations

import hashlib
import json
import math
from base64 import b64encode
from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from digitscan.errors import NoInputError, UsageError
from digitscan.pictures import PagePixels, cut_field, cut_out
from digitscan.report import FIELD_COLUMNS, cell_text, field_rows, rows, write_file
from digitscan.schema import COLUMNS, GLYPH_SIZE, Box, Digit, Number, PageFailure, PageNumbers, Per, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from digitscan.report import Row
    from digitscan.schema import Page, Settings

    Details = dict[str, Any]
    """What the page shows of a number: a `picture`, WebP; the `glyphs` side by side, PNG, both in Base64; `digits`
    with the confidence and the runners-up of each."""

_WEBP, _PNG = (cv2.IMWRITE_WEBP_QUALITY, 50), (cv2.IMWRITE_PNG_COMPRESSION, 9)
"""The picture may lose what the eye doesn't miss; the glyphs are trained on."""

_RUNNERS_UP = 2
_LEAST_SCORE = 0.01
"""Of a runner-up that is worth showing."""

_ROWS_A_BLOCK = 250
"""The page decodes the details of so many rows at once, when one of them is shown."""


class Review:
    """Collects the rows of a report, and what the page shows beside those that a person should look at."""

    def __init__(self, name: str, settings: Settings, columns: Sequence[str] = (), *, all_rows: bool = False) -> None:
        """`name` is the report's, `settings` those of the scan; with `all_rows`, every number has a picture.

        `columns` are the report's, where they are not those of a row a number, or a field, alone.
        """
        self._name = name
        self._settings = settings
        self._columns = columns or (FIELD_COLUMNS if settings.fields else COLUMNS[Per.NUMBER])
        self._wanted_status = {Status.REVIEW, Status.OK, Status.CHECKED} if all_rows else {Status.REVIEW}
        self._pixels = PagePixels(settings)
        self._rows: list[Row] = []
        self._places: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._details: dict[int, Details] = {}
        self.changed = 0
        """Numbers that were read again, and not as the report has them."""

    def add(self, read: PageNumbers | PageFailure) -> None:
        """Add a page of the scan that makes the report."""
        make = field_rows if self._settings.fields else rows
        self.add_rows(make(read, self._settings))
        self.add_details(read)

    def add_rows(self, table: Iterable[Row]) -> None:
        """Add rows with a cell for each column, as values or as text."""
        for row in table:
            cells = dict(zip(self._columns, row, strict=True))
            if cells["status"] in self._wanted_status:
                self._places[str(cells["file"]), str(cells["page"])].append(len(self._rows))
            self._rows.append(row)

    def find_files(self) -> list[str]:
        """The files with rows to look at, in the order of the rows. Raises NoInputError where none of them is there."""
        names = list(dict.fromkeys(file for file, _ in self._places))
        if names and not any(Path(name).exists() for name in names):
            raise NoInputError(
                f"none of the scans that {self._name} names is there, such as {names[0]!r}; "
                "call digitscan review in the folder where classify was called"
            )
        return names

    def add_details(self, read: PageNumbers | PageFailure) -> None:
        """Keep what is shown of a page that was read again, once its rows are there."""
        places = self._places.get((read.file, str(read.page)))
        if isinstance(read, PageFailure) or not places:
            return
        numbers = {(str(number.line), str(number.number), number.text): number for number in read.numbers}
        wanted = [self._number(place, numbers) for place in places]
        found = self._pixels.upright(PageNumbers(read.file, read.page, tuple(wanted)))
        if found:
            page, upright = found
            for place, number in zip(places, upright.numbers, strict=True):
                self._details[place] = _details(page, number)

    def _number(self, place: int, numbers: dict[tuple[str, str, str], Number]) -> Number:
        """The number of a row as it was read; where that was read otherwise, what its row tells of its place."""
        cells = dict(zip(self._columns, map(str, self._rows[place]), strict=True))
        number = numbers.get((cells["line"], cells["number"], cells["text"]))
        if number:
            return number
        self.changed += 1
        try:
            box = Box(*(int(cells[name]) for name in ("x", "y", "width", "height")))
        except ValueError as error:
            raise UsageError(
                f"{self._name}, row {place + 2}: x, y, width and height are not whole numbers; give the report as "
                "classify wrote it"
            ) from error
        return Number(0, 0, 0.0, (Digit(cells["text"], 0.0, box),))

    @property
    def to_review(self) -> int:
        """Rows that a person should look at."""
        return sum(map(len, self._places.values()))

    @property
    def missing(self) -> int:
        """Those among them whose page can't be read any more."""
        return self.to_review - len(self._details)

    def write(self, output: Path, *, excel: bool = False) -> None:
        """Write the page; `excel` says that the report begins with the BOM. Raises OutputError."""
        texts = [[_written(cell) for cell in row] for row in self._rows]
        details = [self._details.get(place) for place in range(len(texts))]
        about = {
            "name": _written(self._name),
            # Answers are kept under this name: another report, or the same one read again otherwise, has others.
            "id": hashlib.sha256(json.dumps(texts).encode()).hexdigest(),
            "columns": self._columns,
            "excel": excel,
            "rows_a_block": _ROWS_A_BLOCK,
        }
        blocks = [_block("about", about), *_blocks("rows", texts), *_blocks("details", details)]
        write_file(output, _page("".join(blocks)).encode())


def _written(cell: str | int | float | None) -> str:
    """The cell as the CSV has it, but for quotes."""
    return cell_text(cell).encode("utf-8", "backslashreplace").decode()


def _details(page: Page, number: Number) -> Details:
    digits = [digit for digit in number.digits if digit.scores]
    details: Details = {"picture": _base64(_picture(page, number), ".webp", _WEBP)}
    if digits:
        glyphs = [np.frombuffer(digit.glyph, np.uint8).reshape(GLYPH_SIZE, GLYPH_SIZE) for digit in digits]
        details["glyphs"] = _base64(np.hstack(glyphs), ".png", _PNG)
        details["digits"] = [[digit.text, _shown(digit.confidence), _runners_up(digit)] for digit in digits]
    return details


def _picture(page: Page, number: Number) -> NDArray[np.uint8]:
    return cut_field(page.pixels, number.field) if number.field else cut_out(page.pixels, number.box)


def _base64(picture: NDArray[np.uint8], suffix: str, option: tuple[int, int]) -> str:
    _, content = cv2.imencode(suffix, picture, option)
    return b64encode(content.tobytes()).decode()


def _runners_up(digit: Digit) -> list[tuple[str, float]]:
    others = [(score, str(label)) for label, score in enumerate(digit.scores) if str(label) != digit.text]
    likely = sorted(others, reverse=True)[:_RUNNERS_UP]
    return [(label, _shown(score)) for score, label in likely if score >= _LEAST_SCORE]


def _shown(confidence: float) -> float:
    # Rounded down: 1 means no doubt at all.
    return math.floor(1000 * confidence) / 1000


def _blocks(name: str, items: Sequence[object]) -> Iterator[str]:
    starts = range(0, len(items), _ROWS_A_BLOCK)
    return (_block(name, items[start : start + _ROWS_A_BLOCK]) for start in starts)


def _block(name: str, value: object) -> str:
    """JSON that no browser takes for anything else: where `<` can't be written, `</script>` and `<!--` can't either."""
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" class="{name}">{text}</script>\n'


def _page(data: str) -> str:
    """The page around the data; nothing but its own script and style is ever run."""
    folder = files("digitscan") / "review_page"
    page, style, script = ((folder / f"review.{suffix}").read_text("utf-8") for suffix in ("html", "css", "js"))
    policy = (
        f"default-src 'none'; img-src data:; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template(page).substitute(policy=policy, style=style, script=script, data=data)


def _digest(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()
