"""What is measured: sizes, windows, and the contenders of each case."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["latest", "windows"]

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
TTL_DAYS = 7
VIEWS = ("a", "b", "c")
FEATURES_PER_VIEW = 7

# Window -> its length and the hop that its old edge is aligned to, in microseconds.
WINDOWS = {
    "1h": (HOUR_US, HOUR_US // 12),
    "1d": (DAY_US, HOUR_US),
    "7d": (7 * DAY_US, HOUR_US),
    "30d": (30 * DAY_US, DAY_US),
}
FUNCTIONS = ("count", "amount", "quantity", "highest")

LATEST = tuple(f"{view}{number}" for view in VIEWS for number in range(1, FEATURES_PER_VIEW + 1))
WINDOWED = tuple(f"{function}{window}" for window in WINDOWS for function in FUNCTIONS)
SUMS = tuple(name for name in WINDOWED if not name.startswith("highest"))


@dataclass(frozen=True)
class Contender:
    """One way to the answer.

    Attributes
    ----------
    name
        As on the command line and in results.
    what
        One line for readers.
    gives
        Names of the result's columns; empty for a mark to measure others by, which gives no answer.
    """

    name: str
    what: str
    gives: tuple[str, ...]


CONTENDERS: dict[Kind, tuple[Contender, ...]] = {
    "latest": (
        Contender("storekeeper", "Feast with Storekeeper's offline store", LATEST),
        Contender("feast-duckdb", "Feast with its own DuckDB offline store", LATEST),
        Contender("duckdb-asof", "DuckDB's ASOF JOIN in SQL; ttl by CASE", LATEST),
        Contender("polars", "polars' join_asof; ttl by tolerance", LATEST),
    ),
    "windows": (
        Contender("storekeeper", "Feast with Storekeeper's offline store, all windows in one view", WINDOWED),
        Contender("range-join", "SQL: one range join over the longest window, shorter ones by FILTER", WINDOWED),
        Contender("range-frame", "SQL: RANGE window frames over the union of events and spine", WINDOWED),
        Contender("prefix-asof", "SQL: running sums and five ASOF joins; it has no maximum", SUMS),
        Contender("hop-tiles", "SQL: tiles per hop, and the events of the running tile", WINDOWED),
        Contender("one-window", "Storekeeper with the 30-day window alone", WINDOWED[-len(FUNCTIONS) :]),
        Contender("floor", "DuckDB reads the columns needed and sorts them once; no answer", ()),
    ),
}


@dataclass(frozen=True)
class Case:
    """One table of results.

    Attributes
    ----------
    kind
        Which contenders run.
    name
        Short and unique among cases of one size, such as `dense`.
    spine_rows, event_rows, entities
        Rows asked for; rows of each source; distinct keys.
    """

    kind: Kind
    name: str
    spine_rows: int
    event_rows: int
    entities: int

    @property
    def slug(self) -> str:
        """A folder's name."""
        return f"{self.name}-{self.spine_rows}-{self.event_rows}-{self.entities}"

    @property
    def title(self) -> str:
        """A heading."""
        if self.kind == "latest":
            work = f"{len(VIEWS)} views × {FEATURES_PER_VIEW} features, ttl {TTL_DAYS} days"
            return f"Latest value, {short(self.spine_rows)} spine rows × {short(self.event_rows)} rows a view ({work})"
        return (
            f"Windows, {self.name}: {short(self.event_rows)} events, {short(self.entities)} entities, "
            f"{short(self.spine_rows)} spine rows"
        )


def latest(spine_rows: int, event_rows: int, entities: int | None = None) -> Case:
    """A latest-value case; by default a hundred rows an entity."""
    return Case("latest", "latest", spine_rows, event_rows, entities or max(event_rows // 100, 1))


SMALL = (
    latest(100_000, 1_000_000),
    Case("windows", "dense", 10_000, 400_000, 50),
    Case("windows", "sparse", 25_000, 250_000, 5_000),
)
LARGE = (
    latest(100_000, 1_000_000),
    latest(10_000, 10_000_000),
    latest(1_000_000, 10_000_000),
    Case("windows", "dense", 200_000, 8_000_000, 1_000),
    Case("windows", "sparse", 500_000, 5_000_000, 100_000),
)
TOY = {"latest": latest(50, 500, 20), "windows": Case("windows", "toy", 50, 500, 5)}


def short(count: int) -> str:
    """A count as people say it.

    >>> short(1_500_000), short(100_000), short(42)
    ('1.5M', '100k', '42')
    """
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if count >= unit:
            return f"{count / unit:g}{name}"
    return str(count)
