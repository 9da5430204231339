"""One request, carried out by a service's plan."""

from collections.abc import Mapping
from itertools import chain

import numpy as np
import pyarrow as pa

from storekeeper.errors import UsageError, listing
from storekeeper.online.backends import Asked
from storekeeper.online.compiled.answers import Answer
from storekeeper.online.compiled.columns import Values
from storekeeper.online.compiled.given import Columns, given_columns, request_column
from storekeeper.online.compiled.service_plan import ServicePlan
from storekeeper.online.compiled.single_row import SingleAnswer, side_by_side


class Reading:
    """What was read for a request; features are made into columns when they are asked for.

    Parameters
    ----------
    plan
        The service.
    entities, context
        Key -> one value a row; request-time value -> one value a row.
    now_us
        The instant, microseconds.

    Raises
    ------
    UsageError
        A key or context value that is missing, of another length, or no column at all.
    DataError
        A value of another type than declared; or state of a later time or another definition.
    """

    def __init__(self, plan: ServicePlan, entities: Columns, context: Columns, now_us: int) -> None:
        self._plan = plan
        entities = given_columns(entities, plan.entity_types)
        context = given_columns(context, plan.request_types)
        rows = plan.keys.rows(entities, context)
        self._arrow: dict[str, pa.Array] = _request_columns(context, plan.request_types, rows)
        self._made: dict[str, Values] = {}
        self._answers = self._read(entities, rows, now_us)
        if plan.on_demand:
            self._compute()

    def _read(self, entities: Columns, rows: int, now_us: int) -> list[Answer]:
        parts = self._plan.parts
        if not parts:
            return []
        encoded = self._plan.keys.encode(entities, rows)
        keys = [encoded[part.keys] for part in parts]
        asked = [Asked(part.view.state.name, mine.keys) for part, mine in zip(parts, keys, strict=True)]
        # All views are in one store, which answers for all of them at once.
        found = parts[0].view.state.backend.read(asked)
        each = zip(parts, keys, found, strict=True)
        return [part.view.answer(its_keys, its_blobs, now_us) for part, its_keys, its_blobs in each]

    def _compute(self) -> None:
        """On-demand features, which see other features but not each other."""
        made = {}
        for read in self._plan.on_demand:
            made.update(read.compute(self.arrow))
        for name, (array, values) in made.items():
            self._arrow[name], self._made[name] = array, values

    def arrow(self, name: str) -> pa.Array:
        """A feature or request-time value in its declared type."""
        if name not in self._arrow:
            number = self._plan.owners[name]
            declared = self._plan.parts[number].view.state.plan.types[name]
            self._arrow[name] = self._answers[number].column(name).arrow(declared)
        return self._arrow[name]

    def arrays(self) -> dict[str, np.ndarray]:
        """The service's features for NumPy."""
        if self._plan.is_ordered:
            return self._in_order()
        arrays = self._in_order()
        for name, values in self._made.items():
            arrays[name] = values.numpy()
        return {name: arrays[name] for name in self._plan.features}

    def _in_order(self) -> dict[str, np.ndarray]:
        """What views answered, one after another."""
        rows = (answer.floats for answer in self._answers if isinstance(answer, SingleAnswer))
        floats = [row for row in rows if row is not None]
        if floats and len(floats) == len(self._answers):
            names = chain.from_iterable(part.view.features for part in self._plan.parts)
            return dict(zip(names, side_by_side(floats), strict=True))
        arrays: dict[str, np.ndarray] = {}
        for answer in self._answers:
            arrays.update(answer.arrays())
        return arrays

    def table(self) -> pa.Table:
        """The service's features for Arrow."""
        names = list(self._plan.features)
        return pa.table([self.arrow(name) for name in names], names=names)


def _request_columns(context: Columns, types: Mapping[str, pa.DataType], rows: int) -> dict[str, pa.Array]:
    if not types:
        return {}
    missing = [name for name in types if name not in context]
    if missing:
        raise UsageError(
            f"Request-time context {listing(missing)} is missing. Expected: {listing(types)}. "
            f"Received: {listing(context)}."
        )
    return {name: request_column(name, context[name], type_, rows) for name, type_ in types.items()}
