"""The rules of who imports whom, read from the source."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "digitscan"

# A module imports from the lines above its own only: so the steps never import each other.
LAYERS = (
    {"errors", "memory", "paper", "quantile"},
    {"schema"},
    {"lock", "log", "config", "remote"},
    {
        "automata",
        "cells",
        "components",
        "sources",
        "cut",
        "lines",
        "strips",
        "paths",
        "model",
        "strokes",
        "contents",
        "truth",
    },
    {"annotate", "summary", "augment", "pool", "constrain"},
    {
        "turn",
        "colour",
        "frames",
        "rules",
        "order",
        "allographs",
        "backgrounds",
        "hands",
        "headers",
        "runtime",
        "networks",
        "courses",
        "journal",
        "cluster",
        "stacks",
    },
    {"canvas", "tiff"},
    {"files", "image", "ink", "segment", "normalize", "classifier", "linereader", "decode", "report", "datasets"},
    {"register"},
    {"form"},
    {"fields"},
    {"scan", "synth", "pictures", "corrections", "parts"},
    {"chunks", "candidates", "fit", "debug", "review", "judge", "propose", "formcheck"},
    {"train", "evaluate", "calibrate"},
    {"plots", "progress"},
    {"display"},
    {"cli"},
    {"__init__", "__main__"},
)
LAYER_OF = {module: layer for layer, modules in enumerate(LAYERS) for module in modules}

# Heavy packages, and the only modules that may import them. All others do without.
ONLY_IN = {
    "tensorflow": {"train"},
    "keras": {"train", "networks", "datasets"},
    "matplotlib": {"plots"},
    "distributed": {"cluster"},
    "fsspec": {"remote"},
    "pyarrow": {"parts"},
}
NEVER_AT_TOP = {*ONLY_IN, "pandas", "ai_edge_litert"}
WITHOUT_CV2_AT_TOP = {
    *("__init__", "__main__", "cli", "errors", "memory", "schema", "files", "report", "model", "truth"),
    *("journal", "lock", "log", "config"),
}

MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """The full names that a module imports, each with whether this happens when the module itself is imported."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))
    later = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.Lambda) or _is_for_types_only(outer)
        for node in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in later) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "the package imports by full names"
            yield from ((f"{node.module}.{alias.name}", id(node) not in later) for alias in node.names)


def _is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    assert module in LAYER_OF, f"give {module}.py its place in LAYERS"
    parts = [name.split(".") for name, _ in imports(module)]
    ours = {part[1] for part in parts if part[0] == "digitscan" and part[1:] and part[1] in LAYER_OF}
    assert {other for other in ours if LAYER_OF[other] >= LAYER_OF[module]} == set()


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_are_imported_where_they_are_needed(module: str) -> None:
    for name, at_top in imports(module):
        package = name.split(".")[0]
        assert module in ONLY_IN.get(package, {module}), f"{module}.py imports {package}"
        assert not (at_top and package in NEVER_AT_TOP), f"{module}.py imports {package} outside a function"
        assert not (at_top and package == "cv2" and module in WITHOUT_CV2_AT_TOP), f"{module}.py imports cv2"


@pytest.mark.parametrize("module", ["digitscan", "digitscan.cli"])
def test_the_command_line_starts_without_heavy_packages(module: str) -> None:
    code = f"import sys, {module}; sys.stdout.write(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert not {*NEVER_AT_TOP, "dask", "cv2"} & set(run.stdout.split())


def test_the_package_alone_pulls_in_no_package_of_the_extras() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {re.split(r"[^a-z-]", requirement)[0] for requirement in project["dependencies"]}
    assert not needed & {"dask", "distributed", "fsspec", "universal-pathlib", "pyarrow", "tensorflow", "matplotlib"}
