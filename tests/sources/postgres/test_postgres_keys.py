"""Bounds and keys are searched by PostgreSQL's indexes, and what they leave is what a read of everything has."""

from typing import Any

import pyarrow as pa
import pytest

from projects import at
from sources.postgres.shop_rows import LARGE, open_relation, shop_source
from storekeeper.sources import ReadRequest, read_source
from storekeeper.sources.postgres_copy import copy_statement
from storekeeper.sources.sql_reader import sql_schema
from storekeeper.sources.sql_relation import SQLRelation, select_rows


def _plan(url: str, request: ReadRequest) -> str:
    """How PostgreSQL would carry out a read of the table `own`."""
    relation = SQLRelation("s", "own", None, frozenset())
    with open_relation(url, relation) as connection:
        schema = sql_schema(connection, relation)
        rows = select_rows(relation, request, schema, connection, lambda column, _: column)
        text, parameters = copy_statement(connection, rows)
        cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
        cursor.execute(f"EXPLAIN {text.removeprefix('COPY (').rpartition(') TO')[0]}", parameters)
        return "\n".join(line for (line,) in cursor.fetchall())


def test_bounds_and_keys_reach_the_indexes(url: str, execute: Any) -> None:
    """A time range, and keys of either type, are searched in indexes, by bitmaps, which keep the table's order."""
    execute(LARGE)
    execute("CREATE INDEX ON own (at); CREATE INDEX ON own (user_id); CREATE INDEX ON own (word); ANALYZE own")
    range_ = {"timestamp": "at", "start": at("2020-01-05"), "end": at("2020-01-05T01:00:00")}
    by_time = _plan(url, ReadRequest(("n",), **range_))
    assert "Bitmap Index Scan on own_at_idx" in by_time
    assert "Seq Scan" not in by_time
    assert "Bitmap Index Scan on own_user_id_idx" in _plan(url, ReadRequest(("n",), keys=pa.table({"user_id": [1, 2]})))
    assert "Bitmap Index Scan on own_word_idx" in _plan(url, ReadRequest(("n",), keys=pa.table({"word": ["k1"]})))


@pytest.mark.parametrize("indexes", ["", "CREATE INDEX ON own (at, n DESC); CREATE INDEX ON own (user_id, n DESC);"])
@pytest.mark.parametrize(
    "keys",
    [
        pa.table({"user_id": [7, 4999, -1, None]}),
        pa.table({"word": ["k3", "k49", "", "nö'", None]}),
        pa.table({"user_id": range(100), "word": [f"k{n % 7}" for n in range(100)]}),
        pa.table({"user_id": pa.array([7, 8], pa.uint16()), "word": pa.array(["k7", "k8"]).dictionary_encode()}),
        pa.table({"user_id": pa.array([], pa.int64())}),
        pa.table({"user_id": pa.array([None, 3], pa.int64()), "word": ["k1", None]}),
        pa.table({"user_id": pa.array([2**63, 7], pa.uint64())}),
        pa.table({"user_id": range(20_000)}),
        pa.table({"user_id": range(20_000), "word": ["k1"] * 20_000}),
        pa.table({"word": ["k\0", "k1"]}),
        pa.table({"word": [1, 2]}),
        pa.table({"user_id": ["1"]}),
        pa.table({"nowhere": [1]}),
    ],
    ids=["ints", "texts", "both", "other types", "none", "nulls", "beyond", "many", "one many", "nul", "int for text",
         "text for int", "unknown"],
)  # fmt: skip
def test_keys_keep_every_match_in_order(keys: pa.Table, indexes: str, config: Any, execute: Any) -> None:
    """Rows of the wanted entities are those that a read of everything has, in its order, ties included."""
    execute(LARGE + indexes + "ANALYZE own")
    names, bounds = ("user_id", "word", "at", "n"), ("at", at("2020-01-03"), at("2020-02-01"))
    every = read_source(shop_source(table="own"), config, ReadRequest(names, *bounds)).to_pylist()
    found = read_source(shop_source(table="own"), config, ReadRequest(names, *bounds, keys)).to_pylist()
    wanted = {tuple(row.values()) for row in keys.to_pylist()}
    assert [row for row in found if tuple(map(row.get, keys.column_names)) in wanted] == [
        row for row in every if tuple(map(row.get, keys.column_names)) in wanted
    ]
    assert [row["n"] for row in found] == sorted({row["n"] for row in found} & {row["n"] for row in every})


@pytest.mark.parametrize(
    ("keys", "fetched"),
    [
        (pa.table({"user_id": [7]}), 8),
        (pa.table({"user_id": range(5000)}), 40_000),
        (pa.table({"user_id": range(20_000)}), 40_000),
        (pa.table({"user_id": range(20_000), "word": ["k1"] * 20_000}), 800),
        (pa.table({"user_id": pa.array([], pa.int64())}), 0),
        (pa.table({"word": ["1"]}), 0),
        (pa.table({"word": [1]}), 40_000),
    ],
    ids=["one", "all", "too many", "one column too many", "none", "no match", "another type"],
)
def test_few_keys_are_few_rows(keys: pa.Table, fetched: int, config: Any, execute: Any) -> None:
    """Only rows that match leave the server; too many keys, or keys of another type, restrict nothing."""
    execute(LARGE)
    assert read_source(shop_source(table="own"), config, ReadRequest(("n",), keys=keys)).num_rows == fetched


def test_keys_compare_what_is_read(config: Any, execute: Any) -> None:
    """Types that come as text are found by that text: a UUID, an enum, a padded char."""
    execute("CREATE TABLE own (a uuid, b char(4), c jsonb)")
    execute("INSERT INTO own VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'ab', '{\"x\":1}')")
    every = read_source(shop_source(table="own"), config, ReadRequest(("a", "b", "c")))
    for name in ("a", "b", "c"):
        found = read_source(shop_source(table="own"), config, ReadRequest(("a", "b", "c"), keys=every.select([name])))
        assert found.equals(every)
        other = pa.table({name: ["no such key"]})
        assert read_source(shop_source(table="own"), config, ReadRequest(("a",), keys=other)).num_rows == 0


def test_mapped_columns(config: Any) -> None:
    """A field mapping renames what is read; keys are given by their mapped names."""
    source = shop_source(table="rows", field_mapping={"user_id": "customer"})
    request = ReadRequest(("customer", "word"), keys=pa.table({"customer": [1, 2**53 + 1]}))
    assert read_source(source, config, request)["customer"].to_pylist() == [1, 2**53 + 1]
