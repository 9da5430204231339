"""Columns of the served log, and tables of it put together."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pyarrow as pa

from storekeeper.errors import DataError

SERVED_AT = "served_at"
REQUEST_ID = "served_request_id"
TASK, MODEL, VERSION = "served_task", "served_model", "served_version"
PROBABILITY = "served_probability"
"""Columns that serving adds: none is a feature, a key or context, which follow in between."""

SEQUENCE, RECORDED_AT, EVIDENCE = "served_sequence", "served_recorded_at", "served_evidence"
"""Columns that the log adds, last: the vector's number in its run, wall time, and what else was true at serving."""

PROOF = (SEQUENCE, RECORDED_AT, EVIDENCE)
RUN = "served_run"
"""Added in reading: which process served the vector."""

TIMESTAMP = pa.timestamp("us", tz="UTC")


def check_names(table: pa.Table) -> None:
    """Refuse vectors whose columns can't be told apart from each other or from the log's own.

    Raises
    ------
    DataError
        Naming the columns.
    """
    names = [SERVED_AT, *PROOF, *table.column_names]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"Columns of served vectors must differ in name. These are there twice: {twice}.")


def stamped(table: pa.Table, served_at: datetime, first: int, evidence: str | None) -> pa.Table:
    """Vectors with the log's columns; they are numbered from `first` on."""
    rows = table.num_rows
    moment = served_at if served_at.tzinfo else served_at.replace(tzinfo=UTC)
    text = pa.DictionaryArray.from_arrays(pa.array([0 if evidence else None] * rows, pa.int32()), [evidence or ""])
    return (
        table.add_column(0, SERVED_AT, pa.repeat(pa.scalar(moment, TIMESTAMP), rows))
        .append_column(SEQUENCE, pa.array(range(first, first + rows), pa.int64()))
        .append_column(RECORDED_AT, pa.repeat(pa.scalar(datetime.now(UTC), TIMESTAMP), rows))
        .append_column(EVIDENCE, text)
    )


def merged(tables: Iterable[pa.Table], at_most: int | None = None) -> Iterator[pa.Table]:
    """Tables put together in their order; a new one begins where types of a column disagree, or it would be too long.

    A column that some lack is null there: models of one service may be given further columns of their own.
    """
    held: list[pa.Table] = []
    rows, schema = 0, pa.schema([])
    for table in tables:
        fitting = _united(schema, table.schema)
        if held and (fitting is None or (at_most is not None and rows + table.num_rows > at_most)):
            yield _joined(held)
            held, rows, fitting = [], 0, table.schema
        held.append(table)
        rows, schema = rows + table.num_rows, fitting if fitting is not None else table.schema
    if held:
        yield _joined(held)


def _united(left: pa.Schema, right: pa.Schema) -> pa.Schema | None:
    try:
        return pa.unify_schemas([left, right])
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def _joined(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries()
