"""The README's commands, run as they stand there in a copy of what they name."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")

# These install something or need hours, the network, or another folder: not for a test.
NOT_HERE = (
    "make ",
    "python3 -m venv",
    ".venv/bin/",
    "WRITING",
    "digitscan train",
    "digitscan calibrate",
    "python tools/",
)
SCANS = ("blank.jpg", "plain-list.jpg", "two-pages.pdf")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", "").replace("\n ", "").splitlines()]
    return [line for line in lines if line.strip() and not line.startswith(NOT_HERE)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of `scans/`."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "scans").mkdir()
    for scan in SCANS:
        shutil.copyfile(ROOT / "sample_images" / scan, folder / "scans" / scan)
    assert run("digitscan classify scans -o report.csv", folder).returncode == 0
    return folder / "report.csv"


@pytest.fixture
def folder(tmp_path: Path, report: Path) -> Path:
    """A folder with what the README's commands name, and `reports/` and `inbox/` for the nightly one."""
    shutil.copyfile(report, tmp_path / "report.csv")
    (tmp_path / "report-corrections.json").write_text('{"corrections": []}')
    for name in ("scans", "inbox"):
        (tmp_path / name).mkdir()
        for scan in SCANS:
            shutil.copyfile(ROOT / "sample_images" / scan, tmp_path / name / scan)
    (tmp_path / "reports").mkdir()
    (tmp_path / "models").symlink_to(ROOT / "models")
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    (tmp_path / "sample_forms").symlink_to(ROOT / "sample_forms")
    return tmp_path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.run(
        shell, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )


def test_readme_has_commands_for_every_use() -> None:
    text = "\n".join(commands())
    assert all(part in text for part in ("classify scans -o", "classify scans |", "evaluate --model", "--excel"))


@pytest.mark.parametrize("command", commands())
def test_command_works(command: str, folder: Path) -> None:
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    written = re.search(r"(?:-o|>) (\S+)", command)
    assert written is None or (folder / written[1]).exists()


def test_nightly_command_is_silent_and_writes_its_report(folder: Path) -> None:
    (line,) = blocks("crontab")
    minute, hour, *_, command = line.strip().split(maxsplit=5)
    assert (minute.isdecimal(), hour.isdecimal()) == (True, True)
    command = command.replace("/srv/scans", str(folder)).replace("/opt/digitscan/bin/", "").replace(r"\%", "%")
    done = run(command, folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list((folder / "reports").glob("*.csv"))) == 1


def nightly_commands() -> list[str]:
    """What cron and systemd run, as a shell in the folder of the scans would."""
    (line,) = blocks("crontab")
    (start,) = re.findall(r"^ExecStart=(.*)", "".join(blocks("ini")), re.MULTILINE)
    (folder,) = re.findall(r"^WorkingDirectory=(.*)", "".join(blocks("ini")), re.MULTILINE)
    return [line.strip().split(maxsplit=5)[5], f"cd {folder} && {start}"]


@pytest.mark.skipif(os.name != "posix", reason="cron and systemd")
@pytest.mark.parametrize("command", nightly_commands())
def test_nightly_commands_run_with_hardly_any_environment(command: str, folder: Path) -> None:
    """Twice, the second time with nothing new, and with a page that can't be read."""
    program = f"{sys.executable} -m digitscan"
    command = command.replace("/srv/scans", str(folder)).replace("/opt/digitscan/bin/digitscan", program)
    checkout = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    variables = {"HOME": str(folder), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", **checkout}
    shell = ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), "/bin/sh", "-c", command]
    reports = []
    for code in (0, 0, 6):
        if code:
            (folder / "inbox" / "damaged.jpg").write_bytes(b"")
        done = subprocess.run(shell, cwd="/", capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
        reports.append((folder / "reports" / "inbox.csv").read_bytes())
    assert reports[0] == reports[1] != reports[2]
    assert b"inbox/damaged.jpg,1,,,,,error" in reports[2]


def test_library_example_works(folder: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nassert len(frame) > len(sure) >= 0"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_exit_codes_are_those_of_the_errors() -> None:
    from digitscan import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.DigitscanError)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)} == codes | {0}


def test_columns_are_those_of_the_report() -> None:
    from digitscan.schema import COLUMNS, Per

    table = README[README.index("## Columns") : README.index("## Exit codes")]
    named = [name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert tuple(named) == COLUMNS[Per.NUMBER]


def test_options_are_those_of_the_command(folder: Path) -> None:
    table = README[README.index("## Options of") : README.index("## Columns")]
    options = re.findall(
        r"--[a-z-]+", "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    )
    shown = run("COLUMNS=200 digitscan classify --help", folder).stdout
    assert [option for option in options if option not in shown] == []
    assert set(re.findall(r"--[a-z][a-z-]+", shown)) - {*options, "--help"} == set()


def test_nothing_is_left_to_fill_in() -> None:
    assert "@@" not in README
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [link for link in linked if not (ROOT / link).exists()] == []
