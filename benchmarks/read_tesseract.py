"""Reads strips with Tesseract as single lines of digits, pages as blocks of them: prints `file<TAB>text`."""

import argparse
import subprocess
import sys

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--layout", choices=("line", "page"), default="line")
parser.add_argument("files", nargs="+")
options = parser.parse_args()

segmentation = {"line": "7", "page": "6"}[options.layout]
for file in options.files:
    command = ["tesseract", file, "-", "--psm", segmentation, "-c", "tessedit_char_whitelist=0123456789"]
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    sys.stdout.write(f"{file}\t{' '.join(found.stdout.split())}\n")
    sys.stdout.flush()
