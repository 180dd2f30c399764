"""Reads strips with the recogniser of RapidOCR alone, pages with all of it: prints `file<TAB>text`."""

import argparse
import sys

import numpy as np
from rapidocr import RapidOCR

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--allow", metavar="CHARACTERS", help="the only ones that it may read")
parser.add_argument("--layout", choices=("line", "page"), default="line")
parser.add_argument("files", nargs="+")
options = parser.parse_args()

# Without a least score: what it is unsure of counts, too, as it does for the others.
engine = RapidOCR(params={"Global.log_level": "error", "Global.text_score": 0.0})
if options.allow:
    recogniser = engine._load_rec_model()
    session = recogniser.session
    allowed = np.array([char in ["blank", *options.allow] for char in recogniser.postprocess_op.character])
    recogniser.session = lambda strips: np.where(allowed, session(strips), 0)
for file in options.files:
    found = engine(file, use_det=options.layout == "page", use_cls=False, use_rec=True)
    sys.stdout.write(f"{file}\t{' '.join(' '.join(found.txts or ()).split())}\n")
    sys.stdout.flush()
