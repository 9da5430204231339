"""A simulated shop's deliveries as a stream: in the order of arrival, some late, some twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.shop.columns import EVENT_TYPES, IMPRESSION
from storekeeper.shop.simulator.deliveries import Events, part_repeats
from storekeeper.shop.simulator.loading import simulate_events
from storekeeper.shop.simulator.options import SimulationOptions
from storekeeper.shop.simulator.world import make_world
from storekeeper.shop.simulator.writing import to_rows

TIME = pa.timestamp("us", "UTC")
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
#: What a shop's browsers tell, and what its tills tell.
LOOKS = ("impression", "click", "view", "cart_add", "cart_remove")
_IMPRESSIONS_KEPT = 3
_RETRIED_EVERY, _LONGEST_RETRY_SECONDS = 11, 1_800


@dataclass(frozen=True)
class Stream:
    """Deliveries in the order of their arrival.

    Attributes
    ----------
    rows
        One a delivery: keys, times and values.
    arrivals
        (n_rows,) int64: when each came, microseconds, ascending.
    again
        (n_rows,) bool: whether it came before.
    is_look
        (n_rows,) bool: whether a browser told it.
    """

    rows: pa.Table
    arrivals: np.ndarray
    again: np.ndarray
    is_look: np.ndarray


def simulated_stream(options: SimulationOptions) -> Stream:
    """The stream of a simulated shop: a third of its impressions, and more retries than it has, most of them soon."""
    world = make_world(options)
    events, repeats, first_places = part_repeats(np.concatenate(list(_kept(simulate_events(world)))))
    repeats["time"] = events["time"][first_places]
    soon_places = np.arange(0, len(events), _RETRIED_EVERY)
    soon = events[soon_places]
    soon["known"] += 1_000_000 * (1 + soon_places % _LONGEST_RETRY_SECONDS)
    numbers, first_places = np.arange(len(events)) + 1, np.concatenate([first_places, soon_places])
    deliveries = np.concatenate([events, repeats, soon])
    order = np.argsort(deliveries["known"], kind="stable")
    rows = _columns(to_rows(world, deliveries[order], np.concatenate([numbers, numbers[first_places]])[order]))
    is_look = pc.is_in(rows["event_type"], pa.array(LOOKS)).to_numpy(zero_copy_only=False)
    return Stream(rows, deliveries["known"][order], order >= len(events), is_look)


def _kept(blocks: Iterator[Events]) -> Iterator[Events]:
    impression = EVENT_TYPES.index(IMPRESSION)
    for block in blocks:
        yield block[(block["type"] != impression) | (block["key"] % np.uint64(_IMPRESSIONS_KEPT) == 0)]


def _columns(rows: pa.Table) -> pa.Table:
    """Columns of every kind that a window can look at, with the nulls that they have in a shop."""
    paid, pieces = rows["amount_cents"].cast(pa.float64()), rows["quantity"].cast(pa.float64())
    happened, known = (rows[name].cast(TIME) for name in ("event_time", "known_time"))
    is_timeless = pc.equal(pc.bit_wise_and(rows["event_id"], 3), 0)
    return pa.table(
        {
            "number": rows["event_id"],
            "customer_id": rows["customer_id"],
            "product_id": rows["product_id"],
            "category": rows["category"].cast(pa.string()),
            "event_time": happened,
            "known_time": known,
            "cents": rows["amount_cents"].cast(pa.int64()),
            "price": pc.divide(paid, pc.add(pc.coalesce(pieces, pa.scalar(0.0)), pa.scalar(1 / 3))),
            "saved": pc.greater(rows["discount_cents"], pa.scalar(0)),
            "event_type": rows["event_type"].cast(pa.string()),
            "hour": pc.if_else(is_timeless, pa.scalar(None, TIME), pc.floor_temporal(happened, unit="hour")),
        }
    )


def to_us(instant: datetime) -> int:
    """Microseconds since the epoch."""
    return (instant - EPOCH) // MICROSECOND


def from_us(us: int) -> datetime:
    """The instant."""
    return EPOCH + int(us) * MICROSECOND
