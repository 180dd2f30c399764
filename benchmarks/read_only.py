"""Reads pages and does nothing with them: `cv2.imread`, and PDFium at the resolution that digitscan asks it for."""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2


def read(file: Path) -> None:
    """Decode one page."""
    if file.suffix == ".pdf":
        import pypdfium2

        pypdfium2.PdfDocument(file)[0].render(scale=200 / 72).to_numpy()
    else:
        assert cv2.imread(str(file), cv2.IMREAD_UNCHANGED) is not None


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    files = sorted(options.folder.iterdir())
    if options.jobs == 1:
        for file in files:
            read(file)
        return
    start = partial(cv2.setNumThreads, 1)
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn"), start) as pool:
        for _ in pool.map(read, files):
            pass


if __name__ == "__main__":
    main()
