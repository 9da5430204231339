"""On-demand views, computed alike offline and online: the same function on the same inputs, in declared types."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast.field import Field
from feast.on_demand_feature_view import OnDemandFeatureView

from storekeeper.definitions.on_demand_values import as_given, made_column
from storekeeper.errors import DataError, DefinitionError, listing

_EXACT_IN_FLOATS = 2**53


def transform(view: OnDemandFeatureView, inputs: pa.Table, full_feature_names: bool = False) -> pa.Table:
    """The features of an on-demand view, each in its declared type: `OnDemandFeatureView.transform_arrow`, exactly.

    What Feast's own method gives depends on the rows that happen to be together. Three things differ here:

    - A column has its declared type though all its values are null, or there are no rows at all; then the function
      isn't called.
    - Inputs have their declared types where their values fit, offline as online.
    - An integer column with nulls is float64 to pandas, which loses digits beyond 2^53. Where a column has both, the
      rows with a null are transformed apart from those without: each part is int64, or all NaN. A function so meets
      the types that a single row has online, and those only. `Int64` in their place would be exact too, but another
      kind of column: `numpy.where(df.x > 0, ...)` fails on its `NA`, a quotient is `Float64`, `isna` of that quotient
      misses NaN; and a function tried on small numbers would first meet it when an id outgrows 2^53.

    Parameters
    ----------
    inputs
        (n_rows,) features and request-time values; others may be among them.
    full_feature_names
        Whether results carry the view's name.

    Returns
    -------
    pyarrow.Table
        (n_rows,) one column a feature, in the declared order; rows in the order of `inputs`.

    Raises
    ------
    DataError
        If a result doesn't fit its declared type, or isn't one value a row; whatever the function itself raises.
    DefinitionError
        If the view has no function, or the function doesn't make a declared feature.
    """
    if view.feature_transformation is None:
        raise DefinitionError(
            f"On-demand view '{view.name}' has no function, only aggregations, which nothing computes here. Declare "
            f"them in a StreamFeatureView."
        )
    given = _given(view, inputs)
    made = _made(view, given) if given.num_rows else _typed(view, {f.name: [] for f in view.features}, 0)
    return made.rename_columns([_full(view, name) if full_feature_names else name for name in made.column_names])


def _full(view: OnDemandFeatureView, feature: str) -> str:
    return f"{view.projection.name_to_use()}__{feature}"


def _given(view: OnDemandFeatureView, inputs: pa.Table) -> pa.Table:
    """The inputs in their declared types, each feature under its short and its full name."""
    columns = dict(zip(inputs.column_names, inputs.columns, strict=True))
    for projection in view.source_feature_view_projections.values():
        for field in projection.features:
            full = f"{projection.name}__{field.name}"
            found = columns.get(full, columns.get(field.name))
            if found is not None:
                columns[field.name] = columns[full] = as_given(found, field.dtype)
    for source in view.source_request_sources.values():
        for field in source.schema:
            if field.name in columns:
                columns[field.name] = as_given(columns[field.name], field.dtype)
    return pa.table(columns)


def _made(view: OnDemandFeatureView, given: pa.Table) -> pa.Table:
    if view.mode == "pandas":
        return _made_by_pandas(view, given)
    if view.mode != "python":
        made = view.feature_transformation.transform_arrow(given, view.features)
        return _typed(view, dict(zip(made.column_names, made.columns, strict=True)), given.num_rows)
    function = view.feature_transformation.udf
    if not view.singleton:
        return _typed(view, function(given.to_pydict()), given.num_rows)
    rows = [function(row) for row in given.to_pylist()]
    return _typed(view, {name: [row[name] for row in rows] for name in rows[0]}, given.num_rows)


def _made_by_pandas(view: OnDemandFeatureView, given: pa.Table) -> pa.Table:
    function = view.feature_transformation.udf
    unequal = _beyond_floats(view, given)
    if not unequal:
        return _typed(view, function(given.to_pandas()), given.num_rows)
    parts = list(_with_the_same_nulls(given, unequal))
    made = [_typed(view, function(given.take(rows).to_pandas()), len(rows)) for rows in parts]
    return pa.concat_tables(made, promote_options="default").take(np.argsort(np.concatenate(parts)))


def _beyond_floats(view: OnDemandFeatureView, given: pa.Table) -> list[str]:
    """Integer inputs with nulls and with values that no float64 holds."""
    projections = view.source_feature_view_projections.values()
    fields = [field for projection in projections for field in projection.features]
    fields += [field for source in view.source_request_sources.values() for field in source.schema]
    names = dict.fromkeys(field.name for field in fields if field.name in given.column_names)
    return [name for name in names if _is_beyond(given.column(name))]


def _is_beyond(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_integer(column.type) or column.null_count in {0, len(column)}:
        return False
    bounds = pc.min_max(column).as_py()
    return bool(bounds["min"] < -_EXACT_IN_FLOATS or bounds["max"] > _EXACT_IN_FLOATS)


def _with_the_same_nulls(given: pa.Table, names: Sequence[str]) -> Iterator[np.ndarray]:
    """Rows that are null in the same of some columns, (n_alike,) int64 in ascending order, part by part."""
    nulls = np.column_stack([given.column(name).is_null().to_numpy() for name in names])
    which = np.unique(nulls, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.argsort(which, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(which[order])) + 1)


def _typed(view: OnDemandFeatureView, made: Any, rows: int) -> pa.Table:
    """What the function returned as one column a declared feature."""
    if not isinstance(made, pd.DataFrame | Mapping):
        raise DataError(
            f"The function of on-demand view '{view.name}' must return a DataFrame (mode pandas) or a dict (mode "
            f"python) with one column a feature. Received: {type(made).__name__}."
        )
    if isinstance(made, pd.DataFrame) and not made.columns.is_unique:
        raise DataError(
            f"The function of on-demand view '{view.name}' returned two columns of one name: {listing(made.columns)}."
        )
    return pa.table({field.name: _column(view, field, made, rows) for field in view.features})


def _column(view: OnDemandFeatureView, field: Field, made: Any, rows: int) -> Any:
    values = next((made[name] for name in (field.name, _full(view, field.name)) if name in made), None)
    if values is None:
        raise DefinitionError(
            f"On-demand view '{view.name}' declares the feature '{field.name}', but its function returned "
            f"{listing(made)}. Return it, or take it out of the schema."
        )
    column = made_column(view.name, field, values)
    if len(column) != rows:
        raise DataError(
            f"The function of on-demand view '{view.name}' must return one value a row. It made {len(column)} values "
            f"of '{field.name}' for {rows} rows."
        )
    return column
