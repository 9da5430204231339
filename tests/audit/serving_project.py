"""A small project that serves: two views, an on-demand view, and the real served log."""

import linecache
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from projects import NOW, Project
from storekeeper.audit.log import ServedLog
from storekeeper.audit.replay import ServiceAudit, audit_served
from storekeeper.audit.witness import Witness
from storekeeper.online.reader import FeatureReader

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
USERS = [1, 2, 3, 4]

DECLARED = """
activity = StreamFeatureView(
    name="activity", entities=[user], timestamp_field="at",
    schema=[Field(name="clicks_7d", dtype=Int64), Field(name="spend_7d", dtype=Float64)],
    source=PushSource(name="clicks", batch_source=DuckDBSource(
        name="click_log", database="data/behaviour.duckdb", table="clicks", timestamp_field="at"{known})),
    aggregations=[
        Aggregation(function="count", time_window=timedelta(days={days}), name="clicks_7d"),
        Aggregation(column="price", function="sum", time_window=timedelta(days=7), name="spend_7d"),
    ],
)
profile = FeatureView(
    name="profile", entities=[user], ttl=timedelta(days={ttl}),
    schema=[Field(name="tier", dtype=String), Field(name="score", dtype=Float64)],
    source=DuckDBSource(
        name="profiles", database="data/behaviour.duckdb", table="profiles", timestamp_field="since"),
)
asked = RequestSource(name="asked", schema=[Field(name="price", dtype=Float64)])

@on_demand_feature_view(sources=[asked, activity[["spend_7d"]]], schema=[Field(name="share", dtype=Float64)])
def basket(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({{"share": inputs["price"] / ({plus} + inputs["spend_7d"])}})

shop = FeatureService(name="shop", features=[activity, profile, basket])
"""

Change = Callable[[pa.Table], pa.Table]


def moment(days: float) -> datetime:
    """So many days before `NOW`, without a timezone, as sources hold it."""
    return (NOW - timedelta(days=days)).replace(tzinfo=None)


def clicks(rows: list[tuple[int, float, float]]) -> pa.Table:
    """Clicks: user, days before `NOW`, price."""
    users, days, prices = zip(*rows, strict=True)
    return pa.table(
        {
            "user_id": pa.array(users, pa.int64()),
            "at": pa.array([moment(day) for day in days], pa.timestamp("us")),
            "price": pa.array(prices, pa.float64()),
        }
    )


#: Nothing happened on the last day, so that state of a day ago lacks nothing.
FIRST = [(1, 6.5, 1.1), (1, 3.2, 2.3), (2, 5.1, 0.7), (2, 1.5, 0.9), (3, 2.2, 4.4), (4, 1.2, 0.3), (4, 10.0, 7.7)]


@dataclass
class Shop:
    """A project with a feature service `shop`."""

    project: Project
    days: int = 7
    ttl: int = 2
    plus: int = 1
    known: str = ""
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.project.root / "data" / "served"

    def open(self) -> "Shop":
        """Fill the sources, apply the declarations, and materialise up to the clock's now."""
        self.project.add_duckdb("clicks", clicks(FIRST))
        profiles = {"user_id": USERS, "since": [moment(d) for d in (0.5, 1.5, 2.5, 4)], "tier": list("abcd")}
        self.project.add_duckdb("profiles", pa.table(profiles | {"score": [0.1, 0.2, 0.3, 0.4]}))
        self.apply()
        self.materialise()
        return self

    def apply(self) -> None:
        """Register the declarations as they are now."""
        # Feast takes the text of on-demand functions from here, where one process registers only once.
        linecache.clearcache()
        self.project.apply(DECLARED.format(days=self.days, ttl=self.ttl, plus=self.plus, known=self.known))

    def materialise(self, until: datetime | None = None) -> None:
        """Build all state."""
        store = self.project.open()
        for view in store.all_feature_views():
            store.materialise_view(view, until)

    def click(self, *rows: tuple[int, float, float]) -> None:
        """Append clicks to the source."""
        import duckdb

        with duckdb.connect(str(self.project.root / "data" / "behaviour.duckdb")) as connection:
            connection.register("more", clicks(list(rows)))
            connection.execute("INSERT INTO clicks BY NAME SELECT * FROM more")

    def sql(self, statement: str) -> None:
        """Change the sources otherwise."""
        import duckdb

        with duckdb.connect(str(self.project.root / "data" / "behaviour.duckdb")) as connection:
            connection.execute(statement)

    def serve(
        self,
        users: list[int] | None = None,
        change: Change = lambda table: table,
        *,
        at: datetime = NOW,
        bare: bool = False,
    ) -> None:
        """Read features online and log them, as a server does.

        Parameters
        ----------
        change
            What becomes of the vectors between the reader and the model.
        at
            When they are served.
        bare
            Without evidence, as logs were written once.
        """
        asked, witness = users or USERS, Witness.of(self.project.open(), "shop")
        evidence = None if bare else witness.testify()
        given: dict[str, Any] = {"user_id": pa.array(asked, pa.int64()), "price": pa.array([9.9] * len(asked))}
        found = self.read(asked, at)
        vectors = pa.table({**given, **{name: found.column(name) for name in found.column_names}})
        with ServedLog(self.log) as log:
            log.append("shop", witness.definition_hash, at.astimezone(UTC), change(vectors), evidence)

    def read(self, users: list[int], at: datetime) -> pa.Table:
        """Features of users at an instant, online."""
        reader = FeatureReader(self.project.open(), "shop")
        return reader.read_table({"user_id": users}, {"price": [9.9] * len(users)}, at)

    def without_ttl(self) -> "Shop":
        """A shop over a copy of the same sources that doesn't know of the ttl, as Feast's own online stores don't."""
        root = self.project.root.with_name(f"{self.project.root.name}-without-ttl")
        shutil.copytree(self.project.root, root)
        other = replace(self, project=Project(root), ttl=0)
        other.apply()
        other.materialise()
        return other

    def audit(self) -> ServiceAudit:
        """The audit of the one definition that was served."""
        (found,) = audit_served(self.project.open(), self.log)
        return found


def profile_of(found: pa.Table) -> Change:
    """Vectors with the profile that another reader found."""
    return lambda table: replaced(replaced(table, "tier", found.column("tier")), "score", found.column("score"))


def replaced(table: pa.Table, name: str, column: Any) -> pa.Table:
    """A table with another column of the same name."""
    return table.set_column(table.column_names.index(name), name, column)
