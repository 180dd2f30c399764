"""Reads strips or pages with digitscan, one after the other: prints `file<TAB>text`."""

import argparse
import sys

from digitscan.scan import load_reader, scan
from digitscan.schema import Layout, PageFailure, Settings

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model")
parser.add_argument("--layout", type=Layout, default=Layout.LINE)
parser.add_argument("files", nargs="+")
options = parser.parse_args()

settings = Settings(layout=options.layout)
reader = load_reader(options.model, settings.cores)
for file in options.files:
    # A scan for each strip: one scan of them all would classify many at a time.
    for page in scan([file], reader, settings):
        numbers = () if isinstance(page, PageFailure) else page.numbers
        sys.stdout.write(f"{file}\t{' '.join(number.text for number in numbers)}\n")
        sys.stdout.flush()
