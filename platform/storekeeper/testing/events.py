"""Inline rows as the history that a view would read from its source."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from storekeeper.definitions import ViewPlan, check_plan
from storekeeper.errors import UsageError, listing
from storekeeper.testing.typed import TIMESTAMP, inferred_type, typed

Row = Mapping[str, object]

# Functions whose results are values of their column, or sums of them.
_PASSING_ON = frozenset({"min", "max", "first", "last", "last_n", "sum"})


def events_table(plan: ViewPlan, rows: Iterable[Row], known: frozenset[str]) -> pa.Table:
    """The columns that a view reads, in its source's order; columns that a row leaves out are null.

    Parameters
    ----------
    rows
        Join keys and event time are a must; a key may be None.
    known
        Columns that the rows may have beside the view's own, since other views over the same source read them.

    Raises
    ------
    UsageError
        An unknown column, or a row without key or event time.
    DataError
        A value of another type than declared.
    DefinitionError
        If the view can't be computed from such columns.
    """
    given = [dict(row) for row in rows]
    columns = plan.source_columns(list(plan.types))
    for number, row in enumerate(given):
        _check_row(plan, number, row, known | set(columns))
    arrays = []
    for column in columns:
        values = [row.get(column) for row in given]
        what = f"Column '{column}' of view '{plan.name}'"
        arrays.append(typed(what, values, _type(plan, column, what, values)))
    table = pa.table(arrays, names=list(columns))
    check_plan(plan, table.schema)
    return table


def _check_row(plan: ViewPlan, number: int, row: Row, known: frozenset[str]) -> None:
    if unknown := set(row) - known:
        raise UsageError(
            f"Row {number}: view '{plan.name}' reads no column {listing(unknown)}. It reads: "
            f"{listing(plan.source_columns(list(plan.types)))}."
        )
    if missing := [name for name in (*plan.keys, plan.event_time) if name not in row]:
        raise UsageError(
            f"Row {number} of the events for view '{plan.name}' has no {listing(missing)}. Received: {dict(row)!r}."
        )


def _type(plan: ViewPlan, column: str, what: str, values: Sequence[object]) -> pa.DataType:
    if column in plan.key_types:
        return plan.key_types[column]
    if column in {plan.event_time, plan.known_time}:
        return TIMESTAMP
    if not plan.is_windowed:
        return plan.types[column]
    declared = _declared(plan, column)
    if declared is not None and pa.types.is_timestamp(declared):
        return TIMESTAMP
    found = inferred_type(what, values)
    if found is None or (declared is not None and pa.types.is_floating(declared) and pa.types.is_integer(found)):
        return declared or pa.int64()
    return found


def _declared(plan: ViewPlan, column: str) -> pa.DataType | None:
    """The type of a column by what its features are declared to be; None where none of them tells."""
    for window in plan.windows:
        if window.column == column and window.base_function in _PASSING_ON:
            declared = plan.types.get(window.name)
            return declared.value_type if declared is not None and pa.types.is_list(declared) else declared
    return None
