"""Rows of a few entities made into NumPy columns."""

from collections.abc import Callable, Sequence

import numpy as np

from storekeeper.history.state.layout import StateLayout
from storekeeper.history.state.outputs import StateColumns, number_items
from storekeeper.history.state.plan import Output, ReadPlan
from storekeeper.history.state.single.opened import Value

_NAT = np.iinfo(np.int64).min
#: Kind -> how a flat list becomes an array, and the number that stands for a null there; NumPy reads None as NaN.
_ARRAYS: dict[str, tuple[Callable[[list[Value]], np.ndarray], Value]] = {
    "float": (lambda flat: np.array(flat, np.float64), None),
    "int": (lambda flat: np.array(flat, np.int64), 0),
    "bool": (lambda flat: np.array(flat, np.bool_), False),
    "timestamp": (lambda flat: np.array(flat, np.int64).view("M8[us]"), _NAT),
}
_NOTHING, _ALL = np.zeros(0), np.ones(1, bool)
# It is handed out again and again.
_ALL.flags.writeable = False


class RowColumns:
    """Makes columns of rows of values, one value a feature; features of one kind are made together."""

    def __init__(self, plan: ReadPlan, layout: StateLayout) -> None:
        self._layout, self._names = layout, [output.name for output in plan.outputs]
        self._alike: dict[str, tuple[list[int], list[str]]] = {}
        self._texts: list[tuple[int, Output]] = []
        self._lists: list[tuple[int, Output]] = []
        for place, (feature, output) in enumerate(zip(plan.features, plan.outputs, strict=True)):
            if feature.base_function == "last_n":
                self._lists.append((place, output))
            elif output.kind == "string":
                self._texts.append((place, output))
            else:
                places, names = self._alike.setdefault(output.kind, ([], []))
                places.append(place)
                names.append(output.name)

    def columns(self, rows: Sequence[Sequence[Value]]) -> StateColumns:
        """One column a feature, with a value of each row; nulls are None in `rows`."""
        values = dict.fromkeys(self._names, _NOTHING)
        for kind, (places, names) in self._alike.items():
            together = self._together(kind, [row[place] for place in places for row in rows])
            values.update(zip(names, together.reshape(len(names), len(rows)), strict=True))
        for place, output in self._texts:
            values[output.name] = np.fromiter((row[place] for row in rows), object, len(rows))
        for place, output in self._lists:
            values[output.name] = np.fromiter((self._items(output, row[place]) for row in rows), object, len(rows))
        return StateColumns(values, self._nulls(rows))

    def _together(self, kind: str, flat: list[Value]) -> np.ndarray:
        make, stand_in = _ARRAYS[kind]
        has_nulls = stand_in is not None and None in flat
        return make([stand_in if value is None else value for value in flat] if has_nulls else flat)

    def _items(self, output: Output, items: list[Value]) -> list[Value]:
        return items if output.kind == "string" else number_items(output, items, self._layout)

    def _nulls(self, rows: Sequence[Sequence[Value]]) -> dict[str, np.ndarray]:
        if not any(None in row for row in rows):
            return {}
        if len(rows) == 1:
            return {name: _ALL for name, value in zip(self._names, rows[0], strict=True) if value is None}
        columns = zip(self._names, zip(*rows, strict=True), strict=True)
        return {name: np.array([value is None for value in column]) for name, column in columns if None in column}
