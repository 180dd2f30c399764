"""Corrects the doubtful amounts of one half of the strips from their truth, as a person would on the review page.

    python benchmarks/correct.py TRUTH.csv FOLDER --half even --count 100 --json corrections.json

Writes what the page would give to download, for `digitscan train --from NAME --data corrections.json`; what came of it
is measured on the other half with `peers.py --reader digitscan --model NAME --half odd`.
"""

from __future__ import annotations

import argparse
from base64 import b64encode
from collections.abc import Iterator

import cv2
import numpy as np
from strips import Strips, add_arguments, chosen, save, show

from digitscan.scan import load_reader, scan
from digitscan.schema import GLYPH_SIZE, Layout, Number, PageNumbers, Settings


def doubtful(strips: Strips, model: str | None, settings: Settings) -> list[tuple[str, Number]]:
    """Amounts to review that were read as one number, by the name of their strip, the least sure first."""
    pages = scan(strips.names, load_reader(model), settings)
    read = ((strips.names[page.file], page.numbers) for page in pages if isinstance(page, PageNumbers))
    single = [(name, numbers[0]) for name, numbers in read if len(numbers) == 1]
    return sorted(
        ((name, number) for name, number in single if number.confidence < settings.min_confidence),
        key=lambda item: item[1].confidence,
    )


def corrections(strips: Strips, numbers: list[tuple[str, Number]]) -> Iterator[dict[str, str]]:
    """The entries of the page's download."""
    for name, number in numbers:
        (line,) = strips.truth[name][0]
        glyphs = [np.frombuffer(digit.glyph, np.uint8).reshape(GLYPH_SIZE, GLYPH_SIZE) for digit in number.digits]
        _, png = cv2.imencode(".png", np.hstack(glyphs))
        yield {
            **dict(zip(("file", "page", "line", "number"), (name, "1", "1", "1"), strict=True)),
            "text": number.text,
            "corrected": line.replace(" ", ""),
            "glyphs": b64encode(png.tobytes()).decode(),
        }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Corrects doubtful amounts from their truth.")
    add_arguments(parser)
    parser.add_argument("--model", metavar="NAME", help="default: the one that comes with digitscan")
    parser.add_argument("--min-confidence", type=float, default=Settings().min_confidence, help="below it: doubtful")
    parser.add_argument("--count", type=int, default=100, help="how many are corrected; default: %(default)s")
    options = parser.parse_args()
    strips = chosen(options)
    settings = Settings(layout=Layout.LINE, min_confidence=options.min_confidence)
    numbers = doubtful(strips, options.model, settings)[: options.count]
    wrong = [name for name, number in numbers if number.text != "".join(strips.truth[name][0]).replace(" ", "")]
    show(("corrected", "of these misread"), [(str(len(numbers)), str(len(wrong)))])
    save({"report": "report.csv", "corrections": list(corrections(strips, numbers))}, options.json)


if __name__ == "__main__":
    main()
