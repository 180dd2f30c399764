"""Reads strips with Tesseract as single lines of digits: prints `file<TAB>text`."""

import subprocess
import sys

for file in sys.argv[1:]:
    command = ["tesseract", file, "-", "--psm", "7", "-c", "tessedit_char_whitelist=0123456789"]
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    sys.stdout.write(f"{file}\t{' '.join(found.stdout.split())}\n")
    sys.stdout.flush()
