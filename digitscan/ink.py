"""Finds the ink on a page: light evened out, rules and boxes taken out, small skew undone, sizes made comparable.

Everything is measured in stroke widths of the page's own pen, so that a 75-dpi strip and a 600-dpi page come out alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from digitscan.colour import weighted_grey, weights_without_print
from digitscan.components import Components, find_components, rows_with_ink
from digitscan.frames import find_frames
from digitscan.lines import digit_height
from digitscan.paper import without_surroundings
from digitscan.rules import THICKNESS, find_rules, find_upright_rules
from digitscan.schema import Ink, survey_reduction
from digitscan.strips import DIGIT_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

STROKE = 4.0
"""Stroke width in pixels that pages are scaled to; thin enough to be fast, thick enough to be cut apart."""

_HEIGHT = 28.0
"""Least height of a digit in pixels that pages are scaled to, for pens that are thick beside the digits."""

_TOLERANCE = (0.8, 1.25)
"""Scales that aren't worth an interpolation."""

_CLEAN_BORDER = 0.75
"""Share of its border that is pure black: a digit may touch it."""

_NEAR = 96
"""In pixels, or less in a small picture: the paper is as bright as the brightest so near."""

_BAND = 4
"""Times as long as wide, at least: a shaded part of the paper, which may be narrower than `_NEAR`."""

_SHADED = (0.08, 0.4)
"""Share of the paper's brightness that shading takes: less is no matter, more is ink."""

_STRONG_CONTRAST = 40
"""Of 255: what stands out from the paper that much is no noise, however restless the paper."""

_LIGHT_SKEWNESS = 0.2
"""Least skewness of the greys on a page that is light on dark; on blank paper it is nearly 0."""

_LIGHT_AROUND = 63
"""In pixels, as far as a picture is that large: what is around a pixel is more paper than the thickest stroke."""

_SAMPLE = 500_000
"""Pixels: of a larger picture no more than this are counted."""

_AROUND = 0.98
"""Share of a picture's border: more ink lies all around, less touches no side."""

_MARGIN = (4, 0.1)
"""Of a picture that the digit fills, in pixels at least, and as a share of its longer side."""

_CLEAN_SIDE = 64
"""A picture of one digit no larger than this may come without paper, as cut out by another program."""

_MAX_SKEW = 10.0
_MIN_SKEW = 0.4
"""In degrees: what is searched, and what is worth turning a page for."""

_SKEW_GAIN = 1.03
"""How much sharper the lines must be along the skew than without it."""

_SKEW_POINTS = (600, 20_000)
"""With fewer points skew can't be told; more don't make it more certain."""

_INK_SPREADS = 2.5
"""Ink is at least this many times further from the paper's median than the paper's lower quartile is."""

_SPECK = 0.5
"""In square strokes: the least area of a mark."""

_CRUMB = 2.5
"""In stroke widths: smaller marks beside a rule are what is left of it."""

_HALO = 7
"""In pixels: sides of the square around each pixel of a rule in which all may be the rule's own blur."""

_PALE_THICKNESS = 1.0
"""In stroke widths: of what is paler than the pen, thicker lines may be the pen's own, with what is around them."""

_MIN_CONTRAST = 14
"""Of 255: paper texture and the noise of a scanner stay below it."""


class _Survey(NamedTuple):
    """A page at the scale at which it was measured, dark on light; `stroke` is the pen's width, without the rules.

    `mask` is what is darkest, which may be print alone, `inked` all ink, `rules` those of it.
    """

    scale: float
    is_negative: bool
    picture: NDArray[np.uint8]
    contrast: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    inked: NDArray[np.bool_]
    rules: NDArray[np.bool_]
    stroke: float

    height: float
    """Usual height of a digit; infinite where nothing is written."""


def find_ink(pixels: NDArray[np.uint8], *, deskew: bool = True) -> Ink:
    """The ink of one page.

    `pixels` is uint8, (H, W) grey or (H, W, 3) BGR, dark ink on light paper or the other way round.
    Returns the ink in a picture turned upright and scaled to `STROKE`, or larger where digits would be low. With
    `deskew` false the page isn't turned.
    """
    grey, vanished = _without_print(without_surroundings(pixels))
    ink = _find_grey_ink(grey, deskew=deskew)
    return ink if vanished is None else _with_rules(ink, vanished, _survey_scale(grey.shape))


def _find_grey_ink(grey: NDArray[np.uint8], *, deskew: bool) -> Ink:
    survey = _survey(grey, _survey_scale(grey.shape))
    while survey.scale < 1 and survey.height < DIGIT_ROWS:  # Fewer rows than the networks see.
        survey = _survey(grey, 2 * survey.scale)
    angle = _skew(survey.mask) if deskew else 0.0
    scale = _work_scale(grey.shape, survey.scale, survey.stroke, survey.height)
    contrast, to_page = _upright_contrast(grey, survey, scale, angle)
    if contrast is survey.contrast:
        return _extract(contrast, survey.inked, survey.rules, to_page)
    return _extract_anew(contrast, to_page, survey.stroke * scale / survey.scale)


def _survey(grey: NDArray[np.uint8], scale: float) -> _Survey:
    picture = _resize(grey, scale)
    is_negative = _is_light_on_dark(picture)
    picture = ~picture if is_negative else picture
    contrast = find_contrast(picture, scale)
    mask = strong(contrast)
    inked, rules = _inked_and_rules(contrast, mask, _stroke_width(mask))
    return _Survey(scale, is_negative, picture, contrast, mask, inked, rules, *_sizes(inked & ~rules))


def _upright_contrast(
    grey: NDArray[np.uint8], survey: _Survey, scale: float, angle: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Contrast of the page scaled and turned, and the map back to it."""
    if scale > survey.scale:
        work, to_page = upright(~grey if survey.is_negative else grey, scale, angle)
        return find_contrast(work, scale), to_page
    # The survey has all that is to be seen, and fewer pixels.
    if scale == survey.scale:
        contrast, to_survey = upright(survey.contrast, 1.0, angle)
    else:
        work, to_survey = upright(survey.picture, scale / survey.scale, angle)
        contrast = find_contrast(work, scale)
    return contrast, to_survey / survey.scale


def _inked_and_rules(
    contrast: NDArray[np.uint8], mask: NDArray[np.bool_], stroke: float, printed: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """All ink of a picture, the darkest of which is in the mask, and the rules of it, with what is known to be printed;
    `stroke` is the width of the lines.
    """
    rules = _rules(mask, stroke)
    if printed is not None:
        rules |= printed
    if not rules.any():
        return mask, rules
    # Printed rules are often darker than the pen: without them the threshold follows the pen.
    far = cv2.dilate(rules.view(np.uint8), np.ones((_HALO, _HALO), np.uint8)) == 0
    threshold = _threshold(contrast, far)
    inked = np.asarray(contrast > threshold)
    # Below the first threshold a rule is thicker.
    pen = max(stroke, _stroke_width(inked))
    # The sides of boxes may be thin, and so pale that they are broken.
    pale = np.asarray(contrast > max(_MIN_CONTRAST, threshold // 2))
    return inked, rules | _rules(inked, pen) | _rules(pale, pen, _PALE_THICKNESS)


def _sizes(writing: NDArray[np.bool_]) -> tuple[float, float]:
    """The stroke's width in a mask of ink without rules, and the usual height of a digit."""
    stroke = _stroke_width(writing)
    boxes = find_components(writing).boxes
    return stroke, digit_height(boxes, stroke) if len(boxes) else math.inf


def find_form_ink(grey: NDArray[np.uint8], printed: NDArray[np.bool_]) -> Ink:
    """The ink that was written on a form, without what is printed there.

    `grey` is uint8 (H, W), upright, dark ink on light paper; `printed` is bool (h, w), true on the form's print, at any
    size.
    """
    survey_scale = _survey_scale(grey.shape)
    contrast = find_contrast(_resize(grey, survey_scale), survey_scale)
    around = _spread(printed, contrast.shape)
    mask = strong(contrast)
    inked, rules = _inked_and_rules(contrast, mask, _stroke_width(mask & ~around), around)
    stroke, height = _sizes(inked & ~rules)
    scale = _work_scale(grey.shape, survey_scale, stroke, height)
    work, to_page = upright(grey, scale, 0.0)
    return _extract_anew(find_contrast(work, scale), to_page, stroke * scale / survey_scale, printed)


def _spread(printed: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The print at another size, and as far around it as it may lie askew."""
    sized = cv2.resize(printed.view(np.uint8) * np.uint8(255), shape[::-1], interpolation=cv2.INTER_LINEAR)
    reach = 2 * round(STROKE / 2) + 1
    return np.asarray(cv2.dilate(sized, np.ones((reach, reach), np.uint8)) > 127)


def find_single_ink(pixels: NDArray[np.uint8]) -> Ink:
    """The ink of a picture of one digit.

    A picture that is bright on pure black already, as those of MNIST are, is taken as it is. One that was cut out so
    closely that the digit touches its sides gets a margin first: without, its ink may be more than its paper.
    """
    is_small = pixels.ndim == 2 and max(pixels.shape) <= _CLEAN_SIDE
    if is_small and np.mean(_border(pixels) == 0) > _CLEAN_BORDER:
        return Ink(pixels > 127, np.zeros(pixels.shape, np.bool_), pixels, STROKE, np.eye(2, 3))
    grey = to_grey(pixels)
    paper = _touched_paper(grey)
    if paper is None:
        return find_ink(grey, deskew=False)
    margin = max(_MARGIN[0], round(_MARGIN[1] * max(grey.shape)))
    framed = cv2.copyMakeBorder(grey, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=paper)
    ink = find_ink(np.asarray(framed, np.uint8), deskew=False)
    return ink._replace(to_page=ink.to_page - [[0, 0, margin], [0, 0, margin]])


def _touched_paper(grey: NDArray[np.uint8]) -> float | None:
    """Brightness of the paper in a picture whose sides the ink touches, most of which are paper; None for others.

    Ink all around is a box, and what is darker than paper but not than the paper around it is a shadow.
    """
    is_light = _brighter(grey)
    if not (_is_touched(is_light) and _is_touched(_brighter(find_contrast(grey)))):
        return None
    return float(np.median(grey[is_light == (_border(is_light).mean() > 0.5)]))


def _brighter(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The brighter of a picture's two classes of pixels; bool (H, W)."""
    return np.asarray(picture > _otsu(_counts(picture)))


def _is_touched(mask: NDArray[np.bool_]) -> bool:
    """Whether the sides of a picture cross the outline of what is in it."""
    return bool(1 - _AROUND < _border(mask).mean() < _AROUND)


def _border(picture: NDArray[Any]) -> NDArray[Any]:
    """The pixels along the sides of a picture (H, W): (2 W + 2 H,), the corners twice."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _extract_anew(
    contrast: NDArray[np.uint8], to_page: NDArray[np.float64], stroke: float, printed: NDArray[np.bool_] | None = None
) -> Ink:
    """The ink of a working picture, by its contrast, that is not that of the survey; `stroke` is the pen's width."""
    printed = None if printed is None else _spread(printed, contrast.shape)
    inked, rules = _inked_and_rules(contrast, strong(contrast), stroke, printed)
    return _extract(contrast, inked, rules, to_page, printed)


def _extract(
    contrast: NDArray[np.uint8],
    inked: NDArray[np.bool_],
    rules: NDArray[np.bool_],
    to_page: NDArray[np.float64],
    printed: NDArray[np.bool_] | None = None,
) -> Ink:
    mask = inked & ~rules
    if printed is not None:
        mask |= inked & printed & _bridged(mask)
    stroke = _stroke_width(mask)
    parts = find_components(mask)
    frames = find_frames(parts, stroke)
    if frames.any():
        parts, rules = find_components(mask & ~frames), rules | frames
    mask = _without_specks(parts, rules, stroke)
    # The sides of a table's columns may be much paler than the pen.
    rules = rules | find_upright_rules(contrast > _MIN_CONTRAST, stroke)
    return Ink(mask, rules, _level(contrast, mask, stroke), stroke, to_page)


def to_grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness, uint8 (H, W), of a page that is grey already or BGR; without print of another colour than the ink."""
    return _without_print(pixels)[0]


def _without_print(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """The page as `to_grey` gives it, and the rules that vanished, at the scale of a survey; None where none did."""
    if pixels.ndim == 2:
        return pixels, None
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    scale = _survey_scale(grey.shape)
    weights, rules = _weights_without_print(_resize(pixels, scale), _resize(grey, scale), scale)
    return (grey, None) if weights is None else (weighted_grey(pixels, weights), rules)


def _with_rules(ink: Ink, rules: NDArray[np.bool_], scale: float) -> Ink:
    """With other rules as well, which were found at this scale of the page."""
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(rules.view(np.uint8), scale * ink.to_page, ink.mask.shape[::-1], flags=flags)
    return ink._replace(rules=ink.rules | (moved > 0))


def _weights_without_print(
    survey: NDArray[np.uint8], grey: NDArray[np.uint8], scale: float
) -> tuple[NDArray[np.floating] | None, NDArray[np.bool_] | None]:
    """What the channels must count for the print to vanish, and the rules of it; None where it needn't."""
    if _is_light_on_dark(grey):
        return None, None
    channels = [find_contrast(np.asarray(channel, np.uint8), scale) for channel in cv2.split(survey)]
    mask = strong(np.maximum.reduce(channels))
    rules = _rules(mask, _stroke_width(mask))
    printed = np.count_nonzero(rules)
    if not printed or 2 * np.count_nonzero(rules & strong(find_contrast(grey, scale))) <= printed:
        return None, None  # No print, or so pale that grey is enough.
    return weights_without_print(np.dstack(channels), mask, rules, _stroke_width(mask & ~rules)), rules


def _survey_scale(shape: tuple[int, ...]) -> float:
    return 1 / survey_reduction(max(shape))


def _is_light_on_dark(grey: NDArray[np.uint8]) -> bool:
    """Ink is the minority: whether the rare pixels, compared with what is around them, are clearly the bright ones."""
    shorter = min(grey.shape)
    side = max(min(shorter, _LIGHT_AROUND), shorter // 8) | 1
    around = cv2.blur(grey, (side, side))
    grey, around = _sampled(grey), _sampled(around)
    brighter, darker = (_counts(np.asarray(cv2.subtract(*pair), np.uint8)) for pair in ((grey, around), (around, grey)))
    level = np.arange(256)
    cubes, mean_square = (brighter - darker) @ level**3, (brighter + darker) @ level**2 / grey.size
    return bool(cubes > _LIGHT_SKEWNESS * grey.size * mean_square**1.5)


def _sampled(picture: NDArray[Any]) -> NDArray[Any]:
    """Of a large picture some pixels, (1, N), evenly from all rows and columns: rules lie along these."""
    step = 1 + picture.size // _SAMPLE
    while math.gcd(step, picture.shape[1]) > 1:
        step += 1
    return np.ascontiguousarray(picture.reshape(1, -1)[:, ::step])


def _counts(picture: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """How many pixels, of those in the mask, have each value: float64 (256,)."""
    chosen = None if mask is None else mask.view(np.uint8)
    return np.asarray(cv2.calcHist([picture], [0], chosen, [256], [0, 256]).ravel(), np.float64)


def _resize(grey: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1.0:
        return grey
    height, width = (max(1, round(side * scale)) for side in grey.shape[:2])
    part = round(1 / scale) if scale < 1 else 1
    if scale == 1 / part:  # Means of whole squares are quickly found; what is left over at the sides is less than one.
        height, width = (max(1, side // part) for side in grey.shape[:2])
        grey = grey[: height * part, : width * part]
    return np.asarray(cv2.resize(grey, (width, height), interpolation=_interpolation(scale)), np.uint8)


def _interpolation(scale: float) -> int:
    if scale >= 1:
        return cv2.INTER_CUBIC
    # Down to a half every pixel still counts when only the next four are averaged, in a tenth of the time.
    return cv2.INTER_AREA if scale <= 0.5 else cv2.INTER_LINEAR


def _work_scale(shape: tuple[int, ...], survey_scale: float, stroke: float, height: float) -> float:
    """From page to working picture, which is the survey or the page itself where that is about the right size.

    `stroke` is the pen's width in the survey, `height` that of a digit.
    """
    scale = survey_scale * max(STROKE / stroke, _HEIGHT / height)
    for known in (survey_scale, 1.0):
        if _TOLERANCE[0] < scale / known < _TOLERANCE[1]:
            return known
    return min(scale, 3.0, 4000 / max(shape))


def find_contrast(grey: NDArray[np.uint8], scale: float = 1.0) -> NDArray[np.uint8]:
    """How much darker than the paper around it each pixel is: 0 for paper, 255 for black; uint8 (H, W).

    `scale` is that of the picture beside the page: where that was reduced, its noise has been averaged already, and
    what lies side by side would run together.
    """
    smooth = np.asarray(cv2.GaussianBlur(grey, (0, 0), min(1.0, scale)), np.uint8)
    paper = cv2.resize(np.maximum(_paper(smooth), 1), grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return ~np.asarray(cv2.divide(smooth, paper, scale=255), np.uint8)


def _paper(smooth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness of the paper in a picture, reduced: of what is bright nearby, or of a shaded row of a table."""
    size = max(15, min(round(0.6 * min(smooth.shape)), _NEAR))
    factor = max(1, size // 16)
    small = np.asarray(cv2.resize(smooth, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA), np.uint8)
    side = max(3, size // factor) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    paper = np.asarray(cv2.blur(cv2.morphologyEx(small, cv2.MORPH_CLOSE, kernel), (side, side)), np.uint8)
    return paper if size < _NEAR else np.asarray(cv2.subtract(paper, _shade(small, paper, side // 3 | 1)), np.uint8)


def _shade(small: NDArray[np.uint8], paper: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """How much darker than the paper around them shaded rows and columns are, that are wider than `width` pixels, and
    ink is not.
    """
    ground = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((width, width), np.uint8))
    darker = cv2.subtract(paper, ground)
    level, upright = (
        cv2.morphologyEx(darker, cv2.MORPH_OPEN, np.ones(shape, np.uint8))
        for shape in ((width, _BAND * width), (_BAND * width, width))
    )
    shade = np.asarray(np.maximum(level, upright), np.uint8)
    shade[(shade < _SHADED[0] * paper) | (shade > _SHADED[1] * paper)] = 0
    return shade


def strong(contrast: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the contrast, uint8 (H, W), is ink rather than paper; bool (H, W)."""
    return np.asarray(contrast > _threshold(contrast))


def _threshold(contrast: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> int:
    """Otsu's threshold for the pixels in the mask, or one above the noise where what it parts is nothing but the
    paper's texture.
    """
    counts = _counts(_sampled(contrast), None if mask is None else _sampled(mask))
    otsu = _otsu(counts)
    quartile, median = np.searchsorted(np.cumsum(counts), (counts.sum() / 4, counts.sum() / 2))
    spread = median - quartile + 1
    dark = counts[otsu + 1 :]
    ink = otsu + 1 + (dark * np.arange(len(dark))).sum() / max(1, dark.sum())
    certain = ink - median > min(_INK_SPREADS * spread, _STRONG_CONTRAST)
    noise = 0 if certain else median + round(2 * _INK_SPREADS * spread)
    return int(max(otsu, noise, _MIN_CONTRAST))


def _otsu(counts: NDArray[np.float64]) -> int:
    """The level up to which a histogram (256,) is the one of two classes that differ most (N. Otsu, A threshold
    selection method from gray-level histograms, 1979).
    """
    share = counts / max(1.0, counts.sum())
    below, sums = np.cumsum(share), np.cumsum(share * np.arange(256))
    between = (sums[-1] * below - sums) ** 2 / np.maximum(below * (1 - below), 1e-12)
    return int(between.argmax())


def _skew(mask: NDArray[np.bool_]) -> float:
    """Slope of the text lines in degrees, positive downwards; 0 where the page doesn't tell.

    The lower edges of the ink are projected along every angle; where lines lie, the projection is sharpest
    (after H. S. Baird, The skew angle of printed documents, 1987).
    """
    y, x = np.divmod(np.flatnonzero(mask[:-1] & ~mask[1:]), mask.shape[1])
    if len(x) < _SKEW_POINTS[0]:
        return 0.0
    step = -(-len(x) // _SKEW_POINTS[1])
    x, y = x[::step] - mask.shape[1] / 2, y[::step]

    def sharpness(angle: float) -> float:
        rows = y - x * math.tan(math.radians(angle))
        profile = np.bincount(np.round(rows - rows.min()).astype(np.intp)).astype(np.float64)
        return float((np.convolve(profile, (0.25, 0.5, 0.25)) ** 2).sum())

    coarse = max(np.arange(-_MAX_SKEW, _MAX_SKEW + 0.1, 0.5), key=sharpness)
    angle = float(max(np.arange(coarse - 0.4, coarse + 0.41, 0.1), key=sharpness))
    certain = abs(angle) >= _MIN_SKEW and sharpness(angle) > _SKEW_GAIN * sharpness(0.0)
    return angle if certain else 0.0


def upright(grey: NDArray[np.uint8], scale: float, angle: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The page scaled and turned by `angle` degrees, and the map back to it."""
    scaled = _resize(grey, scale)
    to_page = np.array([[1 / scale, 0.0, 0.0], [0.0, 1 / scale, 0.0]])
    if angle == 0.0:
        return scaled, to_page
    height, width = scaled.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    turned = cv2.warpAffine(scaled, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8), np.asarray(cv2.invertAffineTransform(turn) / scale, np.float64)


def _stroke_width(mask: NDArray[np.bool_]) -> float:
    """Mean width of the strokes in pixels: across a stroke, the distance to its edge averages w / 4 + 1 / 2."""
    mask = mask[rows_with_ink(mask)]
    distance = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 3)
    inside = distance[mask]
    return max(1.0, 4.0 * float(inside.mean()) - 2.0) if inside.size else STROKE


def _rules(mask: NDArray[np.bool_], stroke: float, thickness: float = THICKNESS) -> NDArray[np.bool_]:
    """Pixels of rules and of the sides of boxes, one of which may be the picture's frame."""
    return find_rules(mask, stroke, framed=bool(_border(mask).mean() > _AROUND), thickness=thickness)


def _without_specks(parts: Components, rules: NDArray[np.bool_], stroke: float) -> NDArray[np.bool_]:
    """The parts, bool (H, W), but for what is too small to be even a point made with this pen, and the crumbs that a
    removed rule left.
    """
    keep = parts.areas >= _SPECK * stroke * stroke
    if rules.any():
        beside = cv2.dilate(rules.view(np.uint8), np.ones((3, 3), np.uint8)).reshape(-1)[parts.places] > 0
        is_crumb = np.bincount(parts.owners[beside], minlength=len(keep) + 1)[1:] > 0
        keep &= ~(is_crumb & (parts.boxes[:, 2:].max(axis=1) < _CRUMB * stroke))
    return parts.mask(keep)


def _bridged(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The ink, and gaps as wide as a printed line between ink on both sides."""
    side = round(2 * STROKE) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, kernel) > 0)


def _level(contrast: NDArray[np.uint8], mask: NDArray[np.bool_], stroke: float) -> NDArray[np.uint8]:
    """Soft ink, 0 to 255, relative to the darkest ink nearby, so that pencil and felt pen look alike."""
    reach = math.ceil(2 * stroke) | 1
    rows = rows_with_ink(mask, around=reach)
    near, inked = contrast[rows], mask[rows].view(np.uint8)
    ink = cv2.bitwise_and(near, near, mask=inked)
    peak = cv2.blur(cv2.dilate(ink, np.ones((reach, reach), np.uint8)), (reach, reach))
    edge = cv2.dilate(inked, np.ones((3, 3), np.uint8))
    soft = cv2.divide(near, peak, scale=280)
    level = np.zeros_like(contrast)
    level[rows] = cv2.bitwise_and(soft, soft, mask=edge)
    return level
