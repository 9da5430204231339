"""From deliveries to rows of the behaviour log, batch by batch."""
# ruff: noqa: S608 (table and column names are constants of this package)

from dataclasses import dataclass, field

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storekeeper.shop.columns import (
    CART_ADD,
    EVENT_COLUMNS,
    EVENT_TYPES,
    EVENTS,
    IMPRESSION,
    OFFER_RECEIVED,
    PURCHASE,
    VIEW,
)
from storekeeper.shop.simulator.catalogue import CATEGORIES, DEPARTMENT_OF, DEPARTMENTS
from storekeeper.shop.simulator.deliveries import Events, part_repeats
from storekeeper.shop.simulator.reviews import TEXTS
from storekeeper.shop.simulator.words import spell
from storekeeper.shop.simulator.world import World

TRUTH = "truth"
TRUTH_COLUMNS = {"event_id": "BIGINT", "decision": "VARCHAR", "probability": "FLOAT"}
SIMULATION = "simulation"
REPEATED = "second delivery of the same event"
REJECTED = "deliveries_rejects"

# What is decided after an event of each type, in the order of the field `truth`.
DECISIONS = {
    IMPRESSION: ("click",),
    VIEW: ("cart", "purchase"),
    CART_ADD: ("checkout",),
    PURCHASE: ("return", "next_item", "churn", "again"),
    OFFER_RECEIVED: ("redeem",),
}
_STORES = 8
_DECISION_NAMES = tuple(name for names in DECISIONS.values() for name in names)


@dataclass
class Tally:
    """What has been written so far.

    Attributes
    ----------
    deliveries, events, repeated, late
        Deliveries that came, events kept, second deliveries set aside, and events known later than they happened.
    """

    deliveries: int = 0
    events: int = 0
    repeated: int = 0
    late: int = 0


@dataclass
class LogWriter:
    """Appends deliveries, which must come in the order of their event times, to a behaviour log.

    Attributes
    ----------
    connection
        To the log, from `write_behaviour`.
    world
        Whose events they are.
    batch_rows
        How many are gathered before they are written; makes no difference to what is written.
    """

    connection: duckdb.DuckDBPyConnection
    world: World
    batch_rows: int
    tally: Tally = field(default_factory=Tally)
    _gathered: list[Events] = field(default_factory=list)

    def create(self) -> None:
        """Create the tables that only a simulated shop has, and the one for rejects."""
        columns = ", ".join(f"{name} {kind}" for name, kind in TRUTH_COLUMNS.items())
        self.connection.execute(f"CREATE TABLE {TRUTH} ({columns})")
        self.connection.execute(f"CREATE TEMP TABLE {REJECTED} (reason VARCHAR, row JSON)")

    def append(self, ordered: Events) -> None:
        """Write these, now or with the next ones. Both deliveries of an event must be among them."""
        self._gathered.append(ordered)
        if sum(map(len, self._gathered)) >= self.batch_rows:
            self.flush()

    def flush(self) -> None:
        """Write what is gathered."""
        if not self._gathered:
            return
        deliveries = np.concatenate(self._gathered)
        self._gathered = []
        events, repeats, first_place = part_repeats(deliveries)
        ids = np.arange(self.tally.events, self.tally.events + len(events)) + 1
        self._insert(EVENTS, to_rows(self.world, events, ids))
        self._insert(TRUTH, _truths(events, ids))
        if len(repeats):
            self._reject(to_rows(self.world, repeats, ids[first_place]))
        self.tally.deliveries += len(deliveries)
        self.tally.events += len(events)
        self.tally.repeated += len(repeats)
        self.tally.late += int((events["known"] > events["time"]).sum())

    def _insert(self, table: str, rows: pa.Table) -> None:
        self.connection.register("simulated_rows", rows)
        self.connection.execute(f"INSERT INTO {table} BY NAME FROM simulated_rows")
        self.connection.unregister("simulated_rows")

    def _reject(self, rows: pa.Table) -> None:
        self.connection.register("simulated_rows", rows)
        self.connection.execute(
            f"INSERT INTO {REJECTED} SELECT '{REPEATED}', to_json(simulated_rows) FROM simulated_rows"
        )
        self.connection.unregister("simulated_rows")


def to_rows(world: World, events: Events, ids: npt.NDArray[np.int64]) -> pa.Table:
    """Rows of the behaviour log, in its columns and order."""
    product, catalogue = events["product"], world.catalogue
    no_product = product < 0
    category = catalogue.category[product]
    has_basket = events["basket"] >= 0
    columns = {
        "event_id": ids,
        "event_type": spell(EVENT_TYPES, events["type"]),
        "event_time": _instants(events["time"]),
        "known_time": _instants(events["known"]),
        "customer_id": events["who"] + 1,
        "product_id": pa.array(catalogue.product_ids[product], mask=no_product),
        "category": spell(CATEGORIES, category, no_product),
        "department": spell(DEPARTMENTS, DEPARTMENT_OF[category], no_product),
        "basket_id": _optional(events["basket"]),
        "session_id": _optional(events["session"]),
        "store_id": pa.array(events["who"] % _STORES + 1, mask=~has_basket),
        "campaign_id": _optional(events["campaign"]),
        "offer_id": _optional(events["offer"]),
        "quantity": _optional(events["quantity"]),
        "amount_cents": _optional(events["amount"]),
        "discount_cents": _optional(events["discount"]),
        "coupon_cents": _optional(events["coupon"]),
        "rating": pa.array(events["rating"].astype(np.float64), mask=events["rating"] == 0),
        "review_text": spell(TEXTS, events["text"], events["text"] < 0),
    }
    return pa.table({name: columns[name] for name in EVENT_COLUMNS})


def _truths(events: Events, ids: npt.NDArray[np.int64]) -> pa.Table:
    """Rows of the table of true probabilities."""
    found, codes, chances = [], [], []
    for event_type, names in DECISIONS.items():
        rows = np.flatnonzero(events["type"] == EVENT_TYPES.index(event_type))
        truth = events["truth"][rows]
        for place, name in enumerate(names):
            decided = ~np.isnan(truth[:, place])
            found.append(ids[rows[decided]])
            codes.append(np.full(int(decided.sum()), _DECISION_NAMES.index(name), np.int8))
            chances.append(truth[decided, place])
    event_ids, code, chance = np.concatenate(found), np.concatenate(codes), np.concatenate(chances)
    return pa.table({"event_id": event_ids, "decision": spell(_DECISION_NAMES, code), "probability": chance})


def _instants(microseconds: npt.NDArray[np.int64]) -> npt.NDArray[np.datetime64]:
    return np.ascontiguousarray(microseconds).view("datetime64[us]")


def _optional(values: npt.NDArray[np.signedinteger]) -> pa.Array:
    return pa.array(values, mask=values < 0)
