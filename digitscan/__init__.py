"""digitscan reads handwritten digits out of folders of scans."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__version__ = "0.1.0"
__all__ = ["classify"]


def classify(*inputs: str, **settings: object) -> pd.DataFrame:
    """Read the digits in folders and files of scans, as `digitscan classify` does.

    `settings` are the fields of `digitscan.schema.Settings`. Returns the report as a DataFrame with the columns of
    `digitscan.schema.COLUMNS`; pages that couldn't be read are rows with the status `error`. Raises the subclasses of
    `digitscan.errors.DigitscanError`, NoInputError among them.
    """
    from digitscan import files, report, scan
    from digitscan.errors import UsageError
    from digitscan.schema import Settings

    try:
        chosen = Settings(**settings)  # type: ignore[arg-type]
    except TypeError as error:
        raise UsageError(str(error)) from error
    reader = scan.load_reader(chosen.model, chosen.cores)
    return report.frame(scan.scan(files.find_pages(inputs), reader, chosen), chosen)
