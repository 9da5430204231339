"""Appending rows to a real PostgreSQL table."""

from datetime import UTC, date
from typing import Any

import pyarrow as pa
import pytest

from projects import Project, at
from servers.postgres_server import Postgres
from storekeeper.errors import DataError, SourceError
from storekeeper.sources import ReadRequest, SQLSource, read_source, source_schema
from storekeeper.sources.fitting import fit_rows
from storekeeper.sources.writing import append_to_source

MOMENT = at("2020-02-03T10:00:00.123456")
ROW = {
    "user_id": 7, "at": MOMENT, "known": MOMENT, "small": 3, "price": 12.5, "day": date(2020, 2, 3), "word": "o'b \"%s",
    "flag": True, "more": '{"a": [1]}',
}  # fmt: skip


@pytest.fixture
def target(project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, SQLSource]:
    """A configuration, and a source over an empty table that takes no 13."""
    with postgres.connect() as connection:
        connection.execute('CREATE SCHEMA IF NOT EXISTS "Own one"; DROP TABLE IF EXISTS "Own one"."Rows"')
        connection.execute(
            'CREATE TABLE "Own one"."Rows" (user_id BIGINT, at TIMESTAMPTZ, known TIMESTAMP, '
            "small SMALLINT CHECK (small <> 13), price NUMERIC(10, 2), day DATE, word TEXT, flag BOOLEAN, more JSONB)"
        )
    monkeypatch.setenv("SHOP_URL", postgres.url())
    source = SQLSource(
        name="s", url="${SHOP_URL}", table="Own one.Rows", timestamp_field="at", created_timestamp_column="known"
    )
    return project.open().config, source


def _append(target: tuple[Any, SQLSource], rows: list[dict[str, Any]]) -> None:
    config, source = target
    fitted = fit_rows(pa.Table.from_pylist(rows), source_schema(source, config), "source 's'")
    append_to_source(source, config, fitted)


def _read(target: tuple[Any, SQLSource]) -> list[dict[str, Any]]:
    config, source = target
    rows: list[dict[str, Any]] = read_source(source, config, ReadRequest(tuple(ROW))).to_pylist()
    return rows


def test_every_type_comes_back(target: tuple[Any, SQLSource]) -> None:
    """Zoned and plain timestamps hold the same UTC instant; nulls stay null."""
    _append(target, [ROW, {"user_id": None, "at": MOMENT} | dict.fromkeys(list(ROW)[2:])])
    full, empty = _read(target)
    assert [full["at"].astimezone(UTC), full["known"].replace(tzinfo=UTC)] == [MOMENT, MOMENT]
    assert [full[name] for name in ("user_id", "small", "day", "word", "flag")] == [7, 3, *list(ROW.values())[5:8]]
    assert float(full["price"]) == 12.5
    assert set(empty) == set(ROW)
    assert [name for name, value in empty.items() if value is not None] == ["at"]


@pytest.mark.parametrize("value", [13, 2**15])
def test_a_refused_row_takes_all_back(
    target: tuple[Any, SQLSource], monkeypatch: pytest.MonkeyPatch, value: int
) -> None:
    """A broken constraint or an overflow in the last batch leaves nothing of the first."""
    monkeypatch.setattr("storekeeper.sources.sql_writer._BATCH_ROWS", 1)
    with pytest.raises((DataError, SourceError)):
        _append(target, [ROW, ROW | {"small": value}])
    assert _read(target) == []
