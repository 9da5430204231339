"""The smallest shops, for examples worked out by hand, and the kernel's answers to one question."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from oracle.shops import EVENT_TIME, SPINE_TIME, event_table, microseconds, spine_table
from storekeeper.history import WindowFeature, as_of, windowed

NOON = microseconds("2017-06-14T12:00:00+00:00")


def small_shop(
    happened: Sequence[int],
    values: Any,
    asked: Sequence[int],
    *,
    keys: Any = None,
    spine_keys: Any = None,
    known: Sequence[int | None] | None = None,
) -> tuple[pa.Table, pa.Table]:
    """One customer's events and spine, unless keys are given."""
    ours = pa.array([1] * len(happened), pa.int64()) if keys is None else keys
    theirs = pa.array([1] * len(asked), pa.int64()) if spine_keys is None else spine_keys
    events = event_table(
        {"customer": ours},
        list(happened),
        list(happened if known is None else known),
        {"value": values if isinstance(values, pa.Array) else pa.array(values)},
    )
    return events, spine_table({"customer": theirs}, list(asked))


def ask(
    shop: tuple[pa.Table, pa.Table],
    function: str,
    window_us: int | None = None,
    hop_us: int | None = None,
    *,
    column: str = "value",
    keys: Sequence[str] = ("customer",),
    **options: Any,
) -> pa.ChunkedArray:
    feature = WindowFeature("f", function, column, window_us, hop_us)
    return windowed(
        *shop, keys=keys, event_time=EVENT_TIME, spine_time=SPINE_TIME, features=[feature], **options
    )["f"]  # fmt: skip


def ask_latest(shop: tuple[pa.Table, pa.Table], *columns: str, **options: Any) -> Any:
    names = columns or ("value",)
    found = as_of(
        *shop, keys=["customer"], event_time=EVENT_TIME, spine_time=SPINE_TIME, columns=names, **options
    )  # fmt: skip
    return found["value"].to_pylist()
