"""Spines of training rows: frames, SELECTs and date ranges come back as they are, and what is no spine is refused."""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from offline.retrieval.retrieved_log import BIG, spine_frame
from projects import at
from storekeeper.errors import DataError, SourceError, UsageError


def test_rows_order_index_duplicates_and_columns_are_the_spines(store: Any) -> None:
    """Five thousand rows with repeated keys and times come back as they are: count, order, index, labels (rule 12)."""
    rng = np.random.default_rng(3)
    days = pd.to_datetime("2020-02-01", utc=True) + pd.to_timedelta(rng.integers(0, 6, 5000), unit="D")
    spine = spine_frame(rng.integers(1, 5, 5000).tolist(), days, label=rng.integers(0, 2, 5000), note=["ü"] * 5000)
    spine.index = pd.Index(rng.permutation(5000), name="row")
    found = store.get_historical_features(entity_df=spine, features=["activity:n", "latest:word"]).to_df()
    pd.testing.assert_frame_equal(
        found[spine.columns], spine.astype({"event_timestamp": found["event_timestamp"].dtype})
    )
    assert found.columns.tolist() == [*spine.columns, "n", "word"]
    first = found.groupby(["user_id", "event_timestamp"])["n"].nunique()
    assert (first == 1).all()


def test_shuffling_the_spine_shuffles_the_answer(store: Any) -> None:
    """A row's features don't depend on its neighbours."""
    spine = spine_frame([1, 2, 1, 9, 1], [at(f"2020-02-0{day}") for day in (2, 2, 4, 2, 9)])
    features = ["activity:spend", "latest:cents", "latest:x_y"]
    straight = store.get_historical_features(entity_df=spine, features=features).to_df()
    order = [3, 0, 4, 2, 1]
    shuffled = store.get_historical_features(entity_df=spine.iloc[order], features=features).to_df()
    pd.testing.assert_frame_equal(shuffled, straight.iloc[order])


def test_a_duplicated_index_is_kept(store: Any) -> None:
    """An index needs not be unique, or sorted, or of one level."""
    spine = spine_frame([1, 2, 3], [at("2020-02-04")] * 3)
    for index in ([7, 7, 0], pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 0)], names=["x", None])):
        spine.index = index if isinstance(index, pd.MultiIndex) else pd.Index(index)
        found = store.get_historical_features(entity_df=spine, features=["latest:word"]).to_df()
        pd.testing.assert_index_equal(found.index, spine.index)


@pytest.mark.parametrize("dtype", ["UInt64", "Int32", "Int16", "Int8", "UInt32", "UInt16", "UInt8"])
def test_nullable_integers_of_the_spine_stay_integers(store: Any, dtype: str) -> None:
    """Extra columns of any integer type come back exact beside a null."""
    largest = int(np.iinfo(dtype.lower()).max)
    spine = spine_frame([1, 2], [at("2020-02-02")] * 2, extra=pd.array([largest, None], dtype))
    found = store.get_historical_features(entity_df=spine, features=["latest:word"]).to_df()
    assert found["extra"].tolist() == [largest, pd.NA]


def test_an_empty_spine_gives_an_empty_table(store: Any) -> None:
    """No rows in, no rows out, all columns there."""
    spine = spine_frame([], []).astype({"user_id": "int64", "event_timestamp": "datetime64[us, UTC]"})
    found = store.get_historical_features(entity_df=spine, features=["activity:n", "latest:x_y"]).to_df()
    assert found.columns.tolist() == ["user_id", "event_timestamp", "n", "x_y"]
    assert len(found) == 0


def test_a_null_time_names_the_spines_column(store: Any) -> None:
    """A SQL spine's row without a time is an error that names the spine's own column, and the row."""
    spine = "SELECT 1::BIGINT AS user_id, t AS moment FROM (VALUES (TIMESTAMP '2020-02-01'), (NULL)) AS v(t)"
    with pytest.raises(DataError, match="Column 'moment' of the spine is null at row 1"):
        store.get_historical_features(entity_df=spine, features=["activity:n"]).to_df()


def test_a_key_of_another_type_is_an_error(store: Any) -> None:
    """Text where the source has integers names both types (rule 14)."""
    spine = spine_frame(["1"], [at("2020-02-04")])
    with pytest.raises(DataError, match=r"'user_id' is (large_)?string in the spine and int64 in the source"):
        store.get_historical_features(entity_df=spine, features=["latest:word"]).to_arrow()


def test_float_keys_are_refused(store: Any) -> None:
    """Keys with fractions are no integers, and an error that says so (whole numbers: see test_spine_keys)."""
    spine = spine_frame([1.5, None], [at("2020-02-04")] * 2)
    with pytest.raises(DataError, match=r"'user_id' is double in the spine and int64"):
        store.get_historical_features(entity_df=spine, features=["latest:word"]).to_arrow()


def test_a_missing_key_column_is_named(store: Any) -> None:
    """A spine without a join key is refused, naming key, view and columns."""
    spine = pd.DataFrame({"customer": [1], "event_timestamp": [at("2020-02-04")]})
    with pytest.raises(UsageError, match=r"no column 'user_id'.*'latest'.*'customer'"):
        store.get_historical_features(entity_df=spine, features=["latest:word"]).to_arrow()


@pytest.mark.parametrize("moment", ["never", None, "", 1580515200, 1.5])
def test_unreadable_times_name_column_and_row(store: Any, moment: Any) -> None:
    """A time that is none names the column and the row (rule 1); numbers are no times."""
    spine = pd.DataFrame({"user_id": [1, 1], "event_timestamp": pd.Series([at("2020-02-04"), moment], dtype=object)})
    with pytest.raises(DataError, match=r"'event_timestamp'.*row 1.*Received"):
        store.get_historical_features(entity_df=spine, features=["latest:word"]).to_arrow()


@pytest.mark.parametrize(
    "moment",
    [
        "2020-02-02T00:00:00Z",
        "2020-02-02",
        "2020-02-02 01:00:00+01:00",
        datetime(2020, 2, 2),  # noqa: DTZ001  (naive means UTC)
        pd.Timestamp("2020-02-01T19:00:00", tz="America/New_York"),
        np.datetime64("2020-02-02", "ns"),
        np.datetime64("2020-02-02", "s"),
    ],
    ids=str,
)
def test_times_in_any_form_are_utc(store: Any, moment: Any) -> None:
    """Text, naive, zoned, any unit: the same instant, the same features (rule 1)."""
    spine = spine_frame([1], [moment])
    found = store.get_historical_features(entity_df=spine, features=["latest:cents", "activity:n"]).to_df()
    assert (found["cents"][0], found["n"][0]) == (BIG + 1, 1)
    assert found["event_timestamp"][0] == at("2020-02-02")


def test_the_only_time_column_is_the_time(store: Any) -> None:
    """Without `event_timestamp` a single timestamp column is taken; two are refused, naming the columns."""
    spine = spine_frame([1], [at("2020-02-04")]).rename(columns={"event_timestamp": "asked"})
    found = store.get_historical_features(entity_df=spine, features=["activity:n"]).to_df()
    assert found.columns.tolist() == ["user_id", "asked", "n"]
    spine["also"] = spine["asked"]
    with pytest.raises(UsageError, match=r"event_timestamp.*'also', 'asked', 'user_id'"):
        store.get_historical_features(entity_df=spine, features=["activity:n"]).to_arrow()


def test_a_spine_column_named_as_a_feature_is_refused(store: Any) -> None:
    """Two columns of one name are refused; full names keep them apart."""
    spine = spine_frame([1], [at("2020-02-04")], word=["mine"])
    with pytest.raises(UsageError, match="'word'"):
        store.get_historical_features(entity_df=spine, features=["latest:word"]).to_arrow()
    found = store.get_historical_features(entity_df=spine, features=["latest:word"], full_feature_names=True).to_df()
    assert found[["word", "latest__word"]].to_numpy().tolist() == [["mine", "c"]]


@pytest.mark.parametrize("type_", ["UBIGINT", "UINTEGER", "INTEGER", "SMALLINT", "TINYINT"])
def test_nullable_integers_of_a_sql_spine_stay_integers(store: Any, type_: str) -> None:
    """So do those of a SQL spine."""
    largest = {"UBIGINT": 2**64 - 1, "UINTEGER": 2**32 - 1, "INTEGER": 2**31 - 1, "SMALLINT": 2**15 - 1, "TINYINT": 127}
    numbers = f"unnest([{largest[type_]}, NULL])::{type_}"
    spine = f"SELECT 1 AS user_id, TIMESTAMP '2020-02-04' AS event_timestamp, {numbers} AS x"
    found = store.get_historical_features(entity_df=spine, features=["activity:n"]).to_df()
    assert found["x"].tolist() == [largest[type_], pd.NA]


def _spine_sql(extra: str = "") -> str:
    return f"SELECT user_id, TIMESTAMP '2020-02-04' AS event_timestamp, 5.0 AS price {extra} FROM log ORDER BY user_id"


def test_a_sql_spine_is_the_frame_of_its_result(store: Any) -> None:
    """A SELECT as a spine gives what its result as a DataFrame gives, in the query's order, duplicates kept."""
    service = store.get_feature_service("service")
    by_sql = store.get_historical_features(entity_df=_spine_sql(", word AS label"), features=service)
    frame = spine_frame([1, 1, 1, 2, 3], [at("2020-02-04")] * 5, price=5.0)
    by_frame = store.get_historical_features(entity_df=frame, features=service)
    names = ["n", "spend", "words", "cents", "word", "x_y", "ratio"]
    assert by_sql.to_arrow().select(names).to_pylist() == by_frame.to_arrow().select(names).to_pylist()
    assert sorted(by_sql.to_df()["label"].dropna()) == ["a", "c", "z", "ä"]


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELEC 1", "syntax|Parser"),
        ("CREATE TABLE t AS SELECT 1", "read-only|SELECT"),
        ("SET threads = 2", "SELECT"),
        ("", "SELECT"),
        ("SELECT 1 AS user_id; SELECT 2 AS user_id", "event_timestamp|SELECT"),
    ],
)
def test_a_broken_sql_spine_is_an_error(store: Any, query: str, match: str) -> None:
    """What is no SELECT, or one that fails, is an error of ours that tells why."""
    with pytest.raises((SourceError, UsageError), match=match):
        store.get_historical_features(entity_df=query, features=["activity:n"]).to_arrow()


def test_a_date_range_asks_at_every_recorded_moment(store: Any) -> None:
    """Without a spine, each entity asks once at each of its own event times in the range, by time and key."""
    found = store.get_historical_features(
        entity_df=None,
        features=["activity:n", "latest:word"],
        start_date=at("2020-02-01"),
        end_date=at("2020-02-02"),
    ).to_df()
    moments = list(zip(found["event_timestamp"], found["user_id"], strict=True))
    assert moments == [(at("2020-02-01"), 1), (at("2020-02-01"), 2), (at("2020-02-01"), 3), (at("2020-02-02"), 1)]
    assert found["n"].tolist() == [0, 0, 0, 1]
    assert found["word"].tolist() == ["a", None, "z", "ä"]


def test_a_date_range_needs_one_kind_of_entity(store: Any) -> None:
    """Views about different entities can't make a spine together; the message names their keys."""
    with pytest.raises(UsageError, match=r"both: user_id, other_id.*latest: user_id"):
        store.get_historical_features(
            entity_df=None,
            features=["latest:word", "both:tag"],
            start_date=at("2020-02-01"),
            end_date=at("2020-02-02"),
        )


def test_no_spine_is_an_error(store: Any) -> None:
    """Retrieval without a spine or a start says what it needs."""
    with pytest.raises(UsageError, match="entity_df"):
        store.get_historical_features(entity_df=None, features=["activity:n"], end_date=at("2020-02-02"))
