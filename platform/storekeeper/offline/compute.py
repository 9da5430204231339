"""One view's features for the moments that ask, through the kernel."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from storekeeper.definitions import ViewPlan, as_declared
from storekeeper.history import as_of, windowed
from storekeeper.history.as_of import latest_rows
from storekeeper.history.order import stable_order
from storekeeper.history.parallel import side_by_side
from storekeeper.history.windowed import windowed_at
from storekeeper.offline.gather import Part
from storekeeper.sources import OpenSource
from storekeeper.sources.relation import ADDRESS


def values_at(
    plan: ViewPlan, features: Sequence[str], events: pa.Table, asking: pa.Table, *, time: str, cutoff: bool
) -> pa.Table:
    """Features from events at hand, one row a row of `asking`, in the declared types."""
    common: dict[str, Any] = {
        "keys": plan.keys, "event_time": plan.event_time, "spine_time": time,
        "known_time": plan.known_time, "cutoff": cutoff,
    }  # fmt: skip
    if plan.is_windowed:
        return as_declared(windowed(events, asking, features=plan.windows_of(features), **common), plan)
    return as_declared(as_of(events, asking, columns=features, ttl_us=plan.ttl_us, **common), plan)


def windows_of_parts(
    plan: ViewPlan, features: Sequence[str], parts: Iterator[Part], place: np.ndarray, *, cutoff: bool
) -> pa.Table:
    """Windowed features of a history that comes in parts; one row a row of the spine, in its order."""
    where, tables = [], []
    for part in parts:
        where.append(part.share.where)
        tables.append(
            windowed_at(
                part.events, part.codes, part.share.moments, event_time=plan.event_time,
                known_time=plan.known_time, features=plan.windows_of(features), cutoff=cutoff,
            )
        )  # fmt: skip
    return taken(pa.concat_tables(tables), _position(where, place)[place])


def latest_of_parts(
    plan: ViewPlan, features: tuple[str, ...], parts: Iterator[Part], place: np.ndarray, *, cutoff: bool
) -> pa.Table:
    """The current rows' values, where all columns were read along; in the spine's order."""
    where, tables = [], []
    for part in parts:
        where.append(part.share.where)
        tables.append(taken(part.events.select(list(features)), _current(plan, part, cutoff=cutoff)))
    return taken(pa.concat_tables(tables), _position(where, place)[place])


def latest_by_address(
    plan: ViewPlan,
    features: tuple[str, ...],
    parts: Iterator[Part],
    place: np.ndarray,
    source: OpenSource,
    *,
    cutoff: bool,
) -> pa.Table:
    """The same, where only times were read: the features of the rows found are read by their addresses."""
    found = np.full(len(place), -1, np.int64)
    for part in parts:
        rows = _current(plan, part, cutoff=cutoff)
        addresses = part.events.column(ADDRESS).to_numpy()
        found[part.share.where] = np.where(rows >= 0, addresses[np.maximum(rows, 0)], -1) if len(addresses) else -1
    wanted, position = _distinct(found)
    rows = source.read_at(wanted, features)
    order = np.append(stable_order(rows.column(ADDRESS).to_numpy()), -1)
    return taken(rows.select(list(features)), order[position[place]])


def _current(plan: ViewPlan, part: Part, *, cutoff: bool) -> np.ndarray:
    return latest_rows(
        part.events, part.codes, part.share.moments,
        event_time=plan.event_time, known_time=plan.known_time, ttl_us=plan.ttl_us, cutoff=cutoff,
    )  # fmt: skip


def taken(rows: pa.Table, position: np.ndarray) -> pa.Table:
    """Rows at (n,) int64 positions; null where negative."""
    missing = position < 0
    wanted = pa.array(position, mask=missing if missing.any() else None)
    columns = side_by_side(lambda column: column.take(wanted), rows.columns, rows=len(position))
    return pa.table(columns, schema=rows.schema)


def _position(where: Sequence[np.ndarray], place: np.ndarray) -> np.ndarray:
    """Where each moment's answer stands, given which moments were answered, part by part."""
    position = np.empty(len(place), np.int64)
    position[np.concatenate(where)] = np.arange(len(place))
    return position


def _distinct(addresses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending distinct addresses, and the position among them of each; -1 stays -1."""
    order = stable_order(addresses)
    placed = addresses[order]
    fresh = np.ones(len(placed), bool)
    fresh[1:] = placed[1:] != placed[:-1]
    fresh &= placed >= 0
    position = np.empty(len(addresses), np.int64)
    position[order] = np.cumsum(fresh) - 1
    return placed[fresh], position
