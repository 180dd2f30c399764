"""Finds the best reading of text lines: the path through each lattice that the classifier and the geometry favour.

Every edge is read as one of ten digits or skipped as a mark that is no digit. Its score is a weighted sum of features:
a log-linear model over paths (J. Lafferty et al., Conditional random fields, 2001), whose few weights are fitted on
synthetic lines. Sums over all paths give each digit's posterior probability, and from these comes the confidence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digitscan import paths
from digitscan.cells import Row, parted
from digitscan.quantile import median
from digitscan.schema import FRAME, NOT_A_DIGIT, NOTHING, Box, Digit, Lattice, Number, PathWeights
from digitscan.strips import find_middles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DIGIT_FEATURES = (
    *("log_probability", "line_log_probability", "line_beside"),
    *("edge", "atoms", "low", "tall", "wide", "cut", "piece", "off_line"),
)
MARK_FEATURES = ("log_probability", "line_log_probability", "edge", "atoms", "height", "wide", "cut", "piece")
"""The beliefs of both networks come first, then the geometry."""

PAIR_FEATURES = ("pair", "overlap", "heights", "line_between")

PLAIN_WEIGHTS = PathWeights(
    digit=(1.0, 0.5, 0.1, 0.0, -0.1, -8.0, -4.0, -4.0, -0.3, -0.5, 0.0),
    mark=(1.0, 0.1, 0.5, -0.5, -8.0, 0.0, -0.3, -2.0),
    pair=(0.0, -1.0, -0.5, 0.3),
)
"""For models that came without fitted weights, as those that know only digits do."""

_SAME = 0.5
"""Share of common atoms from which two edges read as the same digit are the same digit, with or without a speck."""

_FLOOR = 1e-3
"""Least probability: one wrong guess of the classifier must not outweigh the whole line."""

_SEEN = 0.05
"""Probability from which a digit that the line reader may see has to be accounted for."""

_WITHIN = 0.9
"""In half widths: a digit whose middle is further from that of an edge belongs to its neighbour."""

_PLACES_BETWEEN = 9
"""Places where the line reader is asked whether two neighbours are apart."""

_NUMBER_GAP = (1.2, 2.0)
"""In digit heights: no gap within a number need be narrower than the first, and none is wider than the second."""

_UNUSUAL = 1.8
"""Times the usual gap of the line: a wider one ends a number."""

_UNUSUAL_STEP = 1.5
"""Times the usual way from one middle to the next: a shorter one is within a number, though its gap is wide beside
a 1.
"""

_TALL = 0.6
"""In digit heights: marks above it are as tall as digits."""

_USUAL_HEIGHT = (0.7, 1.3)
_USUAL_WIDTH = 1.0
"""In digit heights: a digit beyond these is less likely the further it is."""


class Features(NamedTuple):
    """What is known of each edge, float64.

    `belief` (E, 11): the classifier's log-probabilities of the digits and of a mark. `line` (E, 11): those of the line
    reader, that the edge's middle is each digit's, and that none of the digits that it sees in the edge is there; zeros
    without a line reader. `digit` (E, len(DIGIT_FEATURES) - 2) and `mark` (E, len(MARK_FEATURES) - 2): the other
    features of the edge as a digit and as a mark. `pair` (P, len(PAIR_FEATURES)): those of the pairs `neighbours` of
    edges that follow one another.
    """

    belief: NDArray[np.float64]
    line: NDArray[np.float64]
    digit: NDArray[np.float64]
    mark: NDArray[np.float64]
    pair: NDArray[np.float64]
    neighbours: paths.Pairs


class Read(NamedTuple):
    """A number as its digits alone say it, and what stands among them.

    `letters` is the share of marks as tall as digits that are none, 0 to 1.
    """

    number: Number
    letters: float


def decode(
    lattices: Sequence[Lattice],
    probabilities: NDArray[np.float32],
    frames: Sequence[NDArray[np.float32]] | None,
    weights: PathWeights,
    glyphs: NDArray[np.uint8] | None = None,
) -> list[list[Number]]:
    """The numbers of each text line, from left to right; lines with digits are counted from 1.

    `probabilities` is float32 (E, 12), the class probabilities of all lattices' edges, one lattice after the other.
    `frames` are the line reader's for the strip of each lattice, float32 (T, 11); None without a line reader.
    `glyphs`, uint8 (E, 28, 28), are what the digits are given as theirs.
    """
    lines = read_lines(lattices, probabilities, frames, weights, glyphs)
    return [[doubted(read, weights.letters) for read in line] for line in lines]


def read_lines(
    lattices: Sequence[Lattice],
    probabilities: NDArray[np.float32],
    frames: Sequence[NDArray[np.float32]] | None,
    weights: PathWeights,
    glyphs: NDArray[np.uint8] | None = None,
) -> list[list[Read]]:
    """As `decode`, with confidences that are posterior probabilities, whatever stands beside the digits."""
    if not lattices:
        return []
    known = features(lattices, probabilities, frames)
    values, pair_values = edge_scores(known, weights), known.pair @ weights.pair
    alternatives = np.stack([values[:, :NOT_A_DIGIT].max(axis=1), values[:, NOT_A_DIGIT]], axis=1)
    lengths = [int(lattice.edges[:, 1].max()) for lattice in lattices]
    chosen = paths.best(paths.scores(lattices, alternatives, known.neighbours, pair_values), lengths)
    posterior = posteriors(lattices, values * weights.sharpness, known.neighbours, pair_values * weights.sharpness)
    labels = values[:, :NOT_A_DIGIT].argmax(axis=1)
    marks = [_marks(*each) for each in zip(lattices, chosen, strict=True)]
    rows = [
        Row(own.fences, own.boxes[edges], flags, own.height)
        for own, (edges, flags) in zip(lattices, marks, strict=True)
    ]
    lines: list[list[Read]] = []
    end, count = 0, 1
    for lattice, on_line, walls in zip(lattices, marks, parted(rows), strict=True):
        start, end = end, end + len(lattice.edges)
        own = None if glyphs is None else glyphs[start:end]
        lines.append(_read(lattice, *on_line, walls, labels[start:end], posterior[start:end], own, count))
        count += bool(lines[-1])
    return lines


def doubted(read: Read, letters: float) -> Number:
    """A number, less sure the more letters are among its digits: an o may be a 0 anywhere but there.

    `letters` is `PathWeights.letters`.
    """
    log_odds = letters * read.letters
    if not log_odds:
        return read.number
    digits = tuple(_with_odds(digit, log_odds) for digit in read.number.digits)
    return _number(digits, read.number.line, read.number.number)


def _with_odds(digit: Digit, log_odds: float) -> Digit:
    """The digit with so much added to the log-odds of its confidence."""
    factor = 1 / (digit.confidence + (1 - digit.confidence) * np.exp(-log_odds))
    scores = tuple(min(score * factor, 1.0) for score in digit.scores)
    return replace(digit, confidence=float(digit.confidence * factor), scores=scores)


def as_kinds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores of each edge as any digit and as a mark, float64 (E, 2), from those of `edge_scores`."""
    return np.stack([np.logaddexp.reduce(values[:, :NOT_A_DIGIT], axis=1), values[:, NOT_A_DIGIT]], axis=1)


def posteriors(
    lattices: Sequence[Lattice], values: NDArray[np.float64], index: paths.Pairs, pair_values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probability of each edge as each digit, float64 (E, 10)."""
    kinds = as_kinds(values)
    edges, _ = paths.posteriors(paths.scores(lattices, kinds, index, pair_values), index)
    as_digit = edges[paths.place(lattices)][:, paths.AS_DIGIT]
    return np.asarray(np.exp(values[:, :NOT_A_DIGIT] - kinds[:, :1]) * as_digit[:, None])


def features(
    lattices: Sequence[Lattice],
    probabilities: NDArray[np.float32],
    frames: Sequence[NDArray[np.float32]] | None,
) -> Features:
    """The features of all lattices' edges; the arguments are those of `decode`."""
    belief = _log(probabilities[:, : NOT_A_DIGIT + 1])
    boxes = np.concatenate([lattice.boxes for lattice in lattices]).astype(np.float64)
    edges = np.concatenate([lattice.edges for lattice in lattices])
    counts = [len(lattice.edges) for lattice in lattices]
    unit = np.repeat([lattice.height for lattice in lattices], counts)
    middle = np.repeat([middle_of(lattice) for lattice in lattices], counts)
    cut = np.concatenate([lattice.cuts for lattice in lattices])
    piece = ~np.concatenate([lattice.whole for lattice in lattices])
    height, width = boxes[:, 3] / unit, boxes[:, 2] / unit
    off_line = np.abs(boxes[:, 1] + boxes[:, 3] / 2 - middle) / unit
    one, atoms = np.ones(len(edges)), edges[:, 1] - edges[:, 0]
    low, tall = np.maximum(_USUAL_HEIGHT[0] - height, 0), np.maximum(height - _USUAL_HEIGHT[1], 0)
    wide = np.maximum(width - _USUAL_WIDTH, 0)
    index = paths.pairs(lattices)
    line, beside, between = np.zeros_like(belief), np.zeros(len(edges)), np.zeros(len(index.first))
    if frames is not None:
        seen = [_line_evidence(*each) for each in zip(lattices, frames, strict=True)]
        line, beside, own = (np.concatenate(parts) for parts in zip(*seen, strict=True))
        # What is small may stand above or below a digit that is seen there.
        line[height <= _TALL, NOTHING] = 0
        between = np.where(_differ(own, index), 0.0, _line_between(lattices, frames, index))
    digit = np.stack([beside, one, atoms, low, tall, wide, cut, piece, off_line], axis=1)
    mark = np.stack([one, atoms, height, wide, cut, piece], axis=1)
    pair = np.stack([np.ones_like(between), *_pair_geometry(boxes, index), between], axis=1)
    return Features(belief, line, digit, mark, pair, index)


def _pair_geometry(boxes: NDArray[np.float64], index: paths.Pairs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the narrower one's width that two neighbours overlap by, and the logarithm of their heights' ratio."""
    one, other = boxes[index.first], boxes[index.second]
    common = np.minimum(one[:, 0] + one[:, 2], other[:, 0] + other[:, 2]) - np.maximum(one[:, 0], other[:, 0])
    overlap = np.maximum(common, 0) / np.minimum(one[:, 2], other[:, 2])
    return overlap, np.abs(np.log(one[:, 3] / other[:, 3]))


def _line_between(
    lattices: Sequence[Lattice], frames: Sequence[NDArray[np.float32]], index: paths.Pairs
) -> NDArray[np.float64]:
    """Log-probability that somewhere between the middles of two neighbours there is no digit: else they may be one."""
    columns = np.concatenate([lattice.columns for lattice in lattices])
    # All lines one after the other: places between two middles lie within one line.
    starts = np.cumsum([0, *(len(part) for part in frames)])
    nothing = np.concatenate([part[:, NOTHING] for part in frames])
    offset = starts[index.place[0]]
    middles = columns[index.first] / FRAME + offset, columns[index.second] / FRAME + offset
    shares = np.linspace(0, 1, _PLACES_BETWEEN)
    places = middles[0][:, None] * (1 - shares) + middles[1][:, None] * shares
    return _log(np.interp(places, np.arange(len(nothing)), nothing).max(axis=1))


def _differ(own: NDArray[np.intp], index: paths.Pairs) -> NDArray[np.bool_]:
    """Whether the line reader sees the middles of two neighbours as those of two digits."""
    first, second = own[index.first], own[index.second]
    return np.asarray((first != second) & (first >= 0) & (second >= 0))


def _line_evidence(
    lattice: Lattice, frames: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """What the line reader says of each edge.

    `Features.line`; the log-probability that there is none of the digits whose middles it sees within the edge, but the
    one that is nearest to the edge's own middle; and the number of that one, -1 where there is none.
    """
    at = (lattice.columns - (FRAME - 1) / 2) / FRAME
    places = np.arange(len(frames))
    belief = _log(np.stack([np.interp(at, places, column) for column in frames.T], axis=1))
    middles = find_middles(frames, _SEEN)
    away = np.abs(middles.columns - lattice.columns[:, None])
    within = away < _WITHIN * lattice.reach[:, None]
    missing = within * _log(middles.missing)
    belief[:, NOTHING] = missing.sum(axis=1)
    if not len(middles.columns):
        return belief, np.zeros(len(at)), np.full(len(at), -1)
    nearest, rows = away.argmin(axis=1), np.arange(len(at))
    own = np.where(within[rows, nearest], nearest, -1)
    return belief, belief[:, NOTHING] - missing[rows, nearest], own


def _log(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.log(probabilities.astype(np.float64) + _FLOOR)


def edge_scores(known: Features, weights: PathWeights) -> NDArray[np.float64]:
    """Score of each edge as each digit and as a mark, float64 (E, 11), from its features."""
    scores = np.empty_like(known.belief)
    digits = slice(NOT_A_DIGIT)
    scores[:, digits] = weights.digit[0] * known.belief[:, digits] + weights.digit[1] * known.line[:, digits]
    scores[:, digits] += (known.digit @ weights.digit[2:])[:, None]
    scores[:, NOT_A_DIGIT] = weights.mark[0] * known.belief[:, NOT_A_DIGIT] + weights.mark[1] * known.line[:, NOTHING]
    scores[:, NOT_A_DIGIT] += known.mark @ weights.mark[2:]
    return scores


def middle_of(lattice: Lattice) -> float:
    """Height of the line's middle: the median over its tall candidates."""
    top, height = lattice.boxes[:, 1], lattice.boxes[:, 3]
    tall = height > _TALL * lattice.height
    return median((top + height / 2)[tall] if tall.any() else top + height / 2)


def _marks(lattice: Lattice, path: paths.Path) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The edges of a path, and which of them are digits."""
    index = {edge: place for place, edge in enumerate(map(tuple, lattice.edges.tolist()))}
    return np.array([index[edge] for edge in path.edges]), np.array(path.digits)


def _read(
    lattice: Lattice,
    edges: NDArray[np.intp],
    is_digit: NDArray[np.bool_],
    walls: NDArray[np.bool_],
    labels: NDArray[np.intp],
    posterior: NDArray[np.float64],
    glyphs: NDArray[np.uint8] | None,
    line: int,
) -> list[Read]:
    """The digits of a path, parted where the gap between neighbouring marks is wide, or at `walls`."""
    boxes = lattice.boxes[edges]
    tall = boxes[:, 3] > _TALL * lattice.height
    found: list[Read] = []
    ends = walls | _ends_number(boxes, lattice.height)
    for part in np.split(np.arange(len(edges)), np.flatnonzero(ends) + 1):
        own = edges[part][is_digit[part]].tolist()
        if own:
            letters = int(np.sum(tall[part] & ~is_digit[part]))
            digits = digits_of(lattice, own, labels[own].tolist(), posterior, glyphs)
            found.append(Read(_number(digits, line, len(found) + 1), letters / (letters + len(own))))
    return found


def digits_of(
    lattice: Lattice,
    edges: Sequence[int],
    labels: Sequence[int],
    posterior: NDArray[np.float64],
    glyphs: NDArray[np.uint8] | None,
) -> tuple[Digit, ...]:
    """The digits `labels` that some edges of a lattice are read as.

    `posterior` is float64 (E, 10), that of `posteriors` for the lattice; `glyphs` uint8 (E, 28, 28), or None.
    """
    own = np.asarray(edges, np.intp)
    alike = _shared_atoms(lattice.edges, lattice.edges[own, None]) >= _SAME
    scores = np.minimum(alike.astype(np.float64) @ posterior, 1.0).tolist()
    boxes = _page_boxes(lattice.boxes[own], lattice.to_page)
    seen = [b""] * len(own) if glyphs is None else [glyph.tobytes() for glyph in glyphs[own]]
    return tuple(
        Digit(str(label), score[label], box, tuple(score), glyph)
        for label, score, box, glyph in zip(labels, scores, boxes, seen, strict=True)
    )


def _shared_atoms(edges: NDArray[np.int32], others: NDArray[np.int32]) -> NDArray[np.float64]:
    """Atoms that `edges` (..., 2) have in common with `others` (..., 2), over those of both together."""
    common = np.minimum(edges[..., 1], others[..., 1]) - np.maximum(edges[..., 0], others[..., 0])
    together = np.maximum(edges[..., 1], others[..., 1]) - np.minimum(edges[..., 0], others[..., 0])
    return np.asarray(np.maximum(common, 0) / together, np.float64)


def _ends_number(boxes: NDArray[np.int32], height: float) -> NDArray[np.bool_]:
    """Whether the gap between each mark and the next is too wide for a number: bool (M - 1,).

    What is usual on this line counts, too, since digits in a comb of boxes stand far apart.
    """
    if len(boxes) < 2:
        return np.zeros(0, np.bool_)
    right = np.maximum.accumulate(boxes[:, 0] + boxes[:, 2])
    gaps, steps = boxes[1:, 0] - right[:-1], np.diff(boxes[:, 0] + boxes[:, 2] / 2)
    narrow, wide = (limit * height for limit in _NUMBER_GAP)
    unusual = (gaps > _UNUSUAL * median(gaps)) & (steps > _UNUSUAL_STEP * median(steps))
    return np.asarray((gaps > narrow) & (unusual | (gaps > wide)))


def _number(digits: tuple[Digit, ...], line: int, number: int) -> Number:
    confidence = float(np.prod([digit.confidence for digit in digits]))
    return Number(line, number, confidence, digits)


def _page_boxes(boxes: NDArray[np.int32], to_page: NDArray[np.float64]) -> list[Box]:
    """Smallest upright boxes on the page around boxes of the working picture, int32 (N, 4)."""
    x, y, width, height = boxes.T
    corners = np.stack([[x, y], [x + width, y], [x, y + height], [x + width, y + height]], axis=1)
    points = np.einsum("ij,jcn->icn", to_page[:, :2], corners) + to_page[:, 2, None, None]
    low = np.maximum(np.floor(points.min(axis=1)), 0).astype(int)
    high = np.ceil(points.max(axis=1)).astype(int)
    return [Box(*box) for box in np.concatenate([low, high - low]).T.tolist()]
