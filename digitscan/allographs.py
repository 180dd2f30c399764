"""Forms of the ten digits as the world writes them, for writers that no collection of pen strokes has.

Collections hold what their contributors wrote: hardly a 1 with a stroke as long as its stem, a 2 that begins with a
loop, a 9 like a P, a 4 in one zigzag. Here such forms (allographs, in the study of handwriting) are kept as polygons
of control points, two extremes of each. An invented writer's form lies somewhere between them, bent in a way that is
this writer's own, and each time it is written it comes out a little differently.
"""

from __future__ import annotations

from itertools import accumulate, chain
from typing import TYPE_CHECKING

import numpy as np

from digitscan.strokes import UNITS, StrokeSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Form = list[NDArray[np.float64]]

_OWN_SHARE = 0.6
"""Chance that an invented writer writes a digit in a form from here, not as a writer of the collection does."""

_SAMPLES = 2
"""How often each invented writer writes each digit."""

_OWN_BEND, _OWN_JITTER, _JITTER = 0.05, 0.03, 0.015
"""In heights of a digit: how far a writer bends a form and moves its points, and how much these vary each time."""

_BETWEEN = (-0.15, 1.15)
"""Where a writer's form lies: 0 is the first extreme, 1 the second."""

_FORMS: dict[str, tuple[tuple[str, str], ...]] = {
    "0": (
        ("50,0 15,10 0,50 12,90 45,100 80,88 90,50 78,12 45,0", "60,6 25,8 4,50 15,95 45,100 72,80 78,40 62,4 30,4"),
        (
            "55,8 20,12 0,55 15,95 50,98 80,75 80,35 55,6 42,16 72,26 110,4",
            "50,4 15,16 0,60 25,99 60,95 80,60 70,20 46,6 58,24 90,22 130,16",
        ),
        (
            "65,30 40,20 55,2 20,10 0,50 20,95 55,98 85,60 72,15 45,5",
            "50,36 62,12 40,0 10,20 0,60 25,100 65,92 84,45 64,6 30,8",
        ),
        ("45,5 10,25 5,70 35,100 75,90 90,50 75,10 60,0", "30,0 4,30 4,75 40,100 85,85 92,40 70,8 52,18"),
        ("40,0 60,20 82,60 60,98 25,95 5,60 20,20 60,0", "30,10 62,4 92,45 70,95 30,98 2,65 12,25 44,6"),
    ),
    "1": (
        ("0,100 50,0 55,100", "0,30 26,0 26,100"),
        ("0,70 45,0 40,50 30,100", "0,45 20,30 42,0 44,100"),
        ("0,40 40,0 40,100;10,100 75,100", "0,90 50,0 50,100;25,100 82,98"),
        ("0,82 34,42 48,8 38,0 27,20 28,70 44,100 66,86", "0,60 26,34 34,8 26,0 18,20 16,70 24,98 40,90"),
        ("25,0 15,60 25,97 52,84", "28,0 22,70 34,100 62,80"),
        ("0,100 15,30 34,0 50,30 55,100", "0,80 12,20 26,0 36,24 34,100"),
        ("40,0 20,55 0,100", "14,0 12,50 18,100"),
    ),
    "2": (
        (
            "45,40 20,46 5,25 25,2 60,0 80,25 65,60 30,90 10,98 5,85 25,82 55,98 95,92",
            "38,30 16,36 8,18 28,0 62,2 74,28 58,62 22,96 4,100 6,86 26,84 60,98 90,100",
        ),
        (
            "40,38 12,40 8,12 45,0 78,20 65,55 20,95 0,100 50,100 100,95",
            "30,30 10,28 14,6 44,0 70,18 58,54 20,92 2,99 40,97 80,99",
        ),
        (
            "60,45 30,55 5,35 20,5 60,0 85,25 75,60 45,90 15,100 0,88 20,78 60,95 110,85",
            "66,36 34,48 6,30 24,3 62,2 82,28 70,64 40,92 10,98 2,84 26,82 60,98 95,98",
        ),
        ("5,25 25,2 60,5 65,35 35,75 5,98 15,80 45,90 90,100", "0,15 30,0 62,12 56,42 30,78 4,100 10,86 40,92 84,92"),
        ("10,25 35,0 70,15 65,45 25,95 62,98", "8,20 30,0 60,16 54,46 20,97 46,98"),
        ("0,12 35,4 75,5 40,55 0,95 45,95 90,95", "0,14 30,0 70,8 50,50 0,100 40,96 88,100"),
    ),
    "3": (
        ("5,5 45,4 80,5 35,40 75,55 75,85 40,100 0,88", "0,8 40,4 75,0 30,42 66,52 78,76 46,100 5,96"),
        ("10,15 45,0 75,20 42,46 24,52 40,42 80,70 50,100 5,88", "5,20 40,0 66,22 44,44 30,50 36,40 72,66 56,96 0,96"),
        (
            "25,25 5,15 30,0 70,10 60,40 30,48 75,60 75,90 35,100 0,85",
            "20,30 4,18 24,0 62,8 56,36 34,46 70,62 66,92 24,100 6,84",
        ),
    ),
    "4": (
        ("30,0 0,65 38,62 75,60;60,30 45,100", "20,0 0,70 40,70 80,70;55,10 55,100"),
        ("5,0 0,45 30,46 60,45;65,0 60,100", "10,5 5,40 40,50 70,35;75,0 55,100"),
        ("10,5 5,40 40,48 75,0 60,60 45,100", "0,10 8,46 44,44 64,4 62,50 58,100"),
        ("60,100 60,0 0,65 50,65 95,65", "50,100 56,0 4,58 45,62 85,56"),
        ("45,0 5,55 70,50 35,100", "30,0 0,46 56,40 40,100"),
        ("40,0 5,60 20,70 90,55;70,35 50,100", "24,0 2,54 10,66 60,58;50,40 36,100"),
        ("35,0 25,30 0,64 40,66 85,58;60,45 58,100", "20,0 10,40 2,60 35,60 70,50;56,24 48,100"),
    ),
    "5": (
        ("80,5 25,5 10,40 55,45 75,70 50,100 0,95", "70,0 30,8 20,38 52,50 62,76 36,100 4,92"),
        ("20,10 15,45 55,40 75,70 45,100 0,90;20,10 65,8 115,0", "16,6 8,48 46,44 62,72 34,100 0,94;24,2 55,0 90,2"),
        ("20,10 10,46 34,46 42,74 20,100 0,90;20,8 60,4 105,0", "10,4 6,40 34,46 38,76 18,98 0,92;16,6 50,-4 80,-10"),
        ("0,40 14,34 25,100 42,40 52,6 110,0", "8,20 14,50 20,100 30,60 42,14 84,2"),
        ("0,88 20,100 32,55 28,10 60,6 100,0", "8,96 18,100 22,50 18,12 40,8 70,4"),
        ("12,100 18,50 14,10 40,6 80,0", "0,100 16,55 20,8 50,4 100,-6"),
        ("90,0 30,0 15,40 60,50 65,85 30,100 0,85", "76,4 28,6 22,42 56,44 70,72 46,98 8,98"),
    ),
    "6": (
        ("76,2 62,0 25,25 0,70 25,100 65,95 75,65 45,52 10,70", "80,15 60,0 20,30 0,75 30,100 62,90 60,64 34,58 8,76"),
        ("20,0 5,60 20,100 60,95 70,65 40,50 10,75", "34,0 4,50 12,96 52,100 70,78 48,54 10,66"),
        ("55,0 10,30 0,70 40,100 85,80 85,45 50,30 10,50", "64,4 24,16 0,60 30,100 76,90 80,56 46,42 12,62"),
        (
            "70,5 25,20 0,65 25,100 65,92 70,62 42,54 25,68 42,78",
            "56,0 14,34 4,80 34,100 66,86 58,60 30,62 24,78 40,84",
        ),
    ),
    "7": (
        ("0,8 40,6 75,2 45,45 30,100;10,50 75,45", "0,2 40,0 80,4 60,40 54,100;20,56 88,44"),
        ("5,25 5,5 45,6 80,5 55,45 40,100", "0,34 4,6 40,8 72,0 62,40 56,100"),
        ("0,25 10,5 40,12 80,3 45,55 35,100 60,95;10,55 85,48", "0,16 14,4 40,8 70,0 50,50 48,94 66,92;14,46 80,50"),
        ("0,20 15,5 45,15 80,0 50,50 35,100;15,55 75,50", "4,14 20,0 48,12 74,2 54,46 46,100;22,48 84,42"),
        ("0,10 40,8 75,5 55,50 40,100 20,82 12,56 80,50", "4,4 40,6 70,2 60,50 52,98 30,90 20,60 90,46"),
        ("0,40 0,10 40,8 70,5 60,50 55,100;25,52 90,48", "0,24 2,4 34,6 66,0 52,50 40,100;10,60 70,46"),
        ("16,14 36,0 46,8 45,100;0,45 95,40", "0,14 34,2 54,0 40,100;4,56 90,46"),
        ("0,15 20,0 50,6 70,10 40,60 20,100", "0,6 16,4 40,6 68,0 50,50 46,100"),
    ),
    "8": (
        (
            "45,45 15,30 20,5 50,0 75,15 70,38 45,45 10,65 10,90 45,100 80,90 80,65 45,45",
            "40,48 20,34 22,8 42,0 60,12 58,36 40,50 12,68 14,94 40,100 66,92 64,68 38,46",
        ),
        (
            "85,5 45,0 15,20 35,45 70,60 75,85 40,100 5,85 20,60 60,35 80,5",
            "76,12 46,0 14,16 34,44 66,62 68,90 34,100 4,82 26,54 60,40 96,16",
        ),
        ("70,10 30,5 15,25 60,60 65,90 30,100 5,80 35,50 75,20", "60,4 24,4 12,28 56,64 54,94 22,98 6,76 40,48 62,10"),
        (
            "40,50 12,36 18,8 50,0 72,16 56,44 20,60 4,84 40,100 78,88 70,62 36,48",
            "46,40 24,26 30,4 56,2 64,22 44,42 14,60 6,90 44,100 84,82 70,54 40,42",
        ),
    ),
    "9": (
        ("75,15 40,0 5,20 20,50 65,40 78,10 75,70 55,100 10,90", "66,14 36,0 8,20 24,46 60,34 70,8 66,80 40,104 0,94"),
        ("70,10 35,0 5,25 25,50 65,35 72,5 70,55 70,100", "60,10 30,0 4,24 22,48 56,36 64,6 52,60 36,100"),
        ("10,100 20,40 35,5 70,0 85,25 65,50 25,45", "30,100 25,50 16,15 45,0 78,10 75,40 30,52"),
        ("85,50 40,45 15,20 45,0 75,15 60,50 20,100", "90,40 45,50 10,25 35,0 70,5 70,40 40,100"),
        ("10,58 60,45 74,14 42,0 12,24 18,72 46,100 84,86", "4,48 50,42 66,16 40,0 14,18 14,64 34,98 62,94"),
        ("70,46 36,50 6,28 30,0 66,8 74,30 64,70 60,100", "62,40 26,48 4,22 28,0 58,6 66,34 58,70 44,100"),
    ),
}
"""Of each digit: pairs of extremes, each with strokes parted by `;`, of points `x,y` in hundredths of its height."""


def with_invented_writers(known: StrokeSet, writers: int, seed: int) -> StrokeSet:
    """`known` and as many invented writers, who write some digits in forms of this module and the rest as it does.

    `known` must have all ten digits. The digits that an invented writer has no form for are simply missing, as they are
    for writers who left no sample of a digit.
    """
    rng = np.random.default_rng(seed)
    samples: list[tuple[int, str, Form]] = []
    for writer in range(writers):
        for digit, forms in _FORMS.items():
            if rng.random() < _OWN_SHARE:
                own = _own_form(forms[int(rng.integers(len(forms)))], rng)
                samples += [(writer, digit, _jittered(own, _JITTER, rng)) for _ in range(_SAMPLES)]
    return StrokeSet.merged([known, _stroke_set(samples, writers)])


def _own_form(extremes: tuple[str, str], rng: np.random.Generator) -> Form:
    """What one writer makes of a form: somewhere between its extremes, bent."""
    place = rng.uniform(*_BETWEEN)
    first, second = map(_parsed, extremes)
    form = [(1 - place) * one + place * other for one, other in zip(first, second, strict=True)]
    waves, phases = rng.normal(0, 4.0, (2, 2)), rng.uniform(0, 2 * np.pi, 2)
    widen = np.array([np.exp(rng.normal(0, 0.2)), 1.0])
    bent = [(points + _OWN_BEND * np.sin(points @ waves + phases)) * widen for points in form]
    return _jittered(bent, _OWN_JITTER, rng)


def _jittered(form: Form, reach: float, rng: np.random.Generator) -> Form:
    return [points + rng.normal(0, reach, points.shape) for points in form]


def _parsed(text: str) -> Form:
    """The strokes of an extreme, each (n, 2) x, y in heights, y down."""
    return [np.array([point.split(",") for point in stroke.split()], np.float64) / 100 for stroke in text.split(";")]


def _stroke_set(samples: list[tuple[int, str, Form]], writers: int) -> StrokeSet:
    scaled = [_in_units(form) for _, _, form in samples]
    strokes = list(chain.from_iterable(scaled))
    return StrokeSet(
        points=np.concatenate(strokes),
        stroke_offsets=np.array([*accumulate(map(len, strokes), initial=0)], np.int32),
        sample_offsets=np.array([*accumulate(map(len, scaled), initial=0)], np.int32),
        chosen=np.arange(len(samples)),
        labels=np.array([digit for _, digit, _ in samples]),
        writers=np.array([writer for writer, _, _ in samples], np.int32),
        writer_names=np.array([f"invented/{writer}" for writer in range(writers)]),
    )


def _in_units(form: Form) -> list[NDArray[np.int16]]:
    """As stroke files have it: the longer side is `UNITS`, y up."""
    everything = np.concatenate(form)
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = UNITS / (high - low).max()
    return [np.rint((points - [low[0], high[1]]) * [scale, -scale]).astype(np.int16) for points in form]
