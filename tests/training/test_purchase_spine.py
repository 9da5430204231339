"""The purchase spine on a shop small enough to count by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from storekeeper.errors import DataError, NotFoundError, SourceError
from storekeeper_training.spine import Spine, read_spine
from storekeeper_training.tasks import PURCHASE, Task, find_task

MICROSECOND = timedelta(microseconds=1)
WEEK = timedelta(days=7)
Event = tuple[int, str, datetime, int, int]


def purchase_task(**parameters: object) -> Task:
    return replace(PURCHASE, parameters={**PURCHASE.parameters, "sample_rate": 1.0, **parameters})


def write_events(path: Path, events: list[Event], reported_after: timedelta = timedelta(0)) -> Path:
    """A behaviour log of purchases: customer, category, time, cents, units."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE events (event_type VARCHAR, event_time TIMESTAMP, known_time TIMESTAMP, "
            "customer_id BIGINT, category VARCHAR, amount_cents BIGINT, quantity BIGINT)"
        )
        for customer, category, at, cents, units in events:
            connection.execute(
                "INSERT INTO events VALUES ('purchase', ?, ?, ?, ?, ?, ?)",
                [at, at + reported_after, customer, category, cents, units],
            )
    return path


def cutoff_of(tmp_path: Path, customer: int, start: datetime) -> datetime:
    """The customer's first cut-off: the spine itself says which hour is theirs."""
    path = write_events(
        tmp_path / "probe.duckdb",
        [(customer, "milk", start - MICROSECOND, 100, 1), (99, "soap", start + 10 * WEEK, 1, 1)],
    )
    table = read_spine(purchase_task(first_cutoff=start), path).table
    first: datetime = min(row["event_timestamp"] for row in table.to_pylist() if row["customer_id"] == customer)
    path.unlink()
    return first.replace(tzinfo=None)


START = datetime(2017, 4, 3)  # noqa: DTZ001


def rows_of(spine: Spine, customer: int = 1) -> list[tuple[str, datetime, int]]:
    """Category, cut-off and label of a customer's rows."""
    return [
        (row["category"], row["event_timestamp"].replace(tzinfo=None), row["label"])
        for row in spine.table.to_pylist()
        if row["customer_id"] == customer
    ]


def test_events_at_the_edges(tmp_path: Path) -> None:
    """An event at the cut-off counts in the label and makes no candidate; one at cut-off + 7 d does not count."""
    cutoff = cutoff_of(tmp_path, 1, START)
    end = (99, "soap", cutoff + WEEK, 1, 1)
    known = cutoff - MICROSECOND
    events = [
        (1, "at cut-off", known, 100, 1),
        (1, "at cut-off", cutoff, 100, 1),
        (1, "last moment", known, 100, 1),
        (1, "last moment", cutoff + WEEK - MICROSECOND, 100, 1),
        (1, "too late", known, 100, 1),
        (1, "too late", cutoff + WEEK, 100, 1),
        (1, "new at cut-off", cutoff, 100, 1),
        (1, "oldest known", cutoff - timedelta(days=91), 100, 1),
        (1, "forgotten", cutoff - timedelta(days=91) - MICROSECOND, 100, 1),
        end,
    ]
    spine = read_spine(purchase_task(first_cutoff=START), write_events(tmp_path / "log.duckdb", events))
    assert rows_of(spine) == [
        ("at cut-off", cutoff, 1),
        ("last moment", cutoff, 1),
        ("oldest known", cutoff, 0),
        ("too late", cutoff, 0),
    ]


def test_immature_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    """A cut-off whose 7 days end a microsecond past the log's end has no label: its rows are counted, not kept."""
    cutoff = cutoff_of(tmp_path, 1, START)
    known = (1, "milk", cutoff - MICROSECOND, 100, 1)
    last = cutoff + 2 * WEEK - MICROSECOND
    path = write_events(tmp_path / "log.duckdb", [known, (99, "soap", last, 1, 1)])
    spine = read_spine(purchase_task(first_cutoff=START), path)
    assert rows_of(spine) == [("milk", cutoff, 0)]
    assert spine.immature_rows == 1


def test_what_is_reported_late_is_not_known(tmp_path: Path) -> None:
    """A purchase reported after the cut-off makes no candidate then, yet counts in an earlier label."""
    cutoff = cutoff_of(tmp_path, 1, START)
    events = [
        (1, "milk", cutoff - timedelta(hours=1), 100, 1),
        (1, "soap", cutoff - timedelta(hours=3), 100, 1),
        (1, "soap", cutoff + timedelta(hours=1), 100, 1),
        (99, "tea", cutoff + WEEK + timedelta(hours=1), 1, 1),
    ]
    path = write_events(tmp_path / "log.duckdb", events, reported_after=timedelta(hours=2))
    spine = read_spine(purchase_task(first_cutoff=START), path)
    assert rows_of(spine) == [("soap", cutoff, 1)]


def test_price_is_of_the_28_days_before(tmp_path: Path) -> None:
    """The price is cents per unit over the 28 days strictly before the cut-off, all customers; null without a sale."""
    cutoff = cutoff_of(tmp_path, 1, START)
    events = [
        (1, "milk", cutoff - timedelta(days=28), 300, 2),
        (2, "milk", cutoff - MICROSECOND, 100, 2),
        (2, "milk", cutoff, 9999, 1),
        (1, "milk", cutoff - timedelta(days=28) - MICROSECOND, 9999, 1),
        (1, "soap", cutoff - timedelta(days=50), 500, 1),
        (99, "tea", cutoff + WEEK, 1, 1),
    ]
    spine = read_spine(purchase_task(first_cutoff=START), write_events(tmp_path / "log.duckdb", events))
    prices = {
        row["category"]: row["price"]
        for row in spine.table.to_pylist()
        if row["customer_id"] == 1 and row["event_timestamp"].replace(tzinfo=None) == cutoff
    }
    assert prices == {"milk": 100.0, "soap": None}


def big_log(path: Path, last: datetime) -> Path:
    """60 customers who buy each of five categories every few days until the end."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE events AS SELECT 'purchase' AS event_type, "
            "TIMESTAMP '2017-01-01' + to_hours((c * 7 + g * 13 + n * (50 + c))::BIGINT) AS event_time, "
            "event_time AS known_time, c AS customer_id, 'g' || g AS category, "
            "100 + g AS amount_cents, 1::BIGINT AS quantity "
            "FROM range(60) t(c), range(5) u(g), range(200) v(n) WHERE event_time <= ?",
            [last],
        )
    return path


def test_the_future_changes_no_past_row(tmp_path: Path) -> None:
    """A longer log has the same rows with the same values up to where the shorter one ends, but for their labels."""
    short = read_spine(PURCHASE, big_log(tmp_path / "short.duckdb", datetime(2017, 7, 1)))  # noqa: DTZ001
    long = read_spine(PURCHASE, big_log(tmp_path / "long.duckdb", datetime(2017, 9, 1)))  # noqa: DTZ001
    rows = short.table.num_rows
    assert rows > 20
    assert long.table.slice(0, rows).equals(short.table)
    assert long.table.num_rows > rows


def test_sampling_is_by_rate_and_repeatable(tmp_path: Path) -> None:
    """About the share asked for is drawn, spread over pairs and time, and always the same rows."""
    path = big_log(tmp_path / "log.duckdb", datetime(2017, 12, 1))  # noqa: DTZ001
    whole = read_spine(purchase_task(), path).table
    tenth = read_spine(purchase_task(sample_rate=0.1), path).table
    assert 0.08 < tenth.num_rows / whole.num_rows < 0.12
    assert tenth.equals(read_spine(purchase_task(sample_rate=0.1), path).table)
    drawn = set(zip(*tenth.select(["customer_id", "category", "event_timestamp"]).to_pydict().values(), strict=True))
    everything = zip(*whole.select(["customer_id", "category", "event_timestamp"]).to_pydict().values(), strict=True)
    assert drawn <= set(everything)


def test_shape_order_and_start(tmp_path: Path) -> None:
    """Columns, types and order are as declared; cut-offs are weekly, whole hours, from the first covered Monday on."""
    path = big_log(tmp_path / "log.duckdb", datetime(2017, 12, 1))  # noqa: DTZ001
    table = read_spine(purchase_task(), path).table
    assert [(field.name, str(field.type)) for field in table.schema] == [
        (column.name, column.dtype) for column in PURCHASE.spine_columns
    ]
    rows = table.to_pylist()
    keys = [(row["event_timestamp"], row["customer_id"], row["category"]) for row in rows]
    assert keys == sorted(set(keys))
    times = {row["event_timestamp"] for row in rows}
    # 2017-01-01 + 91 days is Sunday 2017-04-02.
    assert datetime(2017, 4, 3, tzinfo=UTC) <= min(times) < datetime(2017, 4, 10, tzinfo=UTC)
    assert all(time.minute == time.second == time.microsecond == 0 for time in times)
    assert len({(time.weekday(), time.hour) for time in times}) > 30
    by_customer: dict[int, set[tuple[int, int]]] = {}
    for time, customer, _ in keys:
        by_customer.setdefault(customer, set()).add((time.weekday(), time.hour))
    assert all(len(hours) == 1 for hours in by_customer.values())
    assert all(row["request_time"] == row["event_timestamp"] for row in rows)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A missing log, a broken file, a log without events and one too short are errors that say what to do."""
    with pytest.raises(SourceError, match="storekeeper load"):
        read_spine(PURCHASE, tmp_path / "none.duckdb")
    (tmp_path / "broken.duckdb").write_bytes(b"DUCK" * 1000)
    with pytest.raises(SourceError, match="can't be opened"):
        read_spine(PURCHASE, tmp_path / "broken.duckdb")
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    with pytest.raises(SourceError, match="events"):
        read_spine(PURCHASE, tmp_path / "empty.duckdb")
    with pytest.raises(DataError, match="is empty"):
        read_spine(PURCHASE, write_events(tmp_path / "short.duckdb", [(1, "milk", START, 100, 1)]))


def test_unknown_task_lists_those_that_exist() -> None:
    """An unknown task is an error that lists the tasks."""
    assert find_task("purchase") is PURCHASE
    with pytest.raises(NotFoundError, match=r"no task 'telepathy'. Tasks: .*'purchase'"):
        find_task("telepathy")
