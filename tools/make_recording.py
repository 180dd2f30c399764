"""Makes `docs/recording.svg`: a terminal in which `digitscan` reads a folder of scans.

    python tools/make_recording.py

The commands really run, in a terminal of their own; the picture has the progress bar as it was half way, with the
counts under it, then what is on the screen at the end. The scans are `COPIES` times the sample pages.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 110, 50
COPIES = 5
SAMPLES = Path(__file__).parents[1] / "sample_images"
COMMANDS = ("digitscan classify scans -o report.csv", "head -5 report.csv")
TOKEN = re.compile(r"\x1b\[\??([\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """The little of a terminal that rich's progress bar uses: lines, carriage return, cursor up, erase line."""

    def __init__(self) -> None:
        self.lines = [""]
        self._row = 0

    def feed(self, text: str) -> None:
        """Writes what a program printed. A line is rewritten as a whole, as rich does."""
        for match in TOKEN.finditer(text):
            number, command, control, plain = match.groups()
            if control == "\n":
                self._row += 1
                self.lines += [""] * (self._row + 1 - len(self.lines))
            elif command == "A":
                self._row = max(0, self._row - int(number or 1))
            elif command == "K":
                self.lines[self._row] = ""
            elif command == "m" or plain:
                self.lines[self._row] += match[0]


def run_in_terminal(command: str, folder: Path) -> Iterator[str]:
    """Runs a command in a terminal of its own; gives what it prints, piece by piece."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    terminal = {**os.environ, "PATH": path, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(
        shlex.split(command), stdin=child, stdout=child, stderr=child, env=terminal, cwd=folder
    ) as process:
        os.close(child)
        while data := _read(parent):
            yield data.decode("utf-8", "replace")
        process.wait()
    os.close(parent)


def _read(parent: int) -> bytes:
    try:
        return os.read(parent, 65536)
    except OSError:  # Linux says so when the other side is closed.
        return b""


def copy_samples(folder: Path) -> None:
    """Fills `scans/` with sample pages."""
    for copy in range(1, COPIES + 1):
        (folder / "scans" / f"day-{copy}").mkdir(parents=True)
        for path in SAMPLES.glob("*.*"):
            if path.suffix not in {".csv", ".md"}:
                shutil.copy(path, folder / "scans" / f"day-{copy}")


def record(commands: tuple[str, ...], folder: Path) -> list[str]:
    """All lines of the picture, with their colours as escape sequences."""
    lines: list[str] = []
    for command in commands:
        screen = Screen()
        bars: dict[int, list[str]] = {}
        for piece in run_in_terminal(command, folder):
            screen.feed(piece)
            for row, line in enumerate(screen.lines):
                bars.update((percent, screen.lines[row : row + 2]) for percent in _percent(line))
        half_way = bars[min(bars, key=lambda percent: abs(percent - 50))] if bars else []
        last = [line for line in screen.lines if Text.from_ansi(line).plain.strip() and not _percent(line)]
        lines += [f"\x1b[1;32m$\x1b[0m {command}", *half_way, *last]
    return lines


def _percent(line: str) -> list[int]:
    """How far a progress bar is; nothing for another line."""
    return [int(number) for number in re.findall(r"^\s*(\d+) %", Text.from_ansi(line).plain)]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Makes a picture of a terminal in which digitscan reads scans.")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/recording.svg"), metavar="FILE")
    options = parser.parse_args()
    console = Console(record=True, width=COLUMNS, file=StringIO())
    with TemporaryDirectory() as folder:
        copy_samples(Path(folder))
        for line in record(COMMANDS, Path(folder)):
            console.print(Text.from_ansi(line), soft_wrap=True)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(console.export_svg(title="digitscan", unique_id="digitscan"), encoding="utf-8")


if __name__ == "__main__":
    main()
