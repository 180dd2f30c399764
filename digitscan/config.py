"""Settings from a file and from the environment, for options that the command line leaves out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from digitscan.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE = Path("digitscan.toml")
"""Read where it exists in the current folder, and no other was named."""

PREFIX = "DIGITSCAN"
"""Of the environment's variables: `DIGITSCAN_MIN_CONFIDENCE` is `--min-confidence`."""

LISTS = ("form",)
"""Settings that may have several values."""

_NAMES = "digitscan config names those that there are"


def read_config(path: Path | None, options: Iterable[str], environment: Mapping[str, str]) -> dict[str, object]:
    """The settings of a file: names of options, as Python writes them, and values as they stand there.

    Args:
        path: The file; None is `digitscan.toml`, if there is one.
        options: Names that there are, as Python writes them.
        environment: Its variables are checked too: a misspelt one would go unnoticed.

    Raises:
        UsageError: The file can't be read or is no TOML, or a name in it or in the environment doesn't exist.
    """
    known = {name.replace("_", "-"): name for name in options}
    variables = {f"{PREFIX}_{name.upper()}" for name in (*known.values(), "config")}
    for variable in environment:
        if variable.startswith(f"{PREFIX}_") and variable not in variables:
            raise UsageError(f"the environment's {variable} is no setting; {_NAMES}")
    if path is None and not FILE.exists():
        return {}
    return {known[name]: value for name, value in _read(path or FILE, known)}


def _read(path: Path, known: Iterable[str]) -> Iterator[tuple[str, object]]:
    import tomllib  # Only here: most starts have no file.

    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    for name, value in found.items():
        if name not in known:
            raise UsageError(f"{path}: {name!r} is no setting; {_NAMES}")
        if name in LISTS:
            value = [value] if isinstance(value, str) else value
            if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
                raise UsageError(f"{path}: {name} must be a text or a list of texts")
        elif not isinstance(value, str | int | float):
            raise UsageError(f"{path}: {name} must be a text, a number, true or false")
        yield name, value


def show(name: str, value: object, source: str, path: Path | None) -> str:
    """A line of TOML that says what holds, and where it comes from; `source` is Click's name for that."""
    setting = name.replace("_", "-")
    if value is None:
        return f"# {setting} is not set"
    origins = {"ENVIRONMENT": f"{PREFIX}_{name.upper()}", "DEFAULT_MAP": str(path or FILE)}
    if name in LISTS and isinstance(value, list | tuple):
        plain: object = [str(item) for item in value]
    else:
        plain = value if isinstance(value, bool | int | float) else str(value)
    return f"{setting} = {json.dumps(plain)}  # {origins.get(source, source.lower())}"
