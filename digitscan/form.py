"""Templates of forms: a TOML or JSON file that names the fields of an empty form, their places and their rules."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from digitscan import automata
from digitscan.errors import UsageError
from digitscan.image import read_pages
from digitscan.ink import find_contrast, strong
from digitscan.register import Reference, plain_grey
from digitscan.schema import FORM_COLUMNS, FORM_ENDING, PageFailure, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from digitscan.automata import Automaton

    Table = Mapping[str, Any]

_TYPES = {
    "digits": {"length", "boxes", "check", "range", "values", "optional"},
    "number": {"decimals", "range", "optional"},
    "date": {"order", "length", "boxes", "range", "optional"},
}
"""The rules that each type knows, beside `name`, `box` and `type`."""

_ORDERS = ("dmy", "mdy", "ymd")
_MOST_DIGITS = 40
_CENTURIES = (date(1920, 1, 1), date(2049, 12, 31))
"""What dates without a range are taken for."""

_LEAST_OVERLAP = 0.02
"""Share of the smaller box: less is a slip of the mouse."""


class Rectangle(NamedTuple):
    """A field's place in pixels of the reference."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field of a form: its place, its printed boxes (0 if it has none), and what may be written there."""

    name: str
    type: str
    place: Rectangle
    boxes: int
    allowed: Automaton
    optional: bool
    order: str = ""
    decimals: int | None = None
    bounds: tuple[float, float] | None = None
    """Of a number."""

    def value(self, text: str) -> str:
        """What the report says for a text in `automata.CHARACTERS`; the text itself where it isn't allowed."""
        if not text or not automata.accepted(self.allowed, text):
            return text
        if self.type == "number":
            return self._number(text)
        return self._date(text) if self.type == "date" else text

    def problem(self, text: str) -> str:
        """Which rule a text breaks; empty if none."""
        if not text:
            return "" if self.optional else f"{self.name} is empty"
        inside = automata.accepted(self.allowed, text)
        if inside and self.bounds:
            inside = self.bounds[0] <= float(self._number(text)) <= self.bounds[1]
        return "" if inside else f"{self.name} breaks its rule"

    def _number(self, text: str) -> str:
        *groups, last = text.split(".")
        has_fraction = groups and (len(last) != 3 if self.decimals is None else self.decimals > 0)
        return "".join(groups) + "." + last if has_fraction else "".join(groups) + last

    def _date(self, text: str) -> str:
        widths = {"d": 2, "m": 2, "y": len(text) - 4}
        pieces = iter(text.split(".")) if "." in text else _cut(text, [widths[part] for part in self.order])
        parts = dict(zip(self.order, pieces, strict=True))
        year = int(parts["y"])
        if len(parts["y"]) == 2:
            year += 1900 if year >= 69 else 2000  # As POSIX has it.
        return date(year, int(parts["m"]), int(parts["d"])).isoformat()


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A form ready to be found on pages: its name, its reference, whose print is bool (H, W), and its fields."""

    name: str
    reference: Reference
    printed: NDArray[np.bool_]
    fields: tuple[Field, ...]
    sha256: str
    """Of the template and the reference."""


def load_forms(paths: Iterable[Path]) -> tuple[Form, ...]:
    """The forms of these templates. Raises UsageError where one can't be used, or two have the same name."""
    forms = tuple(map(load_form, paths))
    for one, other in combinations(forms, 2):
        if one.name == other.name:
            raise UsageError(f"two forms are called {one.name}; rename one of the files")
    return forms


def load_form(path: Path) -> Form:
    """The form of a template. Raises UsageError, with the template's name, where it can't be used."""
    template = _read(path)
    try:
        _known(template, {"reference", "unit", "field"}, "the template")
        file = path.parent / _typed(template, "reference", str)
        grey = read_reference(file)
        fields = _fields(template, grey.shape)
    except _Mistake as mistake:
        raise UsageError(f"{path}: {mistake}") from mistake
    reference = Reference.of(grey)
    if not reference.is_findable:
        raise UsageError(f"{path}: {file} has too little print to be found by; give the empty form with its labels")
    digest = hashlib.sha256(path.read_bytes() + file.read_bytes()).hexdigest()
    return Form(path.stem, reference, strong(find_contrast(grey)), fields, digest)


def read_reference(file: Path) -> NDArray[np.uint8]:
    """The first page of a reference as grey, uint8 (H, W). Raises UsageError."""
    page = next(read_pages(str(file), Settings()))
    if isinstance(page, PageFailure):
        raise UsageError(f"the reference {file} can't be read: {page.message}")
    return plain_grey(page.pixels)


class _Mistake(Exception):  # noqa: N818 (it never leaves this module)
    """What is wrong with a template, in a few words."""


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        found = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no template: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no template: digitscan form new makes one")
    return found


def _fields(template: Table, shape: tuple[int, ...]) -> tuple[Field, ...]:
    tables = template.get("field")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise _Mistake("there is no [[field]]")
    unit = template.get("unit", "pixels")
    if unit not in ("pixels", "fractions"):
        raise _Mistake(f"unit is {unit!r}; pixels or fractions")
    scale = (1.0, 1.0) if unit == "pixels" else (float(shape[1]), float(shape[0]))
    fields = tuple(_field(table, scale, shape) for table in tables)
    for one, other in combinations(fields, 2):
        if one.name == other.name:
            raise _Mistake(f"two fields are called {one.name!r}")
        if _overlap(one.place, other.place) > _LEAST_OVERLAP:
            raise _Mistake(f"the boxes of {one.name!r} and {other.name!r} overlap")
    return fields


def _field(table: Table, scale: tuple[float, float], shape: tuple[int, ...]) -> Field:
    name = _typed(table, "name", str)
    is_taken = name in (*FORM_COLUMNS, *FORM_ENDING) or name.endswith("_confidence")
    if is_taken or not name.strip() or not name.isprintable():
        raise _Mistake(f"a field can't be called {name!r}")
    try:
        kind = _typed(table, "type", str)
        if kind not in _TYPES:
            raise _Mistake(f"its type is {kind!r}; {', '.join(_TYPES)} are known")
        _known(table, _TYPES[kind] | {"name", "box", "type"}, f"a field of type {kind}")
        place = _place(table, scale, shape)
        boxes = _typed(table, "boxes", int, 0)
        if not 0 <= boxes <= _MOST_DIGITS:
            raise _Mistake(f"boxes is {boxes}")
        optional = _typed(table, "optional", bool, False)
        make = {"digits": _digits, "number": _number, "date": _date}[kind]
        return make(table, name=name, type=kind, place=place, boxes=boxes, optional=optional)
    except _Mistake as mistake:
        raise _Mistake(f"field {name!r}: {mistake}") from mistake


def _place(table: Table, scale: tuple[float, float], shape: tuple[int, ...]) -> Rectangle:
    box = table.get("box")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, int | float) for side in box):
        raise _Mistake("box must be [x, y, width, height]")
    x, y, width, height = (side * scale[place % 2] for place, side in enumerate(box))
    if width <= 0 or height <= 0 or x < 0 or y < 0 or x + width > shape[1] + 1 or y + height > shape[0] + 1:
        raise _Mistake(f"its box is outside of the reference, {shape[1]} x {shape[0]} pixels")
    return Rectangle(x, y, width, height)


def _digits(table: Table, **known: Any) -> Field:
    length = _length(table, known["boxes"])
    check = table.get("check")
    if check is not None and check not in automata.CHECKS:
        raise _Mistake(f"check is {check!r}; {', '.join(automata.CHECKS)} are known")
    bounds = _range(table, int)
    allowed = automata.digits(length, bounds, automata.CHECKS[check] if check else None)
    if "values" in table:
        values = table["values"]
        if not isinstance(values, list) or not values or not all(isinstance(text, str) for text in values):
            raise _Mistake('values must be a list of texts, such as ["11", "12"]')
        wrong = [text for text in values if not (text.isascii() and text.isdigit())]
        if wrong:
            raise _Mistake(f"the value {wrong[0]!r} is not all digits")
        allowed = automata.one_of([text for text in values if automata.accepted(allowed, text)], marks=False)
    if not allowed.accepts.any():
        raise _Mistake("no text obeys all its rules")
    return Field(allowed=allowed, **known)


def _number(table: Table, **known: Any) -> Field:
    decimals = _typed(table, "decimals", int, -1) if "decimals" in table else None
    if decimals is not None and not 0 <= decimals <= 9:
        raise _Mistake(f"decimals is {decimals}; 0 to 9")
    return Field(allowed=automata.number(decimals), decimals=decimals, bounds=_range(table, (int, float)), **known)


def _date(table: Table, **known: Any) -> Field:
    order = _typed(table, "order", str)
    if order not in _ORDERS:
        raise _Mistake(f"order is {order!r}; {', '.join(_ORDERS)} are known")
    length = _typed(table, "length", int, known["boxes"] or 8)
    if length not in (6, 8) or known["boxes"] not in (0, length):
        raise _Mistake("a date has a length of 8 digits, or of 6 with a year of two digits, and as many boxes")
    first, last = _range(table, date) or (_CENTURIES if length == 8 else (date(1969, 1, 1), date(2068, 12, 31)))
    allowed = automata.dates(order, length, first, last, marks=not known["boxes"])
    return Field(allowed=allowed, order=order, **known)


def _length(table: Table, boxes: int) -> tuple[int, int]:
    """Least and most digits: as many as there are boxes, or any number, unless the template says it."""
    length = table.get("length", boxes or [1, _MOST_DIGITS // 2])
    least, most = length if isinstance(length, list) and len(length) == 2 else (length, length)
    are_whole = isinstance(least, int) and isinstance(most, int)
    if not are_whole or not 1 <= least <= most <= (boxes or _MOST_DIGITS):
        raise _Mistake("length must be a number of digits, or [least, most], and no more than its boxes")
    return least, most


def _range(table: Table, kind: type | tuple[type, ...]) -> Any:
    if "range" not in table:
        return None
    bounds = table["range"]
    if kind is date and isinstance(bounds, list):
        bounds = [_day(bound) for bound in bounds]
    is_pair = isinstance(bounds, list) and len(bounds) == 2 and all(isinstance(bound, kind) for bound in bounds)
    if not is_pair or bounds[0] > bounds[1]:
        raise _Mistake("range must be [least, most]")
    return tuple(bounds)


def _day(value: object) -> object:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None


def _typed(table: Table, key: str, kind: type, default: Any = None) -> Any:
    value = table.get(key, default)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _Mistake(f"{key} is missing" if value is None else f"{key} is {value!r}")
    return value


def _known(table: Table, keys: set[str], what: str) -> None:
    for key in table:
        if key not in keys:
            raise _Mistake(f"{what} has no {key!r}; it may have {', '.join(sorted(keys))}")


def _overlap(one: Rectangle, other: Rectangle) -> float:
    wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(0.0, wide) * max(0.0, high) / min(one.width * one.height, other.width * other.height)


def _cut(text: str, widths: list[int]) -> Iterable[str]:
    start = 0
    for width in widths:
        yield text[start : start + width]
        start += width
