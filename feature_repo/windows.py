"""Shorthand for families of windowed features: one aggregation per window, named `<what>_<days>d`."""

from datetime import timedelta

from feast import Field
from feast.aggregation import Aggregation
from feast.types import FeastType

DAYS = (1, 7, 28, 91)


def over_days(name: str, function: str, column: str = "", days: tuple[int, ...] = DAYS) -> list[Aggregation]:
    """The same aggregate over several windows.

    >>> [aggregation.name for aggregation in over_days("spend_cents", "sum", "amount_cents", (1, 7))]
    ['spend_cents_1d', 'spend_cents_7d']
    """
    return [
        Aggregation(column=column, function=function, time_window=timedelta(days=day), name=f"{name}_{day}d")
        for day in days
    ]


def fields(aggregations: list[Aggregation], dtype: FeastType) -> list[Field]:
    """A typed field for each aggregation."""
    return [Field(name=aggregation.name, dtype=dtype) for aggregation in aggregations]
