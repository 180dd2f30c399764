"""Reads the fields of forms: finds the form on a page, takes its print away, and reads each field by its rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from digitscan import automata, constrain
from digitscan.decode import digits_of, edge_scores, features, middle_of, posteriors
from digitscan.ink import find_form_ink
from digitscan.normalize import normalize_all
from digitscan.paths import SPAN
from digitscan.register import MIN_QUALITY, Survey, plain_grey, register, scaling
from digitscan.schema import (
    NOT_A_DIGIT,
    FieldValue,
    Layout,
    Number,
    Page,
    PageFailure,
    PageGlyphs,
    PageNumbers,
    PlacedForm,
)
from digitscan.segment import segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from digitscan.constrain import Reading, Scored
    from digitscan.form import Field, Form, Rectangle
    from digitscan.register import Registration
    from digitscan.schema import Corners, Digit, Ink, Lattice, PathWeights, StripPredictor

    Floats = NDArray[np.float64]

_AROUND = 0.25
"""In heights of a field: writing may leave it by so much."""

_LARGEST = 4000
"""Pixels of the longer side at which a form is read."""

_BREACH = 1e-4
"""How much likelier than one that obeys it a text must be to break its field's rule: people make mistakes, too."""

_POINT_SIZE, _POINT_DROP = 0.5, 0.1
_MINUS_SIZE, _MINUS_DROP = (0.25, 0.4), 0.35
"""In digit heights: the largest point or comma and how far it is below the line's middle; the shortest minus, the
highest one, and how far that is from the line's middle at most."""

_SEEN, _UNSEEN = 0.9, 0.01
"""Probability that what looks like a point or minus, or doesn't, is one."""


def find_form(page: Page, forms: Sequence[Form]) -> tuple[int, Registration] | PageFailure:
    """Which of the forms a page is, and how it lies there; a failure if none of them is found surely."""
    survey = Survey.of(plain_grey(page.pixels))
    found = [(index, place) for index, form in enumerate(forms) if (place := register(form.reference, survey))]
    best = max(found, key=lambda pair: pair[1].quality, default=None)
    if best is None or best[1].quality < MIN_QUALITY:
        share = best[1].quality if best else 0.0
        names = " or ".join(form.name for form in forms)
        message = (
            f"this page is not the form {names}: in a third of it {share:.0%} of the print was found, "
            f"{MIN_QUALITY:.0%} are needed"
        )
        return PageFailure(page.file, page.number, message)
    return best


def form_glyphs(page: Page, forms: Sequence[Form], read_strips: StripPredictor | None) -> PageGlyphs | PageFailure:
    """The lattices of the fields of one page, whose boxes lead to the page, and their normalised candidates."""
    found = find_form(page, forms)
    if isinstance(found, PageFailure):
        return found
    index, registration = found
    form = forms[index]
    upright, scale = _upright(page.pixels, form, registration)
    ink = find_form_ink(upright, form.printed)
    to_reference = ink.to_page[0, 0] / scale
    regions = np.array([_region(field.place) for field in form.fields]) / to_reference
    finder = _FieldFinder(regions)
    segments = segment(_inside(ink, regions), Layout.PAGE, read_strips, finder)
    lattices = [
        lattice._replace(to_page=_linear(form.fields[field].place, registration.to_page) @ scaling(to_reference))
        for lattice, field in zip(segments.lattices, finder.found, strict=True)
    ]
    places = np.array([form.fields[field].place for field in finder.found]).reshape(-1, 4) / to_reference
    placed = PlacedForm(index, field_corners(form, registration), tuple(finder.found), places)
    return PageGlyphs(
        page.file, page.number, tuple(lattices), normalize_all(segments.inks), segments.frames, form=placed
    )


def field_corners(form: Form, registration: Registration) -> tuple[Corners, ...]:
    """The corners of each field on the page."""
    corners = (corners_on_page(field.place, registration.to_page) for field in form.fields)
    return tuple(tuple((float(x), float(y)) for x, y in four) for four in corners)


def corners_on_page(place: Rectangle, to_page: Floats) -> Floats:
    """The corners of a field on the page, float64 (4, 2), from the upper left clockwise."""
    x, y, width, height = place
    corners = np.array([[(x, y), (x + width, y), (x + width, y + height), (x, y + height)]], np.float64)
    return np.asarray(cv2.perspectiveTransform(corners, to_page)[0])


class _FieldFinder:
    """Gives each component to the field that its middle is in, and remembers which fields have any."""

    def __init__(self, regions: Floats) -> None:
        self._regions = regions
        self.found: list[int] = []

    def __call__(self, boxes: NDArray[np.int32], _: float) -> list[NDArray[np.intp]]:
        middles = boxes[:, :2] + boxes[:, 2:] / 2
        away = np.maximum(self._regions[:, None, :2] - middles, middles - self._regions[:, None, 2:]).max(axis=2)
        nearest = away.argmin(axis=0)
        self.found = np.unique(nearest).tolist()
        return [np.flatnonzero(nearest == field) for field in self.found]


def _region(place: Rectangle) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of where a field's writing may be."""
    around = _AROUND * place.height
    return place.x - around, place.y - around, place.x + place.width + around, place.y + place.height + around


def _inside(ink: Ink, regions: Floats) -> Ink:
    """The ink in the fields alone."""
    inside = np.zeros(ink.mask.shape, np.bool_)
    for left, top, right, bottom in np.maximum(np.rint(regions), 0).astype(int):
        inside[top:bottom, left:right] = True
    return ink._replace(mask=ink.mask & inside, level=np.where(inside, ink.level, 0).astype(np.uint8))


def _upright(pixels: NDArray[np.uint8], form: Form, registration: Registration) -> tuple[NDArray[np.uint8], float]:
    """The page as the reference lies, grey, uint8 (h, w), and its pixels for one of the reference."""
    height, width = form.printed.shape
    whole = np.array([[(0, 0), (width, 0), (width, height), (0, height)]], np.float64)
    area = cv2.contourArea(cv2.perspectiveTransform(whole, registration.to_page).astype(np.float32))
    scale = min(math.sqrt(area / (width * height)), _LARGEST / max(width, height))
    to_page = registration.to_page @ scaling(1 / scale)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(plain_grey(pixels), to_page, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen), scale


def _linear(place: Rectangle, to_page: Floats) -> Floats:
    """The map from the reference to the page as it is in the middle of a field, float64 (2, 3)."""
    corners = corners_on_page(place, to_page)
    x, y, width, height = place
    across = (corners[1] - corners[0] + corners[2] - corners[3]) / (2 * width)
    down = (corners[3] - corners[0] + corners[2] - corners[1]) / (2 * height)
    middle = np.array([x + width / 2, y + height / 2])
    turn = np.stack([across, down], axis=1)
    return np.column_stack([turn, corners.mean(axis=0) - turn @ middle])


def read_form(
    page: PageGlyphs, placed: PlacedForm, form: Form, probabilities: NDArray[np.float32], weights: PathWeights
) -> PageNumbers:
    """The fields of a page; `probabilities`, float32 (E, 12), are the class probabilities of all lattices' edges."""
    read = dict(zip(placed.lattices, _lines(page, placed, form, probabilities, weights), strict=True))
    numbers = []
    for index, field in enumerate(form.fields):
        text, confidence, digits = read.get(index, ("", 1.0 if field.optional else 0.0, ()))
        value = FieldValue(field.name, field.value(text), field.problem(text), placed.corners[index])
        numbers.append(Number(index + 1, 1, confidence, digits, value))
    return PageNumbers(page.file, page.page, tuple(numbers), page.seconds, form.name)


def _lines(
    page: PageGlyphs, placed: PlacedForm, form: Form, probabilities: NDArray[np.float32], weights: PathWeights
) -> list[tuple[str, float, tuple[Digit, ...]]]:
    """Text, confidence and digits of each lattice."""
    if not page.lattices:
        return []
    known = features(page.lattices, probabilities, page.frames)
    values = edge_scores(known, weights) * weights.sharpness
    pair_values = known.pair @ weights.pair * weights.sharpness
    posterior = posteriors(page.lattices, values, known.neighbours, pair_values)
    pairs = np.zeros((len(values), SPAN))
    pairs[known.neighbours.first, known.neighbours.place[3]] = pair_values
    lines, end = [], 0
    for lattice, index, region in zip(page.lattices, placed.lattices, placed.regions, strict=True):
        start, end = end, end + len(lattice.edges)
        field = form.fields[index]
        scored = _scored(lattice, values[start:end], pairs[start:end], field, region)
        reading, confidence = _choose(scored, field)
        read = [pair for pair in zip(reading.edges, reading.symbols, strict=True) if pair[1] < automata.POINT]
        edges, symbols = zip(*read, strict=True) if read else ((), ())
        digits = digits_of(lattice, edges, symbols, posterior[start:end], page.glyphs[start:end])
        lines.append((reading.text, confidence, digits))
    return lines


def _scored(lattice: Lattice, values: Floats, pairs: Floats, field: Field, region: Floats) -> Scored:
    """The scores of a lattice, as `constrain` wants them."""
    skip = values[:, NOT_A_DIGIT]
    symbols = np.column_stack([values[:, :NOT_A_DIGIT], np.full((len(values), 2), -np.inf)])
    if field.allowed.marks:
        point, minus = _looks(lattice)
        symbols[:, automata.POINT] = skip + np.log(point)
        symbols[:, automata.MINUS] = skip + np.log(minus)
        skip = skip + np.log(1 - np.maximum(point, minus))
    if field.boxes:
        symbols, pairs = _in_boxes(lattice, symbols, pairs, region, field.boxes)
    return constrain.Scored(lattice.edges, symbols, skip, pairs)


def _looks(lattice: Lattice) -> tuple[Floats, Floats]:
    """Probability of each edge to be a point or comma, and to be a minus, if it is a mark; by its size and place."""
    y, width, height = lattice.boxes[:, 1:].T / lattice.height
    drop = y + height / 2 - middle_of(lattice) / lattice.height
    point = (height < _POINT_SIZE) & (width < _POINT_SIZE) & (drop > _POINT_DROP)
    minus = (width > _MINUS_SIZE[0]) & (height < _MINUS_SIZE[1]) & (width > height) & (np.abs(drop) < _MINUS_DROP)
    return np.where(point, _SEEN, _UNSEEN), np.where(minus & ~point, _SEEN, _UNSEEN)


def _in_boxes(lattice: Lattice, symbols: Floats, pairs: Floats, region: Floats, count: int) -> tuple[Floats, Floats]:
    """One digit in each printed box: none is wider than a box and a half, and no two have their middles in one box."""
    side = region[2] / count
    x, _, width, _ = lattice.boxes.T
    box = np.floor((x + width / 2 - region[0]) / side)
    symbols = np.where((width > 1.5 * side)[:, None], -np.inf, symbols)
    pairs = pairs.copy()
    first, other = np.nonzero(lattice.edges[:, None, 1] == lattice.edges[None, :, 0])
    same = box[first] == box[other]
    spans = lattice.edges[other, 1] - lattice.edges[other, 0] - 1
    pairs[first[same], spans[same]] = -np.inf
    return symbols, pairs


def _choose(line: Scored, field: Field) -> tuple[Reading, float]:
    """The best reading that the field allows, or the best of all where that is by far likelier, and its probability."""
    allowed = field.allowed
    if field.optional:
        allowed = allowed._replace(accepts=np.append(True, allowed.accepts[1:]))
    everything = automata.anything(marks=allowed.marks)
    free, obedient = constrain.best(line, everything), constrain.best(line, allowed)
    breach = math.log(_BREACH)
    if obedient and (free is None or obedient.score >= free.score + breach):
        reading, prior = obedient, 0.0
    else:
        reading, prior = free or constrain.Reading([], [], -math.inf), breach
    share = constrain.total(line, automata.one_of([reading.text], marks=allowed.marks)) + prior
    whole = np.logaddexp(constrain.total(line, allowed), breach + constrain.total(line, everything))
    return reading, math.exp(min(0.0, share - whole)) if np.isfinite(whole) else 0.0
