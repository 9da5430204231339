"""The sales spine on a shop small enough to count by hand, and on a random one against counting row by row."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np

from storekeeper_training.spine import Spine, read_spine
from storekeeper_training.tasks import SALES, Task

MICROSECOND = timedelta(microseconds=1)
WEEK = timedelta(days=7)
START = datetime(2017, 4, 3)  # noqa: DTZ001
Event = tuple[str, datetime, int]


def write_units(path: Path, events: list[Event], reported_after: timedelta = timedelta(0)) -> Path:
    """A behaviour log of purchases: category, time, units."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE events (event_type VARCHAR, event_time TIMESTAMP, known_time TIMESTAMP, "
            "category VARCHAR, quantity BIGINT)"
        )
        for category, at, units in events:
            connection.execute(
                "INSERT INTO events VALUES ('purchase', ?, ?, ?, ?)", [at, at + reported_after, category, units]
            )
    return path


def sales_task(**parameters: object) -> Task:
    return replace(SALES, parameters={**SALES.parameters, **parameters})


def rows_of(spine: Spine, category: str) -> list[tuple[datetime, float]]:
    """Cut-off and label of a category's rows."""
    found = [row for row in spine.table.to_pylist() if row["category"] == category]
    assert all(row["request_time"] == row["event_timestamp"] for row in found)
    return [(row["event_timestamp"].replace(tzinfo=None), row["label"]) for row in found]


def test_units_of_the_week_are_counted(tmp_path: Path) -> None:
    """What is sold at the cut-off counts, what is sold a week later no more; a week without sales is 0."""
    events = [
        ("milk", START - MICROSECOND, 9),
        ("milk", START, 2),
        ("milk", START + WEEK - MICROSECOND, 3),
        ("milk", START + 2 * WEEK, 5),
        ("soap", START - WEEK, 1),
        ("tea", START + 3 * WEEK, 1),
    ]
    spine = read_spine(sales_task(first_cutoff=START), write_units(tmp_path / "log.duckdb", events))
    weeks = [START, START + WEEK, START + 2 * WEEK]
    assert rows_of(spine, "milk") == list(zip(weeks, [5.0, 0.0, 5.0], strict=True))
    assert rows_of(spine, "soap") == [(week, 0.0) for week in weeks]
    assert rows_of(spine, "tea") == []


def test_weeks_that_are_not_over_have_no_label(tmp_path: Path) -> None:
    """Rows whose week reaches past the newest event are left out and counted."""
    events = [("milk", START - WEEK, 1), ("milk", START + WEEK + timedelta(days=3), 4)]
    spine = read_spine(sales_task(first_cutoff=START), write_units(tmp_path / "log.duckdb", events))
    assert rows_of(spine, "milk") == [(START, 0.0)]
    assert spine.immature_rows == 1


def test_only_categories_of_the_look_back(tmp_path: Path) -> None:
    """A category has rows while its last sale lies in the look-back, and was reported by the cut-off."""
    look_back = timedelta(days=91)
    events = [
        ("milk", START - look_back, 1),
        ("bread", START - look_back - MICROSECOND, 1),
        ("soap", START - timedelta(hours=1), 1),
        ("end", START + 2 * WEEK, 1),
    ]
    spine = read_spine(sales_task(first_cutoff=START), write_units(tmp_path / "log.duckdb", events))
    assert rows_of(spine, "milk") == [(START, 0.0)]
    assert rows_of(spine, "bread") == []
    assert [week for week, _ in rows_of(spine, "soap")] == [START, START + WEEK]
    late = write_units(tmp_path / "late.duckdb", events, reported_after=timedelta(hours=1) + MICROSECOND)
    assert [week for week, _ in rows_of(read_spine(sales_task(first_cutoff=START), late), "soap")] == [START + WEEK]


def test_labels_are_those_of_counting(tmp_path: Path) -> None:
    """On a random shop with ties each label is the sum over its week, and cut-offs are Mondays, the same for all."""
    rng = np.random.default_rng(0)
    hours = rng.integers(0, 24 * 200, 400)
    events = [
        (
            str(rng.choice(["a", "b", "c"])),
            START - timedelta(days=100) + timedelta(hours=int(h)),
            int(rng.integers(1, 9)),
        )
        for h in hours
    ]
    spine = read_spine(SALES, write_units(tmp_path / "log.duckdb", events))
    assert spine.table.num_rows > 30
    for row in spine.table.to_pylist():
        at = row["event_timestamp"].replace(tzinfo=None)
        units = sum(u for category, time, u in events if category == row["category"] and at <= time < at + WEEK)
        assert row["label"] == units
        assert (at.weekday(), at.time()) == (0, START.time())
