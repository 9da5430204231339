"""What the online store keeps per entity, and the kernel's functions over it."""

from storekeeper.history.state.build import BuiltState, build_state
from storekeeper.history.state.events import decode_events, encode_events
from storekeeper.history.state.latest import LatestRows, decode_latest
from storekeeper.history.state.latest_decode import LatestColumns, decode_latest_columns, row_times
from storekeeper.history.state.latest_encode import encode_latest
from storekeeper.history.state.latest_layout import LatestLayout, plan_latest
from storekeeper.history.state.layout import StateLayout, plan_state
from storekeeper.history.state.outputs import StateColumns
from storekeeper.history.state.read import read_state, read_state_columns
from storekeeper.history.state.reader import StateReader
from storekeeper.history.state.recent import RecentEvents

__all__ = [
    "BuiltState",
    "LatestColumns",
    "LatestLayout",
    "LatestRows",
    "RecentEvents",
    "StateColumns",
    "StateLayout",
    "StateReader",
    "build_state",
    "decode_events",
    "decode_latest",
    "decode_latest_columns",
    "encode_events",
    "encode_latest",
    "plan_latest",
    "plan_state",
    "read_state",
    "read_state_columns",
    "row_times",
]
