"""Features of a session in Online Shoppers: per-page and per-session sizes, from the session's own columns."""

from pathlib import Path

import numpy as np
import pandas as pd

from storekeeper_training.benchmark.cross_fit import Labels

FILE = "sessions.parquet"

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_KINDS = ("Administrative", "Informational", "ProductRelated")
_CODES = ("OperatingSystems", "Browser", "Region", "TrafficType", "VisitorType")

CALENDAR = ("month", "SpecialDay")
"""What a later month can't be told by."""

SURROUNDINGS = ("OperatingSystems", "Browser", "Region")
"""Whose session it is, technically."""


def read_sessions(folder: Path) -> tuple[pd.DataFrame, Labels]:
    """All sessions in the file's order, with features; and whether they bought."""
    sessions = pd.read_parquet(folder / FILE)
    return session_features(sessions), sessions["Revenue"].to_numpy().astype(np.int8)


def session_features(sessions: pd.DataFrame) -> pd.DataFrame:
    """Features from the columns of each row alone; `month` counts from 1, categories are text.

    A page value is a mean over the session's pages: times their number it is the session's sum. The same holds for
    bounce and exit rates.
    """
    known = sessions.drop(columns=["Revenue", "Month"], errors="ignore")
    known["Weekend"] = known["Weekend"].astype(np.int64)
    known[list(_CODES)] = known[list(_CODES)].astype(str)
    known["month"] = sessions["Month"].map({name: at for at, name in enumerate(_MONTHS, start=1)})
    pages = known[list(_KINDS)].sum(axis=1)
    seconds = known[[f"{kind}_Duration" for kind in _KINDS]].sum(axis=1)
    some = pages.clip(lower=1)
    known["pages"], known["seconds"], known["seconds_per_page"] = pages, seconds, seconds / some
    for kind in _KINDS:
        known[f"{kind}_seconds_per_page"] = known[f"{kind}_Duration"] / known[kind].clip(lower=1)
        known[f"{kind}_share"] = known[kind] / some
    known["exits"], known["bounces"] = known["ExitRates"] * pages, known["BounceRates"] * pages
    known["exits_after_view"] = known["ExitRates"] - known["BounceRates"]
    known["value_sum"] = known["PageValues"] * pages
    known["value_of_exits"] = known["PageValues"] * known["ExitRates"]
    known["value_per_exit"] = known["PageValues"] / (known["ExitRates"] + 1e-3)
    return known


def is_value(column: str) -> bool:
    """Whether a column comes from PageValues, which know of purchases in the site's past."""
    return column == "PageValues" or column.startswith("value_")
