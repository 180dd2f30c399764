"""A disk that runs full, in a small file system in memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import cv2
import pytest
from writing import PROGRAM, write_page

if TYPE_CHECKING:
    from pathlib import Path

MOUNT = ["unshare", "--user", "--map-root-user", "--mount"]

SCRIPT = """
set -e
mount -t tmpfs -o size=$1 none disk
echo old > disk/r.csv
run() { "$2" -c "$3" classify scans -o disk/r.csv $4 --quiet --jobs 2 2>> said || echo $? >> said; }
run "$@"
cat disk/r.csv >> said
ls -A disk | grep -v -x r.csv >> said || true
mount -o remount,size=100m none disk
run "$@"
cp disk/r.csv now.csv
"""


def can_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    return (
        subprocess.run([*MOUNT, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False).returncode
        == 0
    )


pytestmark = pytest.mark.skipif(not can_mount(), reason="no mount is allowed")


# The first is full before there is a journal, the last when the report is nearly complete.
@pytest.mark.parametrize(
    ("size", "resume"), [("12k", ""), ("16k", "--resume"), ("150k", "--resume"), ("250k", "--resume")]
)
def test_a_full_disk_leaves_the_old_report_and_the_next_run_completes_it(
    size: str, resume: str, tmp_path: Path
) -> None:
    for name in ("scans", "disk"):
        (tmp_path / name).mkdir()
    for number in range(12):
        assert cv2.imwrite(
            str(tmp_path / "scans" / f"{number}.png"), write_page([f"{number} {number}"] * 60, 24).pixels
        )
    command = [sys.executable, "-c", PROGRAM, "classify", "scans", "-o", "whole.csv", "--quiet"]
    subprocess.run(command, cwd=tmp_path, check=True)
    script = [*MOUNT, "bash", "-c", SCRIPT, "-", size, sys.executable, PROGRAM, resume]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    line, code, *rest = (tmp_path / "said").read_text("utf-8").splitlines()
    assert line.startswith("digitscan: disk/")
    assert (code, rest[0]) == ("5", "old")
    assert set(rest[1:]) <= {".r.csv.digitscan", ".r.csv.digitscan-wal"}
    assert (tmp_path / "now.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
