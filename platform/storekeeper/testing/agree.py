"""When two values of a feature are the same: rule 10's tolerance for floats, equality for everything else."""

import math
from typing import Any

import numpy as np
import pyarrow as pa

from storekeeper.definitions import ViewPlan
from storekeeper.history.columns import column_kind, to_column
from storekeeper.testing.typed import typed

_RELATIVE = 1e-9
_SPREAD = frozenset({"var", "std"})


def expected_value(feature: str, value: Any, type_: pa.DataType) -> Any:
    """What a test expects, in the feature's type; `pytest.approx` and the like stay as they are.

    Raises
    ------
    DataError
        If it isn't of the type.
    """
    if type(value).__module__.startswith("_pytest"):
        return value
    return typed(f"Feature '{feature}'", [value], type_)[0].as_py()


def agree(left: Any, right: Any, scale: float) -> bool:
    """Whether two values are the same.

    Parameters
    ----------
    scale
        Sum of the magnitudes behind the values: floats may differ by 1e-9 x (1 + scale).
    """
    left, right = _no_nan(left), _no_nan(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(agree(a, b, scale) for a, b in zip(left, right, strict=True))
    if isinstance(left, float) and isinstance(right, int | float):
        return bool(abs(left - right) <= _RELATIVE * (1 + max(scale, abs(right))))
    return bool(left == right)


def scale_of(plan: ViewPlan, feature: str, events: pa.Table) -> float:
    """Sum of the magnitudes in a feature's column; for variance, of the squares about the mean."""
    window = next((window for window in plan.windows if window.name == feature), None)
    if window is None or not window.column or column_kind(events.schema.field(window.column).type) != "float":
        return 0.0
    column = to_column(window.column, events.column(window.column))
    values = column.values if column.valid is None else column.values[column.valid]
    if not len(values):
        return 0.0
    if window.base_function in _SPREAD:
        return float(np.sum((values - values.mean()) ** 2))
    return float(np.sum(np.abs(values)))


def _no_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
