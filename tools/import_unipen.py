"""Make a stroke file for `digitscan train --strokes` from the original UNIPEN distribution.

    python tools/import_unipen.py train_r01_v07 1a digits.npz

The distribution (train_r01_v07, https://doi.org/10.5281/zenodo.1195803, CC BY 4.0) has the folders `data/CATEGORY`,
whose files name characters and where they are, and `include`, which holds the pen's points. Categories of single
characters: 1a digits, 1b upper case, 1c lower case, 1d symbols. The format: I. Guyon, L. Schomaker, R. Plamondon,
M. Liberman, S. Janet, "UNIPEN project of on-line data exchange and recognizer benchmarks" (1994), doi
10.1109/ICPR.1994.576870.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

UNITS = 1000
"""Longer side of a character in the output."""

_INCLUDE = re.compile(r"^\.INCLUDE\s+(\S+)", re.MULTILINE)
_SEGMENT = re.compile(r'^\.SEGMENT\s+CHARACTER\s+(\S+)\s+\S+\s+"(\\?.)"', re.MULTILINE)
_PLACE = re.compile(r"(\d+)(?::(\d+))?(?:-(\d+)(?::(\d+))?)?")


class Component(NamedTuple):
    """Points (n, 2) between two pen movements; only with the pen down they are ink."""

    down: bool
    points: NDArray[np.float64]


class Character(NamedTuple):
    """A labelled character: its strokes as written, in the tablet's units, y up."""

    label: str
    writer: str
    strokes: list[NDArray[np.float64]]


def read_components(text: str) -> list[Component]:
    """All components of a file: `.PEN_DOWN` blocks, and `.PEN_UP` blocks that have points."""
    columns = [0, 1]
    components: list[Component] = []
    rows: list[list[float]] = []
    kind = ""
    for line in itertools.chain(text.splitlines(), [".END"]):
        words = line.split()
        if not line.startswith("."):
            if kind and words:
                rows.append([float(word) for word in words])
            continue
        if kind == ".PEN_DOWN" or rows:
            points = np.array(rows, dtype=np.float64)
            components.append(Component(kind == ".PEN_DOWN", points[:, columns] if rows else np.empty((0, 2))))
        rows = []
        kind = words[0] if words[0] in {".PEN_DOWN", ".PEN_UP"} else ""
        if words[0] == ".COORD":
            columns = [words.index("X") - 1, words.index("Y") - 1]
    return components


def select(components: list[Component], places: str) -> list[NDArray[np.float64]]:
    """The strokes that a segment names: `7`, `7-9`, with points as `7:3-9:20`, several after commas."""
    strokes = []
    for match in _PLACE.finditer(places):
        first, start, last, end = match.groups()
        final = int(last or first)
        for index in range(int(first), final + 1):
            begin = int(start) if start and index == int(first) else 0
            stop = int(end) + 1 if end and index == final else None
            component = components[index]
            if component.down:
                strokes.append(component.points[begin:stop])
    return [stroke for stroke in strokes if len(stroke)]


def read_characters(root: Path, category: str) -> Iterator[Character]:
    """All characters of a category; segments that point outside their file are left out."""
    folder = root / "data" / category
    for path in sorted(folder.rglob("*.dat")):
        index = path.read_text(encoding="latin-1")
        # One text, because a `.COORD` in the first included file holds for those that follow.
        included = [root / "include" / name for name in _INCLUDE.findall(index)]
        components = read_components("\n".join(file.read_text(encoding="latin-1") for file in included))
        for places, label in _SEGMENT.findall(index):
            try:
                strokes = select(components, places)
            except IndexError:
                continue
            if strokes:
                yield Character(label[-1], path.relative_to(folder).as_posix(), strokes)


def scaled(strokes: list[NDArray[np.float64]]) -> list[NDArray[np.int16]]:
    """The strokes moved to 0 and enlarged so that the longer side is UNITS."""
    everything = np.concatenate(strokes)
    low = everything.min(axis=0)
    extent = max(float((everything.max(axis=0) - low).max()), 1.0)
    return [_without_repeats(np.rint((stroke - low) * UNITS / extent).astype(np.int16)) for stroke in strokes]


def _without_repeats(points: NDArray[np.int16]) -> NDArray[np.int16]:
    """Without the points at which the pen rested."""
    moves = np.any(np.diff(points, axis=0) != 0, axis=1)
    return np.concatenate([points[:1], points[1:][moves]])


def packed(characters: list[Character]) -> dict[str, NDArray[np.generic]]:
    """The arrays of a stroke file, as `digitscan/strokes.py` reads them."""
    strokes = [scaled(character.strokes) for character in characters]
    names, writers = np.unique([character.writer for character in characters], return_inverse=True)
    flat = list(itertools.chain.from_iterable(strokes))
    return {
        "points": np.concatenate(flat),
        "stroke_offsets": _offsets([len(stroke) for stroke in flat]),
        "sample_offsets": _offsets([len(parts) for parts in strokes]),
        "labels": np.array([character.label for character in characters]),
        "writers": writers.astype(np.int32),
        "writer_names": names,
    }


def _offsets(lengths: list[int]) -> NDArray[np.int32]:
    return np.array(list(itertools.accumulate(lengths, initial=0)), dtype=np.int32)


def main() -> int:
    """Read the arguments, convert one category, say how much was found."""
    parser = argparse.ArgumentParser(description="Make a stroke file from the UNIPEN distribution.")
    parser.add_argument("root", type=Path, help="folder with `data` and `include`")
    parser.add_argument("category", help="1a digits, 1b upper case, 1c lower case, 1d symbols")
    parser.add_argument("output", type=Path, help="the .npz file to write")
    arguments = parser.parse_args()
    characters = list(read_characters(arguments.root, arguments.category))
    if not characters:
        sys.stderr.write(f"{arguments.root / 'data' / arguments.category}: no characters found\n")
        return 3
    arrays = packed(characters)
    np.savez_compressed(arguments.output, allow_pickle=False, **arrays)
    writers = len(arrays["writer_names"])
    sys.stderr.write(f"{arguments.output}: {len(characters)} characters by {writers} writers\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
