"""Features of CDNOW's customers at an instant, by the platform's own kernel: all of strictly earlier purchases."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from storekeeper.history import WindowFeature, windowed
from storekeeper.history.features import DAY_US
from storekeeper_training.benchmark.bgnbd import BgNbd, Histories
from storekeeper_training.benchmark.cross_fit import Labels

FILE = "master.parquet"
HORIZON_DAYS = 91
_DAYS_A_WEEK = 7
_SECONDS_A_DAY = 86_400
_LONGEST = 100

_KEY, _TIME, _ASKED = "customer_id", "bought_at", "asked_at"


def read_purchases(folder: Path) -> pa.Table:
    """One row a customer and day with purchases: `customer_id`, `bought_at` (midnight, UTC), `quantity`, `dollars`."""
    lines = pd.read_parquet(folder / FILE)
    days = lines.groupby([_KEY, "date"], as_index=False)[["quantity", "dollars"]].sum()
    at = pa.array(days["date"].to_numpy().astype("datetime64[us]"), pa.timestamp("us", "UTC"))
    return pa.table({_KEY: days[_KEY], _TIME: at, "quantity": days["quantity"], "dollars": days["dollars"]})


def customers(purchases: pa.Table) -> np.ndarray:
    """Everybody who ever bought, ascending; in CDNOW all bought first between January and March 1997."""
    return np.unique(purchases[_KEY].to_numpy())


def churn_labels(purchases: pa.Table, cut: date) -> Labels:
    """1 for customers without a purchase in the 91 days from the cut's own day on; in the order of `customers`."""
    day = purchases[_TIME].to_numpy()
    start = np.datetime64(cut)
    within = (day >= start) & (day < start + np.timedelta64(HORIZON_DAYS, "D"))
    return (~np.isin(customers(purchases), purchases[_KEY].to_numpy()[within])).astype(np.int8)


def features_at(purchases: pa.Table, cut: date) -> pd.DataFrame:
    """Features of all customers at the cut's first instant; who hasn't bought yet has no `days_since_first`."""
    known = customers(purchases)
    instant = np.full(len(known), np.datetime64(cut, "us"))
    spine = pa.table({_KEY: known, _ASKED: pa.array(instant, pa.timestamp("us", "UTC"))})
    found = windowed(purchases, spine, keys=[_KEY], event_time=_TIME, spine_time=_ASKED, features=_FEATURES)
    frame: pd.DataFrame = found.to_pandas()
    dates = frame.pop("dates")
    for name in ("last", "first"):
        frame[f"days_since_{name}"] = frame.pop(f"seconds_since_{name}") / _SECONDS_A_DAY
    gaps = [_gaps(row) for row in dates]
    frame["gap_mean"] = [gap.mean() if len(gap) else np.nan for gap in gaps]
    frame["gap_last"] = [gap[-1] if len(gap) else np.nan for gap in gaps]
    frame["gap_longest"] = [gap.max() if len(gap) else np.nan for gap in gaps]
    frame["overdue"] = frame["days_since_last"] / frame["gap_mean"]
    age = frame["days_since_first"]
    frame["active_share"] = (age - frame["days_since_last"]) / age
    frame["repeat_rate"] = (frame["days"] - 1) / (age + 30)
    frame["dollar_rate"] = frame["dollars"] / (age + 30)
    for half_life in (21, 60):
        frame[f"faded_days_{half_life}"] = [_faded(row, instant[0], half_life) for row in dates]
    return frame


def histories(frame: pd.DataFrame) -> Histories:
    """What BG/NBD reads of features, in weeks."""
    age = frame["days_since_first"].to_numpy(dtype=np.float64)
    recency = age - frame["days_since_last"].to_numpy(dtype=np.float64)
    repeats = frame["days"].to_numpy(dtype=np.float64) - 1
    return Histories(repeats, recency / _DAYS_A_WEEK, age / _DAYS_A_WEEK)


def churn_chances(model: BgNbd, frame: pd.DataFrame) -> np.ndarray:
    """Chance to buy nothing within the horizon, exp(-expected purchases)."""
    return np.exp(-model.expected_purchases(histories(frame), HORIZON_DAYS / _DAYS_A_WEEK))


def _gaps(dates: np.ndarray) -> np.ndarray:
    """Days between following purchases, of which the kernel keeps the latest."""
    days = np.sort(np.asarray(dates, dtype="datetime64[us]")).astype(np.int64) / DAY_US
    return np.diff(days)


def _faded(dates: np.ndarray, instant: np.datetime64, half_life: float) -> float:
    """Purchase days, each worth half as much per half-life that has passed."""
    passed = (instant - np.asarray(dates, dtype="datetime64[us]")).astype(np.int64) / DAY_US
    return float(np.exp2(-passed / half_life).sum())


def _windows(name: str, function: str, column: str, days: tuple[int, ...]) -> list[WindowFeature]:
    return [WindowFeature(f"{name}_{length}d", function, column, length * DAY_US) for length in days]


_FEATURES = [
    *_windows("days", "count", "", (14, 30, 60, 91)),
    *_windows("dollars", "sum", "dollars", (30, 91)),
    WindowFeature("days", "count"),
    WindowFeature("dollars", "sum", "dollars"),
    WindowFeature("quantity", "sum", "quantity"),
    WindowFeature("dollars_mean", "mean", "dollars"),
    WindowFeature("dollars_most", "max", "dollars"),
    WindowFeature("dollars_first", "first", "dollars"),
    WindowFeature("dollars_last", "last", "dollars"),
    WindowFeature("quantity_last", "last", "quantity"),
    WindowFeature("seconds_since_last", "seconds_since_last"),
    WindowFeature("seconds_since_first", "seconds_since_first"),
    WindowFeature("dates", f"last_n({_LONGEST})", _TIME),
]

TRAIN_CUT = date(1997, 6, 30)
EARLIER_CUT = TRAIN_CUT - timedelta(days=HORIZON_DAYS)
TEST_CUT = date(1997, 9, 30)
