"""Rows of a latest-value view, encoded as both layers of its state keep them."""

import pyarrow as pa

from storekeeper.definitions import ViewPlan, as_declared
from storekeeper.history.columns import times_us
from storekeeper.history.state import encode_latest, plan_latest
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.layers import EncodedRows


def encode_rows(rows: pa.Table, plan: ViewPlan) -> EncodedRows:
    """Rows under the plan's names, encoded in the declared types; a null knowledge time is the event time.

    Raises
    ------
    DataError
        If a value doesn't fit its declared type, or an event time is null.
    """
    declared = as_declared(rows.select(list(plan.types)), plan)
    times = [name for name in (plan.event_time, plan.known_time) if name]
    columns = {name: declared.column(name) for name in declared.column_names}
    table = pa.table({**columns, **{_reserved(name): rows.column(name) for name in times}})
    blobs = encode_latest(
        table,
        plan_latest(plan.types),
        event_time=_reserved(plan.event_time),
        known_time=_reserved(plan.known_time) if plan.known_time else None,
    )
    event = times_us(plan.event_time, rows.column(plan.event_time))
    known = times_us(plan.known_time, rows.column(plan.known_time), fallback=event) if plan.known_time else event
    # A table without columns forgets how many rows it had.
    keys = key_bytes(rows.select(list(plan.keys))) if plan.keys else [b""] * len(blobs)
    return EncodedRows(keys, event, known, blobs)


def _reserved(name: str) -> str:
    """A time column's name beside features, which may be named alike."""
    return f"__time__{name}"
