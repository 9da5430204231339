"""What the online store keeps per entity, and the kernel's functions over it."""

from storekeeper.history.state.build import BuiltState, build_state
from storekeeper.history.state.latest import LatestLayout, decode_latest, encode_latest, plan_latest
from storekeeper.history.state.layout import StateLayout, plan_state
from storekeeper.history.state.read import read_state

__all__ = [
    "BuiltState",
    "LatestLayout",
    "StateLayout",
    "build_state",
    "decode_latest",
    "encode_latest",
    "plan_latest",
    "plan_state",
    "read_state",
]
