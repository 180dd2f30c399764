"""Settings and the frozen records that travel from step to step; the names of the report's columns.

Records are named tuples: a frozen dataclass takes eight times as long to define, at every start. Those that are equal
whatever some of their fields say are dataclasses.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil, floor, inf
from typing import TYPE_CHECKING, NamedTuple, Protocol

from digitscan.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

NORMALIZER_VERSION = 1
"""Changes whenever `normalize.py` makes other pictures of the same ink; a model is bound to one version."""

GLYPH_SIZE = 28
"""Side of a normalised glyph in pixels, as in MNIST."""

NOT_A_DIGIT = 10
"""Class of a mark that a reading skips: a point, a dash, a letter, a blot, a piece of a rule. 0 to 9 are the digits."""

WRONG_CUT = 11
"""Class of a candidate that no reading contains: part of a digit, or more than one."""

CLASS_COUNT = 12

UNCERTAIN = 255
"""Label of what a person would argue about; not trained on."""

SURVEY_SIDE = 2500
"""Longest side of the picture in which a page is looked at first, before its writing decides about the scale."""

STRIP_HEIGHT = 40
"""Rows of a text line's picture for the line reader; a digit is half as high."""

FRAME = 2
"""Columns of a strip that the line reader says one thing about."""

NOTHING = 10
"""What the line reader says of a frame in which no digit has its middle. 0 to 9 are the digits."""

FRAME_CLASS_COUNT = 11


class Layout(StrEnum):
    """What one image holds."""

    PAGE = "page"
    LINE = "line"
    DIGIT = "digit"


class Per(StrEnum):
    """What one row of the report stands for."""

    NUMBER = "number"
    DIGIT = "digit"
    PAGE = "page"


class Status(StrEnum):
    """How a row came out."""

    OK = "ok"
    REVIEW = "review"
    EMPTY = "empty"
    ERROR = "error"
    CHECKED = "checked"
    """A person has looked at it: only in a report that corrections were applied to."""


class Runtime(StrEnum):
    """What runs a model."""

    LITERT = "litert"
    KERAS = "keras"


class LogFormat(StrEnum):
    """What a line of the log looks like."""

    TEXT = "text"
    JSON = "json"


class Format(StrEnum):
    """What the parts of a report are."""

    CSV = "csv"
    PARQUET = "parquet"


class Arch(StrEnum):
    """The networks that can be trained."""

    CNN = "cnn"
    MLP = "mlp"
    LINE = "line"


COLUMNS: dict[Per, tuple[str, ...]] = {
    Per.NUMBER: (
        *("file", "page", "line", "number", "text", "confidence", "status"),
        *("x", "y", "width", "height", "message"),
    ),
    Per.DIGIT: (
        *("file", "page", "line", "number", "position", "text", "confidence", "status"),
        *("x", "y", "width", "height", "message"),
    ),
    Per.PAGE: ("file", "page", "lines", "confidence", "status", "message"),
}
"""Columns of the report. `lines` has a page's lines separated by `|`, the numbers of a line by a space."""


FORM_COLUMNS, FORM_ENDING = ("file", "page", "status", "confidence"), ("form", "message")
"""Columns of a report of forms, before and behind those of the fields."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The one source of defaults, for the command line and for the library."""

    model: str | None = None
    """Model name without suffix; None is the model that comes with the package."""
    layout: Layout = Layout.PAGE
    per: Per = Per.NUMBER
    min_confidence: float = 0.8
    """Numbers below it get the status `review`; 0 to 1."""
    rotate: int = 0
    """Degrees clockwise by which pages must be turned to stand upright: 0, 90, 180 or 270."""
    jobs: int = 0
    """Worker processes; 0 is one for each core."""
    dpi: int = 200
    """Resolution in which PDF pages are drawn."""
    max_pixels: int = 200_000_000
    """A page with more pixels is refused before it is decoded."""
    page_timeout: float | None = None
    """Seconds after which the reading of a page is given up; None waits for ever."""
    fields: tuple[str, ...] = ()
    """Names of the fields of forms: the report has a row a page, with a column for each."""
    confidences: bool = False
    """Whether each field has a column for its confidence as well."""

    def __post_init__(self) -> None:
        """Take `layout` and `per` as text too. Raises UsageError for values that can't be."""
        try:
            object.__setattr__(self, "layout", Layout(self.layout))
            object.__setattr__(self, "per", Per(self.per))
            possible = 0 <= self.min_confidence <= 1 and self.rotate in (0, 90, 180, 270)
            possible &= self.jobs >= 0 and self.dpi > 0 and self.max_pixels > 0
            possible &= self.page_timeout is None or 0 < self.page_timeout < inf
        except (ValueError, TypeError) as error:
            raise UsageError(f"settings: {error}") from error
        if not possible:
            raise UsageError(
                "settings: min_confidence is 0 to 1, rotate 0, 90, 180 or 270, jobs at least 0, "
                "dpi, max_pixels and page_timeout above 0"
            )

    @property
    def cores(self) -> int:
        """How many of the machine's cores may be busy."""
        return self.jobs or os.cpu_count() or 1


Corners = tuple[tuple[float, float], ...]


class Box(NamedTuple):
    """A rectangle in pixels of the original page; `x`, `y` is its upper left pixel."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def around(cls, boxes: Sequence[Box]) -> Box:
        """The smallest box around at least one."""
        left, top = min(box.x for box in boxes), min(box.y for box in boxes)
        right = max(box.x + box.width for box in boxes)
        bottom = max(box.y + box.height for box in boxes)
        return cls(left, top, right - left, bottom - top)


class Page(NamedTuple):
    """One page as it was read: `pixels` is uint8, (H, W) grey or (H, W, 3) BGR; `number` counts from 1.

    Each pixel is a square of `reduction` pixels of the file, where the page was read at a part of its size.
    """

    file: str
    number: int
    pixels: NDArray[np.uint8]
    reduction: int = 1


@dataclass(frozen=True, slots=True)
class PageFailure:
    """A page, or a whole file (`page` 1), that could not be read; `message` is one line without the file's name.

    It is `transient` where the fault may not lie in the file, so that another try may succeed.
    """

    file: str
    page: int
    message: str
    transient: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Digit:
    """One digit as read; `confidence` from 0 to 1."""

    text: str
    confidence: float
    box: Box
    scores: tuple[float, ...] = field(default=(), compare=False, repr=False)
    """How sure it would be as each of 0 to 9; empty where that isn't known."""
    glyph: bytes = field(default=b"", compare=False, repr=False)
    """What the classifier saw: uint8 (28, 28), ink bright on black, row by row; empty where that isn't known."""


class FieldValue(NamedTuple):
    """What a form's field says: `text` as the report has it, and `problem`, the rule that it breaks, or nothing.

    `corners` are those of its box on the page, x and y in pixels, from the form's upper left clockwise.
    """

    name: str
    text: str
    problem: str
    corners: Corners

    @property
    def box(self) -> Box:
        """The smallest upright box on the page around it."""
        left, top = (max(0, floor(min(side))) for side in zip(*self.corners, strict=True))
        right, bottom = (ceil(max(side)) for side in zip(*self.corners, strict=True))
        return Box(left, top, max(1, right - left), max(1, bottom - top))


class Number(NamedTuple):
    """A run of digits that belong together; `line` and `number` count from 1 within the page and the line.

    On a form each `field` is one, on a line of its own, and may have no digits.
    """

    line: int
    number: int
    confidence: float
    digits: tuple[Digit, ...]
    field: FieldValue | None = None

    @property
    def text(self) -> str:
        """The digits alone, leading zeros kept; what a field says."""
        return self.field.text if self.field else "".join(digit.text for digit in self.digits)

    @property
    def box(self) -> Box:
        """The smallest box around all its digits; that of the field."""
        return self.field.box if self.field else Box.around([digit.box for digit in self.digits])

    def is_doubtful(self, min_confidence: float) -> bool:
        """Whether a person should look at it."""
        return self.confidence < min_confidence or bool(self.field and self.field.problem)


@dataclass(frozen=True, slots=True)
class PageNumbers:
    """All numbers of one page in reading order; none where the page holds no digits."""

    file: str
    page: int
    numbers: tuple[Number, ...]
    seconds: float = field(default=0.0, compare=False)
    """What its reading and cutting took; 0 where it wasn't read now."""
    form: str = ""
    """The form that the page is, if it was read as one: then the numbers are its fields."""


PageResult = PageNumbers | PageFailure
"""What a scan says of a page."""


class Rest(NamedTuple):
    """The pages of a file from `first` on, which counts from 1."""

    file: str
    first: int


Source = str | Rest | PageResult
"""What a scan takes: a file, the rest of one, or a result that is there already."""


class Samples(NamedTuple):
    """Labelled glyphs: uint8 (N, 28, 28), ink bright on black, and their classes uint8 (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def take(self, order: NDArray[np.intp] | NDArray[np.bool_]) -> Samples:
        """Some of the samples."""
        return Samples(self.images[order], self.labels[order])

    @classmethod
    def joined(cls, parts: Sequence[Samples]) -> Samples:
        """All parts, of which there is at least one, one after the other."""
        import numpy as np  # Only here: the command line's help must not wait for it.

        return cls(*(np.concatenate(part) for part in zip(*parts, strict=True)))


class Ink(NamedTuple):
    """The ink of a page in working pixels.

    `mask` is bool (H, W), true on ink, and `rules` bool (H, W) on printed rules, which are none; `level` uint8 (H, W),
    0 for paper to 255 for full ink, soft at the edges of `mask` and 0 elsewhere; `stroke` the pen's width in pixels;
    `to_page` a float64 (2, 3) affine map from working to page pixels.
    """

    mask: NDArray[np.bool_]
    rules: NDArray[np.bool_]
    level: NDArray[np.uint8]
    stroke: float
    to_page: NDArray[np.float64]


class Lattice(NamedTuple):
    """All ways to cut one text line into glyphs.

    The line's ink is split into atoms 0 to A - 1 from left to right. An edge `(start, stop)` joins the atoms from
    `start` up to but without `stop` into one candidate glyph; a reading of the line is a path of edges from 0 to A.

    `edges` is int32 (E, 2), sorted; `boxes` int32 (E, 4) with x, y, width, height in working pixels; `whole` bool (E,)
    is true where a candidate is made of whole components, not of cut pieces; `cuts` float32 (E,) is the ink that was
    cut through on both sides, in strokes; `columns` float32 (E,) a candidate's middle and `reach` float32 (E,) half its
    width, both in columns of the line's strip; `height` the usual height of a digit on this line in working pixels;
    `to_page` float64 (2, 3) maps working to page pixels; `fences` float32 (K,) is where upright rules cross the line,
    from left to right, in working pixels.
    """

    edges: NDArray[np.int32]
    boxes: NDArray[np.int32]
    whole: NDArray[np.bool_]
    cuts: NDArray[np.float32]
    columns: NDArray[np.float32]
    reach: NDArray[np.float32]
    height: float
    to_page: NDArray[np.float64]
    fences: NDArray[np.float32]


class PathWeights(NamedTuple):
    """How much each feature of an edge counts when a lattice is read; the order is that of `decode.py`.

    `digit` weighs the features of an edge read as a digit, `mark` those of one that is skipped, `pair` those of two
    digits side by side; `sharpness` is what scores are multiplied by for confidences that can be believed, `letters`
    the log-odds that are added to a digit's confidence where nearly all that stands beside it are letters.
    """

    digit: Sequence[float]
    mark: Sequence[float]
    pair: Sequence[float]
    sharpness: float = 1.0
    letters: float = 0.0


def survey_reduction(longer_side: int) -> int:
    """How many times smaller a page is for `SURVEY_SIDE`: 1, 2, 4, and so on, as JPEG can be decoded."""
    return 1 << ((longer_side - 1) // SURVEY_SIDE).bit_length()


class StripPredictor(Protocol):
    """Anything that turns strips, uint8 (STRIP_HEIGHT, W), into probabilities of their frames, float32 (T, 11)."""

    def __call__(self, strips: Sequence[NDArray[np.uint8]], /) -> list[NDArray[np.float32]]:
        """Read all strips, at least one."""


class PlacedForm(NamedTuple):
    """A form as it lies on a page: which of those that were given, and the corners of all its fields on the page.

    `lattices` are the fields that the page's lattices belong to, and `regions`, float64 (L, 4), the boxes of these in
    the pixels of the lattices.
    """

    form: int
    corners: tuple[Corners, ...]
    lattices: tuple[int, ...]
    regions: NDArray[np.float64]


class PageGlyphs(NamedTuple):
    """What a worker returns for a page: never the page itself, only 784 bytes a candidate and 22 a column of a line.

    `glyphs` is uint8 (N, 28, 28), the candidates of all lattices one after the other; `frames` has what the line reader
    says of each lattice's line, float32 (T, FRAME_CLASS_COUNT), and is None without a line reader; `seconds` is how
    long all that took.
    """

    file: str
    page: int
    lattices: tuple[Lattice, ...]
    glyphs: NDArray[np.uint8]
    frames: tuple[NDArray[np.float32], ...] | None
    seconds: float = 0.0
    form: PlacedForm | None = None


class LabelledLine(NamedTuple):
    """A synthetic line as the steps of a scan leave it.

    The lattice, the glyphs of its edges uint8 (E, 28, 28) and their classes uint8 (E,), what each edge is on a right
    path through the lattice uint8 (E,), the line's strip uint8 (STRIP_HEIGHT, W), what is in the middle of each of its
    frames uint8 (ceil(W / FRAME),), and the characters that were written, without spaces.
    """

    lattice: Lattice
    glyphs: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    readings: NDArray[np.uint8]
    strip: NDArray[np.uint8]
    frames: NDArray[np.uint8]
    text: str
