"""Freed memory stays with the process, so that it need not be cleared by the kernel for each page again."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from digitscan.memory import keep_freed_memory
{prepare}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = faults()
for _ in range(50):
    arrays = [np.ones(3_000_000, np.uint8) for _ in range(4)]
    del arrays
print(faults() - before)
"""


def faults(prepare: str) -> int:
    """Page faults of a process that makes and frees the same arrays many times."""
    command = [sys.executable, "-c", FAULTS.format(prepare=prepare)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's setting")
def test_arrays_that_are_made_again_cost_no_faults_again() -> None:
    assert faults("keep_freed_memory()") < 0.2 * faults("")
