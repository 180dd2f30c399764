"""Reads damaged files by the thousand and says which of them the reader doesn't survive.

    python tools/fuzz.py                           # some seconds, as in the tests
    python tools/fuzz.py --count 100000 --jobs 4   # the long version
    python tools/fuzz.py --first 4711 --count 1 --keep findings

Each number from --first on makes one file: a picture or a PDF of some format, changed at random in one to four ways.
Nothing but a number and the versions of the libraries decides what the file holds. It is read in a process of its own,
as in a scan, with a limit of time and of memory. A finding is a file that kills or holds up its process, that takes
more memory than it may, or whose reading ends in anything but pages and error rows; --keep writes these to a folder.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pypdfium2

from digitscan.image import OUT_OF_MEMORY, read_pages
from digitscan.pool import LossyPool
from digitscan.scan import page_glyphs
from digitscan.schema import Page, Settings

try:
    import resource
except ImportError:  # Windows has no limits of memory.
    resource = None

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = Settings(max_pixels=4_000_000)
SECONDS = 20.0
MEGABYTES = 3000
FILES_A_TASK = 200

INTEGERS = [
    value.to_bytes(size, order)
    for size, values in ((2, (0, 1, 0x7FFF, 0xFFFF)), (4, (0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000)))
    for value in values
    for order in ("little", "big")
]
"""Numbers at the ends of their ranges, as sizes and offsets in headers like least."""


@cache
def corpus() -> tuple[bytes, ...]:
    """Small pages of every format and kind that digitscan reads."""
    page = np.full((90, 240), 235, np.uint8)
    cv2.putText(page, "31415", (15, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 30, 3)
    colour = cv2.merge([page, page, np.full_like(page, 235)])
    kinds = (page, colour, np.dstack([colour, page]), page.astype(np.uint16) << 8)
    encoded = [
        *(cv2.imencode(suffix, kind)[1] for suffix in (".png", ".tiff") for kind in kinds),
        *(cv2.imencode(suffix, kind)[1] for suffix in (".jpg", ".webp", ".bmp") for kind in kinds[:2]),
        cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1],
        cv2.imencode(".png", np.where(page > 128, 255, 0).astype(np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1])[1],
        *(cv2.imencode(".tiff", page, [cv2.IMWRITE_TIFF_COMPRESSION, way])[1] for way in (1, 5, 8, 32773)),
        cv2.imencodemulti(".tiff", [page] * 3)[1],
    ]
    return *(bytes(each) for each in encoded), _pdf(bytes(cv2.imencode(".jpg", colour)[1]))


def _pdf(jpeg: bytes) -> bytes:
    """Two pages, one with a picture."""
    document = pypdfium2.PdfDocument.new()
    picture = pypdfium2.PdfImage.new(document)
    picture.load_jpeg(io.BytesIO(jpeg), inline=True)
    picture.set_matrix(pypdfium2.PdfMatrix().scale(120, 45))
    page = document.new_page(120, 45)
    page.insert_obj(picture)
    page.gen_content()
    document.new_page(50, 50)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def mutant(number: int) -> bytes:
    """The file of a number."""
    rng = random.Random(number)
    data = bytearray(rng.choice(corpus()))
    for _ in range(rng.randint(1, 4)):
        rng.choice((_flip, _number, _cut, _repeat, _noise, _splice))(data, rng)
    return bytes(data)


def _place(data: bytearray, rng: random.Random) -> int:
    """Somewhere, and every other time where headers are."""
    return rng.randrange(min(len(data), rng.choice((200, 1 << 30))) or 1)


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 8, 64))):
        at = _place(data, rng)
        data[at : at + 1] = bytes([rng.randrange(256)])


def _number(data: bytearray, rng: random.Random) -> None:
    at, number = _place(data, rng), rng.choice(INTEGERS)
    data[at : at + len(number)] = number


def _cut(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    del data[at : rng.choice((at + rng.randrange(64), len(data)))]


def _repeat(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + rng.randrange(512)] * rng.choice((1, 2, 100))


def _noise(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = rng.randbytes(rng.randrange(64))


def _splice(data: bytearray, rng: random.Random) -> None:
    other = rng.choice(corpus())
    data[_place(data, rng) :] = other[rng.randrange(len(other)) :]


def read_mutants(first: int, stop: int) -> Iterator[str]:
    """In a worker: what is wrong with the reading of each file, empty where nothing is."""
    if resource:
        resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES << 20,) * 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mutant")
        for number in range(first, stop):
            path.write_bytes(mutant(number))
            try:
                yield _read(str(path))
            except Exception:  # noqa: BLE001 (whatever it is, it is a finding)
                yield traceback.format_exc()


def _read(file: str) -> str:
    for page in read_pages(file, SETTINGS):
        if isinstance(page, Page):
            page_glyphs(page, SETTINGS)
        elif page.message == OUT_OF_MEMORY:
            return f"page {page.page} takes more than {MEGABYTES} MB"
    return ""


def findings(first: int, count: int, jobs: int) -> Iterator[tuple[int, str]]:
    """Numbers of files that aren't survived, and what they do."""
    starts = [*range(first, first + count, FILES_A_TASK)]
    with LossyPool(jobs, SECONDS) as pool:
        while starts:
            tasks = {start: pool.submit(read_mutants, start, _stop(start, first, count)) for start in starts}
            starts = []
            for start, task in tasks.items():
                done = task.result()
                yield from ((start + place, said) for place, said in enumerate(done.items) if said)
                at = start + len(done.items)
                if done.loss:
                    yield at, f"the process was lost: {done.loss.value}"
                    starts += [at + 1] if at + 1 < _stop(start, first, count) else []


def _stop(start: int, first: int, count: int) -> int:
    """Where the task ends that begins with `start`."""
    return min(start - (start - first) % FILES_A_TASK + FILES_A_TASK, first + count)


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--count", type=int, default=500, help="how many files")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the files of the findings to this folder")
    options = parser.parse_args()
    found = 0
    for number, said in findings(options.first, options.count, options.jobs):
        found += 1
        sys.stdout.write(f"file {number}: {said}\n")
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{number}.bin").write_bytes(mutant(number))
    sys.stdout.write(f"{options.count} files from {options.first} on: {found} findings\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
