"""DuckDB's wide integers and decimals: exact where the kernel's numbers can be, an error where they can't."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FileSource
from feast.repo_config import load_repo_config

from projects import Project, at
from storekeeper.errors import DataError
from storekeeper.sources import DuckDBSource, OpenSources, ReadRequest, read_source, source_schema, stored_schema
from storekeeper.sources.fitting import fit_rows
from storekeeper.sources.relation import ADDRESS
from storekeeper.sources.writing import append_to_source

LARGEST = 2**63 - 1


def _run(project: Project, *statements: str) -> None:
    with duckdb.connect(str(project.root / "data/behaviour.duckdb")) as connection:
        for statement in statements:
            connection.execute(statement)


def _source(**options: Any) -> DuckDBSource:
    return DuckDBSource(**{"name": "s", "database": "data/behaviour.duckdb", "timestamp_field": "t"} | options)


def _config(project: Project) -> Any:
    return load_repo_config(project.repo, Path(project.repo / "feature_store.yaml"))


def _read(project: Project, source: Any, *columns: str, **options: Any) -> pa.Table:
    return read_source(source, _config(project), ReadRequest(columns, **options))


@pytest.mark.parametrize("type_", ["HUGEINT", "UHUGEINT", "DECIMAL(38, 0)", "DECIMAL(20, 0)"])
def test_whole_numbers_are_int64_to_the_last_digit(type_: str, project: Project) -> None:
    """What fits is exact, nulls stay null, and the schema that apply sees says int64."""
    numbers = [2**53 + 1, 0, None, LARGEST] + ([] if type_ == "UHUGEINT" else [-LARGEST - 1])
    values = ", ".join(f"({'NULL' if number is None else number}::{type_})" for number in numbers)
    _run(project, f"CREATE TABLE wide AS SELECT * FROM (VALUES {values}) AS v(n)")
    for source in (_source(table="wide"), _source(query="SELECT n FROM wide")):
        assert source_schema(source, _config(project)).types == [pa.int64()]
        table = _read(project, source, "n")
        assert table.schema.types == [pa.int64()]
        assert table["n"].to_pylist() == numbers


def test_decimals_are_the_nearest_floats(project: Project) -> None:
    """A decimal becomes the float that Python makes of it, whatever its size."""
    rng = np.random.default_rng(5)
    small = [Decimal(cents).scaleb(-2) for cents in range(-2000, 2000)]
    large = [Decimal(int(rng.integers(-(10**18), 10**18)) * 10**12 + number).scaleb(-10) for number in range(2000)]
    for scale, numbers in ((2, small), (10, large)):
        table = pa.table({"n": pa.array([*numbers, None], pa.decimal128(38, scale))})
        project.add_duckdb("rows", table)
        project.add_parquet("data/rows.parquet", table)
        for source in (_source(table="rows"), FileSource(name="s", path="data/rows.parquet", timestamp_field="t")):
            assert source_schema(source, _config(project)).types == [pa.float64()]
            assert _read(project, source, "n")["n"].to_pylist() == [*map(float, numbers), None]


@pytest.mark.parametrize("type_", ["HUGEINT", "UHUGEINT", "DECIMAL(38, 0)"])
def test_a_number_beyond_int64_names_column_and_row(type_: str, project: Project) -> None:
    """It is neither wrapped nor rounded, however the source is read; columns beside it are still read."""
    _run(
        project,
        f"CREATE TABLE wide AS SELECT i AS id, CASE WHEN i = 1900 THEN {2**63} ELSE i END::{type_} AS n, "
        "TIMESTAMP '2020-02-01' + INTERVAL 1 SECOND * i AS t FROM range(3000) AS r(i)",
        "CREATE VIEW seen AS SELECT * FROM wide",
        f"COPY (SELECT id, n::DECIMAL(38, 0) AS n, t FROM wide) TO '{project.root}/data/wide.parquet'",
    )
    file = FileSource(name="s", path="data/wide.parquet", timestamp_field="t")
    keys = pa.table({"id": [5, 1900]})
    for source in (_source(table="wide"), _source(table="seen"), _source(query="SELECT * FROM wide"), file):
        for request in ({}, {"keys": keys}, {"timestamp": "t", "start": at("2020-02-01T00:10:00")}):
            with pytest.raises(DataError, match=rf"'s'.*'n'.*64-bit.*row 1900: {2**63}\."):
                _read(project, source, "id", "n", **request)
        assert _read(project, source, "id")["id"].to_pylist() == list(range(3000))
        assert _read(project, source, "n", timestamp="t", end=at("2020-02-01T00:10:00"))["n"].to_pylist() == list(
            range(601)
        )


def test_rows_found_by_address_are_as_exact(project: Project) -> None:
    """Reading rows again gives the same numbers, and the same error."""
    _run(project, f"CREATE TABLE wide AS SELECT CASE WHEN i = 7 THEN {2**63} ELSE {2**53} + i END::HUGEINT AS n, "
                  "i / 4::DECIMAL(9, 2) AS share FROM range(9) AS r(i)")  # fmt: skip
    with OpenSources(_config(project)) as sources:
        opened = sources.open(_source(table="wide"))
        addresses = opened.read(ReadRequest((), addressed=True))[ADDRESS].to_numpy()
        assert sorted(opened.read_at(addresses[3:7], ("n",))["n"].to_pylist()) == [2**53 + i for i in range(3, 7)]
        with pytest.raises(DataError, match=r"'s'.*'n'.*row 7"):
            opened.read_at(addresses, ("n",))


SUMS = """
daily = DuckDBSource(
    name="daily", database="data/behaviour.duckdb", timestamp_field="t",
    query="SELECT user_id, date_trunc('day', t) + INTERVAL 1 DAY AS t, sum(cents) AS cents, sum(price) AS spend "
          "FROM rows GROUP BY ALL; -- a day's sums",
)
latest = FeatureView(
    name="latest", entities=[user], source=daily,
    schema=[Field(name="cents", dtype=Int64), Field(name="spend", dtype=Float64)],
)
windows = StreamFeatureView(
    name="windows", entities=[user], source=PushSource(name="push", batch_source=daily), timestamp_field="t",
    schema=[Field(name="total", dtype=Int64), Field(name="most", dtype=Float64)],
    aggregations=[
        Aggregation(column="cents", function="max", name="total"),
        Aggregation(column="spend", function="max", name="most"),
    ],
)
"""


def test_sums_in_a_query_can_be_declared(project: Project) -> None:
    """A sum of integers is declared Int64 and one of decimals Float64, and both come out exact."""
    _run(project, f"CREATE TABLE rows AS SELECT 1 AS user_id, TIMESTAMP '2020-02-01' AS t, {2**53} + i AS cents, "
                  "0.1::DECIMAL(9, 2) AS price FROM range(3) AS r(i)")  # fmt: skip
    store = project.apply(SUMS)
    spine = pd.DataFrame({"user_id": [1], "event_timestamp": [at("2020-02-05")]})
    features = ["latest:cents", "latest:spend", "windows:total", "windows:most"]
    row = store.get_historical_features(entity_df=spine, features=features).to_arrow().to_pylist()[0]
    assert (row["cents"], row["total"]) == (3 * 2**53 + 3, 3 * 2**53 + 3)
    assert (row["spend"], row["most"]) == (0.3, 0.3)


def test_decimals_are_appended_as_decimals(project: Project) -> None:
    """What is appended has the type that the source keeps: more decimals than it has are refused, not rounded."""
    table = pa.table({"t": [at("2020-02-01")], "n": pa.array([Decimal("0.25")], pa.decimal128(9, 2))})
    project.add_duckdb("rows", table)
    (project.root / "data/log").mkdir()
    pq.write_table(table, project.root / "data/log/part.parquet")
    config = _config(project)
    for source in (_source(table="rows"), FileSource(name="s", path="data/log", timestamp_field="t")):
        schema = stored_schema(source, config)
        assert schema.field("n").type == pa.decimal128(9, 2)
        with pytest.raises(DataError, match=r"'n'.*row 0 has 1\.255"):
            fit_rows(pa.table({"t": [at("2020-02-01")], "n": [1.255]}), schema, "it")
        append_to_source(source, config, fit_rows(pa.table({"t": [at("2020-02-01")], "n": [1.5]}), schema, "it"))
        assert _read(project, source, "n")["n"].to_pylist() == [0.25, 1.5]
        assert stored_schema(source, config) == schema
