"""Settings from a file, the environment and the command line, as a user meets them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from digitscan.config import read_config, show
from digitscan.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., "subprocess.CompletedProcess[str]"]

OPTIONS = ("jobs", "min_confidence", "output")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `digitscan ARGUMENTS...` in an empty folder, with variables."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "digitscan", *arguments]
        environment = os.environ | variables
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def holds(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.split(" = ", 1) for line in done.stdout.splitlines() if not line.startswith("#"))


def test_the_later_is_the_stronger(run: Run, tmp_path: Path) -> None:
    (tmp_path / "digitscan.toml").write_text("jobs = 2\nmin-confidence = 0.5\nquiet = true\n")
    (tmp_path / "other.toml").write_text("dpi = 300\n")
    found = holds(run("config", DIGITSCAN_JOBS="3"))
    assert found["jobs"] == "3  # DIGITSCAN_JOBS"
    assert found["min-confidence"] == "0.5  # digitscan.toml"
    assert found["dpi"] == "200  # default"
    other = holds(run("config", "--config", "other.toml"))
    assert (other["dpi"], other["jobs"]) == ("300  # other.toml", "0  # default")
    assert holds(run("config", DIGITSCAN_CONFIG="other.toml"))["dpi"] == "300  # other.toml"


def test_what_is_printed_is_a_settings_file(run: Run, tmp_path: Path) -> None:
    printed = run("config", DIGITSCAN_OUTPUT='a "b".csv').stdout
    (tmp_path / "digitscan.toml").write_text(printed)
    assert tomllib.loads(printed)["output"] == 'a "b".csv'
    again = holds(run("config"))
    assert {line.split("  # ")[1] for line in again.values()} == {"digitscan.toml"}
    assert [line.split("  # ")[0] for line in again.values()] == [
        line.split(" = ")[1].split("  # ")[0] for line in printed.splitlines() if not line.startswith("#")
    ]


def test_classify_obeys(run: Run, good_scans: Path, tmp_path: Path) -> None:
    (tmp_path / "digitscan.toml").write_text('per = "page"\nquiet = true\noutput = "r.csv"\n')
    done = run("classify", str(good_scans))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "r.csv").read_text().startswith("file,page,lines,")
    run("classify", str(good_scans), DIGITSCAN_PER="digit")
    assert (tmp_path / "r.csv").read_text().startswith("file,page,line,number,position,")
    done = run("classify", str(good_scans), "--per", "number", "-o", "-", "--no-quiet", DIGITSCAN_PER="digit")
    assert done.stdout.startswith("file,page,line,number,text,")
    assert "pages=1 " in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jbos = 1", "'jbos' is no setting"),
        ("min_confidence = 1", "'min_confidence' is no setting"),
        ("inputs = []", "'inputs' is no setting"),
        ("jobs = 'two'", "--jobs"),
        ("jobs = -1", "--jobs"),
        ("output = ['a']", "output must be a text"),
        ("jobs", "is not TOML"),
        ("jobs = 1\n[jobs]", "is not TOML"),
    ],
)
@pytest.mark.parametrize("command", [["config"], ["classify", "."]])
def test_a_wrong_file_is_an_error(run: Run, tmp_path: Path, command: list[str], text: str, said: str) -> None:
    (tmp_path / "digitscan.toml").write_text(text)
    done = run(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_other_errors(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"output = '\xe4'")
    for path in (tmp_path, tmp_path / "absent.toml", tmp_path / "latin.toml"):
        with pytest.raises(UsageError, match=path.name) as caught:
            read_config(path, OPTIONS, {})
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="DIGITSCAN_JOB is no setting"):
        read_config(None, OPTIONS, {"DIGITSCAN_JOB": "1", "DIGITSCAN_JOBS": "1"})


def test_no_file_no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_config(None, OPTIONS, {"HOME": "/", "DIGITSCAN_MIN_CONFIDENCE": "1", "DIGITSCAN_CONFIG": ""}) == {}


def test_what_is_not_set_is_named() -> None:
    assert show("page_timeout", None, "DEFAULT", None) == "# page-timeout is not set"
