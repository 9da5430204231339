"""Values in the types that a view declares."""

import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.definitions.views import ViewPlan
from storekeeper.errors import DataError


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


def _cast(column: pa.ChunkedArray, declared: pa.DataType) -> pa.ChunkedArray:
    if column.type == declared:
        return column
    if pa.types.is_timestamp(declared) and pa.types.is_timestamp(column.type) and column.type.tz is None:
        return pc.assume_timezone(column.cast(pa.timestamp("us"), safe=False), "UTC").cast(declared)
    return column.cast(declared, safe=not pa.types.is_floating(declared))
