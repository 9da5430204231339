"""Values in the types that a view declares."""

import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.definitions.views import ViewPlan
from storekeeper.errors import DataError

_NO_VALUES = pa.null()


def as_declared(table: pa.Table, plan: ViewPlan) -> pa.Table:
    """Values in the declared types."""
    columns = []
    for name in table.column_names:
        column = table.column(name)
        try:
            columns.append(_cast(column, plan.types[name]))
        except pa.ArrowInvalid as error:
            raise DataError(
                f"Feature '{name}' of view '{plan.name}' is declared {plan.types[name]}, but a value "
                f"doesn't fit: {error}."
            ) from error
    return pa.table(columns, names=table.column_names)


def known_type(plan: ViewPlan, column: str, found: pa.DataType = _NO_VALUES) -> pa.DataType:
    """The type of a key or an aggregated column: the one that was found, or what is declared where no value tells."""
    if not pa.types.is_null(found):
        return found
    if column in plan.keys:
        return plan.key_types[column]
    for window in plan.windows:
        if window.column == column and window.base_function in {"min", "max", "first", "last", "last_n", "sum"}:
            declared = plan.types[window.name]
            return declared.value_type if pa.types.is_list(declared) else declared
    return pa.int64()


def known_columns(rows: pa.Table, plan: ViewPlan) -> pa.Table:
    """Rows whose keys and aggregated columns are of a known type (`known_type`)."""
    for name in {*plan.keys, *(window.column for window in plan.windows if window.column)}:
        column = rows.column(name)
        if pa.types.is_null(column.type):
            typed = column.cast(known_type(plan, name, column.type))
            rows = rows.set_column(rows.column_names.index(name), name, typed)
    return rows


def _cast(column: pa.ChunkedArray, declared: pa.DataType) -> pa.ChunkedArray:
    if column.type == declared:
        return column
    if pa.types.is_timestamp(declared) and pa.types.is_timestamp(column.type) and column.type.tz is None:
        return pc.assume_timezone(column.cast(pa.timestamp("us"), safe=False), "UTC").cast(declared)
    return column.cast(declared, safe=not pa.types.is_floating(declared))
