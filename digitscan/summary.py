"""What a report says as a whole: tables of its statuses, its confidences, its worst pages and its folders."""

from __future__ import annotations

from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from digitscan import log
from digitscan.schema import Status

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_CONFIDENCES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Limits of the histogram's bins: finer where most rows are."""

_WORST_PAGES = 10


class ReportSummary(NamedTuple):
    """Tables for people, each with a row for every status, bin, page or folder.

    `statuses` has the columns status, rows, share; `confidences` confidence, rows, share; `pages` file, page, rows,
    review, least, mean, the worst first; `slowest` file, page, seconds, numbers, the slowest first, and no rows where
    there is no log; `folders` folder, files, pages, rows and a column for each status. Shares and confidences are 0
    to 1.
    """

    statuses: pd.DataFrame
    confidences: pd.DataFrame
    pages: pd.DataFrame
    slowest: pd.DataFrame
    folders: pd.DataFrame


def summarize(table: pd.DataFrame, log_file: Path | None = None) -> ReportSummary:
    """Count the rows of a report as `read_report` gives it, whatever a row stands for.

    The report must be the same whenever it is made, so that times are only in the log. Raises what `log.read_events`
    raises.
    """
    import pandas as pd

    rows = table[["file", "page", "status"]].assign(confidence=pd.to_numeric(table["confidence"], errors="coerce"))
    return ReportSummary(_statuses(rows), _confidences(rows), _pages(rows), _slowest(log_file), _folders(rows))


def _statuses(rows: pd.DataFrame) -> pd.DataFrame:
    counts = rows["status"].value_counts().rename_axis("status").reset_index(name="rows")
    return counts.assign(share=counts["rows"] / len(rows))


def _confidences(rows: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    known = rows["confidence"].dropna()
    # What is no doubt at all, 1, belongs to the last bin.
    bins = pd.cut(known.clip(upper=0.9999), [*_CONFIDENCES], right=False)
    counts = bins.value_counts(sort=False).to_list()
    limits = [f"{low:g} to {high:g}" for low, high in pairwise(_CONFIDENCES)]
    shares = [count / max(1, len(known)) for count in counts]
    return pd.DataFrame({"confidence": limits, "rows": counts, "share": shares})


def _pages(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(review=rows["status"] == Status.REVIEW)
    pages = rows.groupby(["file", "page"], sort=False).agg(
        rows=("status", "size"), review=("review", "sum"), least=("confidence", "min"), mean=("confidence", "mean")
    )
    worst = pages[pages["review"] > 0].sort_values(["review", "mean"], ascending=[False, True], kind="stable")
    return worst.head(_WORST_PAGES).reset_index()


def _slowest(log_file: Path | None) -> pd.DataFrame:
    import pandas as pd

    events = log.read_events(log_file, "read") if log_file else ()
    # A page that a later night read again counts once, with its last time.
    last = {(event["file"], event["page"]): event for event in events}
    pages = pd.DataFrame(list(last.values()), columns=["file", "page", "seconds", "numbers"])
    return pages.sort_values("seconds", ascending=False, kind="stable").head(_WORST_PAGES)


def _folders(rows: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    folders = rows.assign(folder=[str(PurePath(file).parent) for file in rows["file"]])
    totals = (
        folders.drop_duplicates(["file", "page"])
        .groupby("folder")
        .agg(files=("file", "nunique"), pages=("page", "size"))
    )
    totals["rows"] = folders.groupby("folder").size()
    statuses = pd.get_dummies(folders["status"], dtype=int).groupby(folders["folder"]).sum()
    return totals.join(statuses).reset_index()
