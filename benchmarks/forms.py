"""What the rules of fields bring: filled forms read without them, with lengths and boxes, and with all of them.

    python tools/make_forms.py --mnist FOLDER --copies 36 -o COPIES
    python benchmarks/forms.py COPIES

COPIES holds `form.toml`, `truth.csv` with a column a field, and the scans that it names.
"""

from __future__ import annotations

import argparse
import csv
import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from digitscan import automata, scan
from digitscan.fields import form_glyphs, read_form
from digitscan.form import Field, load_form
from digitscan.image import read_pages
from digitscan.schema import PageFailure, Settings

Loosen = Callable[[Field], Field]


def nothing(field: Field) -> Field:
    """The field without any rule."""
    return replace(field, type="digits", boxes=0, allowed=automata.anything(marks=field.type == "number"))


def lengths(field: Field) -> Field:
    """The field with its boxes and its lengths; numbers and dates as they are."""
    if field.type != "digits":
        return field
    accepted = _lengths(field.allowed)
    return replace(field, allowed=automata.digits((min(accepted), max(accepted))))


def everything(field: Field) -> Field:
    """The field as it is."""
    return field


def _lengths(allowed: automata.Automaton) -> set[int]:
    found, states, length = set(), {0}, 0
    while states:
        if allowed.accepts[list(states)].any():
            found.add(length)
        following = set(allowed.after[list(states)].ravel().tolist())
        states, length = following - {len(allowed.accepts)}, length + 1
    return found


VARIANTS: dict[str, Loosen] = {"no rules": nothing, "lengths, boxes": lengths, "all rules": everything}


def checked_fields(template: Path) -> set[str]:
    """Names of the fields with a check digit."""
    return {field["name"] for field in tomllib.loads(template.read_text("utf-8"))["field"] if "check" in field}


def read(folder: Path, model: str | None) -> Iterator[tuple[str, str, str, str, str]]:
    """Variant, file, field, what is written and what was read; an empty field and reading for a page not found."""
    form = load_form(folder / "form.toml")
    reader = scan.load_reader(model)
    variants = {name: replace(form, fields=tuple(map(loosen, form.fields))) for name, loosen in VARIANTS.items()}
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        page = next(read_pages(str(folder / row["file"]), Settings()))
        found = page if isinstance(page, PageFailure) else form_glyphs(page, [form], reader.read_strips)
        if isinstance(found, PageFailure) or found.form is None:
            yield from (
                (name, row["file"], field.name, row[field.name], "") for name in VARIANTS for field in form.fields
            )
            continue
        beliefs = reader.classify(np.ascontiguousarray(found.glyphs))
        for name, variant in variants.items():
            numbers = read_form(found, found.form, variant, beliefs, reader.weights).numbers
            for field, number in zip(form.fields, numbers, strict=True):
                yield name, row["file"], field.name, row[field.name], _shown(field, number.text)


def _shown(field: Field, text: str) -> str:
    """What the report says, by the field's own rule; `text` may be shown so already."""
    return field.value(text) if set(text) <= set(automata.CHARACTERS) else text


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures what the rules of a form's fields bring.")
    parser.add_argument("folder", type=Path, metavar="COPIES")
    parser.add_argument("-m", "--model", help="default: the model in the package")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts to this file")
    options = parser.parse_args()
    checked = checked_fields(options.folder / "form.toml")
    right: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    for name, file, field, written, said in read(options.folder, options.model):
        kind = "with check digit" if field in checked else "without"
        total[name, kind] += 1
        right[name, kind] += written == said
        if name == "all rules" and written != said:
            print(f"{file} {field}: {written} read as {said!r}")  # noqa: T201
    counts = [(*key, right[key], total[key]) for key in total]
    for name, kind, part, whole in counts:
        print(f"{name:16} {kind:18} {part:5} of {whole:5} {part / whole:7.2%}")  # noqa: T201
    if options.json:
        options.json.write_text(json.dumps(counts), encoding="utf-8")


if __name__ == "__main__":
    main()
