"""Examples of on-demand views: `on_demand.given(inputs).expect(values)`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa
from feast.on_demand_feature_view import OnDemandFeatureView

from storekeeper.definitions.on_demand import transform
from storekeeper.definitions.views import arrow_type
from storekeeper.errors import CheckFailedError, UsageError, listing
from storekeeper.testing.agree import agree, expected_value
from storekeeper.testing.describe import Comparison, show, values_lines
from storekeeper.testing.typed import typed

_BATCH, _ALONE = "offline, among other rows", "online, alone"


@dataclass(frozen=True)
class OnDemandUnderTest:
    """An on-demand view, before it is given inputs."""

    view: OnDemandFeatureView

    def given(self, **inputs: object) -> "OnDemandExample":
        """Let a request and the features behind the view hold these values.

        Parameters
        ----------
        inputs
            What the request brings, all of it (None for null), and features of the views behind, which are null where
            they are left out. Times are datetimes or ISO 8601 text; naive means UTC.

        Raises
        ------
        UsageError, DataError
            An input that is missing, unknown or of another type.
        """
        request, features = self._request_types(), self._feature_types()
        types = features | request
        missing, unknown = [name for name in request if name not in inputs], set(inputs) - set(types)
        if missing or unknown:
            raise UsageError(
                f"On-demand view '{self.view.name}' takes {listing(types)}. "
                f"Missing: {listing(missing)}. Unknown: {listing(unknown)}."
            )
        arrays = {name: typed(f"Input '{name}'", [inputs.get(name)], type_) for name, type_ in types.items()}
        return OnDemandExample(self.view, pa.table(arrays))

    def _request_types(self) -> dict[str, pa.DataType]:
        sources = self.view.source_request_sources.values()
        return {field.name: arrow_type(field.dtype) for source in sources for field in source.schema}

    def _feature_types(self) -> dict[str, pa.DataType]:
        projections = self.view.source_feature_view_projections.values()
        return {field.name: arrow_type(field.dtype) for projection in projections for field in projection.features}


@dataclass(frozen=True)
class OnDemandExample:
    """An on-demand view with its inputs, one row."""

    view: OnDemandFeatureView
    inputs: pa.Table

    def expect(self, **values: Any) -> "OnDemandExample":
        """Check features: of the row alone, as when it is served, and of the row among others, as when training.

        Raises
        ------
        CheckFailedError
            An AssertionError with both values of each feature that differs, and the inputs.
        UsageError
            For a feature that the view doesn't have.
        """
        __tracebackhide__ = True
        types = {field.name: arrow_type(field.dtype) for field in self.view.features}
        if not values or set(values) - set(types):
            raise UsageError(
                f"On-demand view '{self.view.name}' has the features {listing(types)}. Received: {listing(values)}."
            )
        compared = [self._compare(name, expected_value(name, value, types[name])) for name, value in values.items()]
        if not all(comparison.holds for comparison in compared):
            raise CheckFailedError(self._describe(compared))
        return self

    @cached_property
    def _alone(self) -> Mapping[str, Any]:
        return self._transform(self.inputs)

    @cached_property
    def _in_a_batch(self) -> Mapping[str, Any]:
        others = pa.table({name: _other(self.inputs.column(name)) for name in self.inputs.column_names})
        return self._transform(pa.concat_tables([self.inputs, others, self.inputs]))

    def _transform(self, inputs: pa.Table) -> dict[str, Any]:
        """The features of the first row."""
        made = transform(self.view, inputs)
        return {name: made.column(name)[0].as_py() for name in made.column_names}

    def _compare(self, name: str, expected: Any) -> Comparison:
        offline, online = self._in_a_batch.get(name), self._alone.get(name)
        return Comparison(name, expected, offline, online, agree(offline, expected, 0.0), agree(online, expected, 0.0))

    def _describe(self, compared: Iterable[Comparison]) -> str:
        lines = [f"On-demand view '{self.view.name}':"]
        for comparison in compared:
            if not comparison.holds:
                lines += ["", *values_lines(comparison, _BATCH, _ALONE)]
        row = {name: self.inputs.column(name)[0].as_py() for name in self.inputs.column_names}
        return "\n".join([*lines, "", "given", *[f"  {name} = {show(value)}" for name, value in row.items()]])


def _other(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Another value of the same type where that is easily had; a value must not depend on its neighbours'."""
    value = column[0].as_py()
    if isinstance(value, bool):
        value = not value
    elif isinstance(value, int | float):
        value += 1 if value <= 0 else -1
    elif isinstance(value, datetime):
        value += timedelta(days=1)
    return pa.chunked_array([pa.array([value], column.type)])
