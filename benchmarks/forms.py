"""What the rules of fields bring: filled forms read by types alone, with lengths and boxes, and with all rules.

    python tools/make_forms.py --mnist FOLDER --copies 30 -o COPIES
    python benchmarks/forms.py COPIES

COPIES holds `form.toml`, `truth.csv` with a column a field, and the scans that it names. Those for which it has no
values are other forms, and are to be refused.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from digitscan import scan
from digitscan.fields import form_glyphs, read_form
from digitscan.form import load_form
from digitscan.image import read_pages
from digitscan.schema import PageFailure, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from digitscan.form import Form

    Texts = dict[str, str]

TYPE = {"name", "box", "type", "order", "decimals", "optional"}
LENGTHS = TYPE | {"length", "boxes"}
KEPT = {"types alone": TYPE, "lengths, boxes": LENGTHS, "all rules": LENGTHS | {"check", "range", "values"}}
"""What each variant of a template keeps of its fields."""


def variants(template: Path) -> dict[str, Form]:
    """The form with less of its rules, and with all of them."""
    whole = tomllib.loads(template.read_text("utf-8"))
    reference = str(template.resolve().parent / whole["reference"])
    forms = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "form.json")
        for name, kept in KEPT.items():
            fields = [{key: field[key] for key in field if key in kept} for field in whole["field"]]
            path.write_text(json.dumps({"reference": reference, "field": fields}), encoding="utf-8")
            forms[name] = load_form(path)
    return forms


def read(folder: Path, model: str | None) -> Iterator[tuple[Texts, dict[str, Texts]]]:
    """The row of `truth.csv` of each scan, and what each variant reads in its fields; nothing if it isn't the form."""
    forms = variants(folder / "form.toml")
    reader = scan.load_reader(model)
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        page = next(read_pages(str(folder / row["file"]), Settings()))
        found = page if isinstance(page, PageFailure) else form_glyphs(page, [*forms.values()][:1], reader.read_strips)
        if isinstance(found, PageFailure) or not found.form:
            yield row, {}
            continue
        beliefs = reader.classify(found.glyphs)
        pages = {name: read_form(found, found.form, form, beliefs, reader.weights) for name, form in forms.items()}
        yield row, {name: {n.field.name: n.text for n in page.numbers if n.field} for name, page in pages.items()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures what the rules of a form's fields bring.")
    parser.add_argument("folder", type=Path, metavar="COPIES")
    parser.add_argument("-m", "--model", help="default: the model in the package")
    options = parser.parse_args()
    template = tomllib.loads((options.folder / "form.toml").read_text("utf-8"))
    kinds = {field["name"]: "with check digit" if "check" in field else "without" for field in template["field"]}
    pages, right, total = Counter[str](), Counter[tuple[str, str]](), Counter[str]()
    for row, texts in read(options.folder, options.model):
        is_form = any(row[field] for field in kinds)
        pages[f"{'the form' if is_form else 'another form'}, {'found' if texts else 'refused'}"] += 1
        if not is_form:
            continue
        total.update(kinds.values())
        for name in KEPT:
            wrong = {field: texts[name][field] if texts else "" for field in kinds}
            wrong = {field: text for field, text in wrong.items() if text != row[field]}
            right.update((name, kind) for field, kind in kinds.items() if field not in wrong)
            for field, text in wrong.items():
                print(f"{row['file']} {name}: {field} {row[field]} read as {text!r}")  # noqa: T201
    print(dict(pages))  # noqa: T201
    for name in KEPT:
        for kind, count in total.items():
            part = right[name, kind]
            print(f"{name:16} {kind:18} {part:5} of {count:5} {part / count:7.2%}")  # noqa: T201


if __name__ == "__main__":
    main()
