"""An event's id is the same wherever the event comes from, and another one for another event."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from feast.infra.offline_stores.file_source import FileSource

from projects import NOW, Project, at
from storekeeper.definitions import ViewPlan, check_plan, read_rows
from storekeeper.errors import DataError, DefinitionError
from storekeeper.history import WindowFeature
from storekeeper.online.event_ids import content_of, event_id_column, event_ids
from storekeeper.sources import DuckDBSource, SQLSource

COLUMNS = ["whole", "price", "flag", "word", "moment"]
TIME = pa.timestamp("us", "UTC")
ROWS = [
    dict(zip(["user_id", "at", "known", *COLUMNS], values, strict=True))
    for values in (
        (1, NOW, NOW, 1, 0.1, True, "ä", at("2020-01-01")),
        (1, NOW, NOW, None, None, None, None, None),
        (2, NOW, NOW, -7, 3.0, False, "", at("1969-12-31")),
    )
]
SCHEMA = pa.schema([
    ("user_id", pa.int64()), ("at", TIME), ("known", TIME), ("whole", pa.int64()), ("price", pa.float64()),
    ("flag", pa.bool_()), ("word", pa.string()), ("moment", TIME),
])  # fmt: skip
EVENTS = pa.Table.from_pylist(ROWS, SCHEMA)


def _plan(source: Any = None, keys: Sequence[str] = ("user_id",)) -> ViewPlan:
    windows = tuple(WindowFeature(f"n_{column}", "count", column) for column in COLUMNS)
    source = source or DuckDBSource(name="log", database="x", table="log", timestamp_field="at")
    types = {window.name: pa.int64() for window in windows}
    return ViewPlan("view", source, tuple(keys), dict.fromkeys(keys, pa.int64()), "at", "known", 0, types, windows)


PLAN = _plan()


def _ids(events: pa.Table, plan: ViewPlan = PLAN, id_column: str | None = None) -> list[str]:
    return [id_.hex() for id_ in event_ids(events, plan, id_column)]


def test_ids_are_the_same_for_ever() -> None:
    """Pushed rows outlive a process and a release, and their ids with them."""
    assert _ids(EVENTS) == [
        "06181d325861b8db2c662140a4fc9573",
        "c9b698152d5276440f8219fcb97d1af2",
        "9809f3ee08f5801fdb72a06938f15d7a",
    ]


@pytest.mark.parametrize(
    ("column", "type_"),
    [
        ("user_id", pa.int32()), ("user_id", pa.uint64()), ("whole", pa.int8()), ("whole", pa.float64()),
        ("whole", pa.decimal128(9, 2)), ("price", pa.decimal128(38, 10)), ("word", pa.large_string()),
        ("word", pa.dictionary(pa.int32(), pa.string())), ("moment", pa.timestamp("ns", "UTC")),
        ("moment", pa.timestamp("s")), ("moment", pa.timestamp("us", "Europe/Berlin")), ("moment", pa.date32()),
        ("at", pa.timestamp("ns", "UTC")), ("flag", pa.int64()),
    ],
)  # fmt: skip
def test_types_make_no_difference(column: str, type_: pa.DataType) -> None:
    """Integers of any width, whole floats, decimals, texts and times of any kind."""
    place = EVENTS.column_names.index(column)
    given = EVENTS[column]
    if pa.types.is_decimal(type_):
        digits = [None if value is None else Decimal(str(value)) for value in given.to_pylist()]
        other = pa.chunked_array([pa.array(digits, type_)])
    else:
        other = given.dictionary_encode() if pa.types.is_dictionary(type_) else given.cast(type_)
    assert _ids(EVENTS.set_column(place, column, other)) == _ids(EVENTS)


def test_sources_make_no_difference(project: Project) -> None:
    """DuckDB, Parquet, SQLite and pandas give an event the same id, in any order and any pieces."""
    project.add_duckdb("log", EVENTS)
    project.add_parquet("data/log.parquet", EVENTS)
    project.add_sqlite(
        "CREATE TABLE log (user_id BIGINT, at TIMESTAMP, known TIMESTAMP, whole BIGINT, price DOUBLE, flag BOOLEAN, "
        "word TEXT, moment TIMESTAMP)",
        [[v.isoformat(" ") if isinstance(v, datetime) else v for v in row.values()] for row in ROWS],
        "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    project.declare("")
    times: Any = {"timestamp_field": "at", "created_timestamp_column": "known", "name": "log"}
    sources = [
        DuckDBSource(database="data/behaviour.duckdb", table="log", **times),
        SQLSource(url="sqlite:///data/shop.db", table="log", **times),
        FileSource(path="data/log.parquet", **times),
    ]
    config = project.open().config
    for source in sources:
        plan = _plan(source)
        read = read_rows(plan, list(plan.types), config, None, None)
        assert sorted(_ids(read, plan)) == sorted(_ids(EVENTS))
    assert _ids(pa.Table.from_pandas(EVENTS.to_pandas())) == _ids(EVENTS)
    assert _ids(pa.concat_tables([EVENTS.slice(2), EVENTS.slice(0, 2)])) == [*_ids(EVENTS)[2:], *_ids(EVENTS)[:2]]
    assert _ids(EVENTS.slice(0, 0)) == []


def test_every_part_of_an_event_tells_it_apart() -> None:
    """Its keys, time and values, null or not; only when it was known doesn't."""
    other = {
        "user_id": 2, "at": NOW - timedelta(microseconds=1), "whole": 2, "price": 0.1 + 1e-15, "flag": False,
        "word": "a", "moment": NOW,
    }  # fmt: skip
    first = ROWS[0]
    variants = [first, *({**first, name: value} for name, value in other.items())]
    variants += [{**first, name: None} for name in COLUMNS] + [{**first, "word": ""}, {**first, "word": "a\x00"}]
    assert len(set(_ids(pa.Table.from_pylist(variants, SCHEMA)))) == len(variants)
    later = pa.Table.from_pylist([first, {**first, "known": at("2020-04-01")}, {**first, "known": None}], SCHEMA)
    assert len(set(_ids(later))) == 1


def test_nan_is_null_and_a_zero_has_no_sign() -> None:
    """Values that the kernel doesn't tell apart."""
    prices = pa.array([float("nan"), None, 0.0, -0.0], pa.float64())
    rows = pa.Table.from_pylist([ROWS[0]] * 4, SCHEMA).set_column(4, "price", prices)
    ids = _ids(rows)
    assert (ids[0] == ids[1], ids[2] == ids[3], len(set(ids))) == (True, True, 2)


def test_sources_and_keys_are_apart() -> None:
    """Equal rows of another source, or with values shifted among keys, are other events."""
    other = _plan(DuckDBSource(name="other", database="x", table="log", timestamp_field="at"))
    pairs = pa.table({"a": ["x", "xy"], "b": ["yz", "z"], "at": [NOW, NOW]})
    windows = (WindowFeature("n", "count"),)
    pair = replace(PLAN, keys=("a", "b"), windows=windows, types={"n": pa.int64()}, known_time=None)
    assert set(_ids(EVENTS)).isdisjoint(_ids(EVENTS, other))
    assert len(set(_ids(pairs, pair))) == 2


def test_a_declared_id_is_all_that_counts() -> None:
    """Where it is null the event's content does, as without one."""
    numbered = EVENTS.append_column("number", pa.array([5, None, 5]))
    ids = _ids(numbered, id_column="number")
    assert (ids[0], ids[1]) == (ids[2], _ids(EVENTS)[1])
    texts = EVENTS.select(["at"]).append_column("number", pa.array(["05", "a", "b"]))
    assert len({*_ids(texts, id_column="number"), *ids}) == 5


@pytest.mark.parametrize("number", [0, 5, -7, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_a_declared_id_is_the_same_as_text_and_as_number(number: int, type_: pa.DataType) -> None:
    """JSON's "5" is the 5 of a database; what isn't written as a number is, or doesn't fit 64 bits, is a text."""
    texts = [str(number), None, f"0{number}", f"{number} ", "-0", str(2**63), "9" * 19]
    ids = pa.chunked_array([pa.array(texts, pa.string())])
    given = pa.table({"at": pa.array([NOW] * len(texts), TIME), "id": ids.cast(type_)})
    given = pa.concat_tables([given, *([EVENTS] * 3)], promote_options="default").slice(0, len(texts))
    own = pa.table({"at": pa.array([NOW], TIME), "id": pa.array([number])})
    found = _ids(given, id_column="id")
    assert [id_ == _ids(own, id_column="id")[0] for id_ in found] == [True] + [False] * 6
    assert len(set(found)) == len(texts)


def test_other_columns_tell_apart_what_has_one_content() -> None:
    """The content's part of an id is that of its source's event; lists and bytes count too."""
    rows = pa.Table.from_pylist([ROWS[0]] * 3, SCHEMA)
    rows = rows.append_column("shop", pa.array([[1], [2], [2]])).append_column("raw", pa.array([b"a", b"a", b"b"]))
    ids = event_ids(rows, PLAN, None, ["shop", "raw", "whole"])
    assert len(set(ids)) == 3
    assert {content_of(id_) for id_ in ids} == {content_of(event_ids(EVENTS, PLAN, None)[0])}
    assert event_ids(rows, PLAN, None, ["whole"]) == event_ids(rows, PLAN, None)


def test_what_has_no_id_is_an_error() -> None:
    """A missing column, a null time, an integer beyond 64 bits."""
    with pytest.raises(DefinitionError, match="no column 'word'"):
        _ids(EVENTS.drop_columns(["word"]))
    with pytest.raises(DefinitionError, match="no column 'number'"):
        _ids(EVENTS, id_column="number")
    with pytest.raises(DataError, match="'whole' holds integers beyond"):
        _ids(EVENTS.set_column(3, "whole", pa.array([2**63, 1, 2], pa.uint64())))


def test_the_declared_column_is_checked(project: Project) -> None:
    """A tag that names no column of the source is refused; a mapped one is known by its mapped name."""
    log = DuckDBSource(
        name="log", database="x", table="log", timestamp_field="at", tags={"event_id": "number"},
        field_mapping={"number": "id"},
    )  # fmt: skip
    assert event_id_column(log) == "id"
    check_plan(_plan(log), EVENTS.append_column("id", pa.array([1, 2, 3])).schema)
    with pytest.raises(DefinitionError, match=r"'log' declares the tag event_id='number'.*has: 'at', 'flag'"):
        check_plan(_plan(log), EVENTS.schema)
    assert pd.notna(NOW)
