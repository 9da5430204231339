"""Rows of a view's source as state, for all of their entities at once."""

import pyarrow as pa

from storekeeper.definitions import ViewPlan, known_columns, known_type
from storekeeper.history.state import build_state
from storekeeper.history.visible import latest_visible
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.latest_rows import encode_rows
from storekeeper.online.layers import EncodedRows
from storekeeper.online.view_state import layout_for, source_kind


def column_kinds(plan: ViewPlan, schema: pa.Schema) -> dict[str, str]:
    """Kind of each column that a windowed view aggregates."""
    columns = [window.column for window in plan.windows if window.column]
    return {column: source_kind(known_type(plan, column, schema.field(column).type)) for column in columns}


def encode_state(events: pa.Table, plan: ViewPlan, until_us: int) -> EncodedRows:
    """State as it stands at an instant, one row an entity; all of each entity's rows are among the events."""
    events = known_columns(events, plan)
    return _windowed(events, plan, until_us) if plan.is_windowed else _latest(events, plan, until_us)


def _windowed(events: pa.Table, plan: ViewPlan, until_us: int) -> EncodedRows:
    layout = layout_for(plan.windows, tuple(sorted(column_kinds(plan, events.schema).items())))
    built = build_state(
        events, layout, keys=plan.keys, event_time=plan.event_time, until_us=until_us, known_time=plan.known_time
    )
    # A table without columns forgets how many rows it had.
    keys = key_bytes(built.keys) if plan.keys else [b""] * len(built.blobs)
    return EncodedRows(keys, built.newest_us, built.newest_us, built.blobs)


def _latest(events: pa.Table, plan: ViewPlan, until_us: int) -> EncodedRows:
    rows = latest_visible(
        events, keys=plan.keys, event_time=plan.event_time, known_time=plan.known_time, until_us=until_us
    )
    return encode_rows(rows, plan)
