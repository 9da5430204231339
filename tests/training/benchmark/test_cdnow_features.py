"""CDNOW's features know nothing of the cut or later, and its labels nothing of before."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from storekeeper_training.benchmark.cdnow_features import churn_labels, features_at, read_purchases

CUT = date(1997, 6, 30)
FIRST = pd.Timestamp("1997-01-01")


def purchases(folder: Path, lines: list[tuple[int, str, float]]) -> pa.Table:
    """Purchases (customer, day, dollars), read as the public file is."""
    frame = pd.DataFrame(lines, columns=["customer_id", "date", "dollars"]).assign(quantity=1)
    frame["date"] = pd.to_datetime(frame["date"]).astype("datetime64[us]")
    frame.to_parquet(folder / "master.parquet")
    return read_purchases(folder)


def test_features_are_the_same_without_the_cut_and_what_follows(tmp_path: Path) -> None:
    """Purchases on the day of the cut and later change no feature."""
    rng = np.random.default_rng(0)
    first = [(who, "1997-01-05", 10.0) for who in range(30)]
    days = FIRST + pd.to_timedelta(rng.integers(0, 360, 300), "D")
    lines = [
        *first,
        *[(int(who), str(day.date()), 5.0) for who, day in zip(rng.integers(0, 30, 300), days, strict=True)],
    ]
    whole = features_at(purchases(tmp_path, lines), CUT)
    before = features_at(purchases(tmp_path, [line for line in lines if line[1] < str(CUT)]), CUT)
    pd.testing.assert_frame_equal(whole, before)
    assert whole["days"].max() > 3


def test_labels_are_of_the_91_days_from_the_cut_on(tmp_path: Path) -> None:
    """The cut's own day and the 90 after it count; the day before and the 91st after do not."""
    bought = {1: "1997-06-29", 2: "1997-06-30", 3: "1997-09-28", 4: "1997-09-29"}
    lines = [line for who, day in bought.items() for line in ((who, "1997-01-05", 1.0), (who, day, 1.0))]
    assert churn_labels(purchases(tmp_path, lines), CUT).tolist() == [1, 0, 0, 1]


def test_lines_of_a_day_are_one_purchase(tmp_path: Path) -> None:
    """Frequency counts days with purchases, as BG/NBD does; money adds up."""
    lines = [(1, "1997-01-05", 2.0), (1, "1997-01-05", 3.0), (1, "1997-01-15", 4.0)]
    (row,) = features_at(purchases(tmp_path, lines), CUT).to_dict("records")
    assert (row["days"], row["dollars"], row["gap_mean"]) == (2, 9.0, 10.0)
    assert row["days_since_last"] == pytest.approx(166)
    assert row["active_share"] == pytest.approx(10 / 176)
