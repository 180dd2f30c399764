"""Reads strips with digitscan, one after the other: prints `file<TAB>text`."""

import argparse
import sys

from digitscan.classifier import Classifier
from digitscan.scan import scan
from digitscan.schema import Layout, PageFailure, Settings

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model")
parser.add_argument("files", nargs="+")
options = parser.parse_args()

predict = Classifier.load(options.model)
settings = Settings(layout=Layout.LINE, jobs=1)
for file in options.files:
    # A scan for each strip: one scan of them all would classify many at a time.
    for page in scan([file], predict, settings, predict.card.path_weights):
        numbers = () if isinstance(page, PageFailure) else page.numbers
        sys.stdout.write(f"{file}\t{' '.join(number.text for number in numbers)}\n")
        sys.stdout.flush()
