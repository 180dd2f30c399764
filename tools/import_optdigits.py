"""Make a file of digits for `digitscan train --bitmaps` from the original bitmaps of Optdigits.

    python tools/import_optdigits.py optdigits-orig.tra optdigits-train.npz

E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits" (1998), UCI Machine Learning Repository, doi
10.24432/C50P49, CC BY 4.0. The file, unpacked (`uncompress optdigits-orig.tra.Z`), has 32 lines of 32 characters 0 and
1 a digit, and a line with its label after them.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

SIDE = 32

_DIGIT = re.compile(rf"((?:^[01]{{{SIDE}}}\n){{{SIDE}}})^\s*(\d)\s*$", re.MULTILINE)


def main() -> None:
    """Read the file, write the archive: `images` uint8 (N, 32, 32), ink 255 on 0, and `labels` uint8 (N,)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    digits = _DIGIT.findall(options.source.read_text("ascii"))
    if not digits:
        parser.error(f"{options.source} holds no bitmaps of {SIDE}x{SIDE} characters 0 and 1")
    bits = [np.frombuffer(bitmap.replace("\n", "").encode(), np.uint8) - ord("0") for bitmap, _ in digits]
    images = np.stack(bits).reshape(-1, SIDE, SIDE) * np.uint8(255)
    np.savez_compressed(options.output, images=images, labels=np.array([int(label) for _, label in digits], np.uint8))


if __name__ == "__main__":
    main()
