"""A log whose events reach its source and the online store in any order, and what a view over it must answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan
from storekeeper.definitions.views import TIMESTAMP
from storekeeper.history import WindowFeature
from storekeeper.history.features import DAY_US
from storekeeper.history.state import encode_events
from storekeeper.materialise import Fingerprints, Outcome, Run, materialise
from storekeeper.offline.compute import values_at
from storekeeper.offline.memory import MemoryBudget
from storekeeper.online.backends import Backend, PushedRow
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.event_ids import event_ids
from storekeeper.online.latest_rows import encode_rows
from storekeeper.online.layers import EncodedRows
from storekeeper.online.view_state import ViewState, to_us
from storekeeper.testing.memory import MemoryBackend

NOON = datetime(2020, 3, 1, 12, tzinfo=UTC)
USERS = (1, 2, 3)
WINDOWS = (
    WindowFeature("n", "count", "", 7 * DAY_US),
    WindowFeature("total", "sum", "amount", 28 * DAY_US),
    WindowFeature("words", "count_distinct", "word", 7 * DAY_US),
    WindowFeature("newest", "last_n(3)", "word", 28 * DAY_US),
    WindowFeature("longest_ago", "first", "word", 28 * DAY_US),
)
ALWAYS = (*WINDOWS[:2], WindowFeature("ever", "count", "", None), WindowFeature("oldest", "first", "word", None))
TYPES = {
    "n": pa.int64(), "total": pa.float64(), "words": pa.int64(), "newest": pa.list_(pa.string()),
    "longest_ago": pa.string(), "ever": pa.int64(), "oldest": pa.string(),
}  # fmt: skip
SCHEMA = pa.schema(
    [
        ("user_id", pa.int64()), ("number", pa.int64()), ("at", TIMESTAMP), ("known", TIMESTAMP),
        ("amount", pa.float64()), ("word", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Event:
    """Something that a user did; no two happen at once, so that their order is never in doubt."""

    number: int
    user: int
    age: timedelta

    @property
    def at(self) -> datetime:
        """When it happened."""
        return NOON - self.age - timedelta(microseconds=self.number)

    def row(self, known: datetime) -> dict[str, Any]:
        """It, as somebody tells it who knows of it from then on."""
        amount, word = 0.5 * self.number, f"word {self.number % 3}"
        return {
            "user_id": self.user, "number": self.number, "at": self.at, "known": known, "amount": amount, "word": word,
        }  # fmt: skip


@dataclass
class Log:
    """The source, the online store and the clock, of which each step moves one.

    Attributes
    ----------
    windows
        Of the view; none for a latest-value one.
    id_column
        Whether the source has a column that tells events apart.
    spills
        Whether the source is more than memory may hold.
    pushed_to
        Whether the view is over a push source.
    told
        What was pushed of each event, as it was known first.
    held
        What the source had of each event at the last materialisation.
    """

    folder: Path
    windows: tuple[WindowFeature, ...] = WINDOWS
    id_column: bool = False
    spills: bool = False
    now: datetime = NOON
    backend: Backend = field(default_factory=MemoryBackend)
    source: list[dict[str, Any]] = field(default_factory=list)
    told: dict[int, dict[str, Any]] = field(default_factory=dict)
    held: dict[int, dict[str, Any]] = field(default_factory=dict)
    pushed_to: bool = True

    @property
    def plan(self) -> ViewPlan:
        """How the view is computed."""
        tags = {"event_id": "number"} if self.id_column else {}
        source = FileSource(
            name="log", path=str(self.folder / "log.parquet"), timestamp_field="at", created_timestamp_column="known",
            tags=tags,
        )  # fmt: skip
        types = {window.name: TYPES[window.name] for window in self.windows}
        return ViewPlan(
            "view", source, ("user_id",), {"user_id": pa.int64()}, "at", "known", 0,
            types or {"amount": pa.float64(), "word": pa.string()}, self.windows, self.pushed_to,
        )  # fmt: skip

    @property
    def state(self) -> ViewState:
        """The view's state."""
        return ViewState(self.plan, "small/view", self.backend)

    @property
    def config(self) -> Any:
        """As much of Feast's configuration as reading a file needs."""
        (self.folder / "feature_repo").mkdir(exist_ok=True)
        (self.folder / "feature_repo" / "feature_store.yaml").touch()
        return RepoConfig.model_construct(repo_path=self.folder / "feature_repo")

    def append(self, event: Event) -> None:
        """Let the source have an event, known from now on."""
        self.source.append(event.row(self.now))

    def push(self, event: Event, known: datetime | None = None) -> bool:
        """Push an event, as a retry or before the source has it, known since some time. Whether it was new."""
        row = event.row(known or self.now)
        self.told[event.number] = min(self.told.get(event.number, row), row, key=lambda told: told["known"])
        newest = {} if self.windows else {"newest_at_us": to_us(self.now)}
        (is_new,) = self.backend.push("small/view", self._encoded(pa.Table.from_pylist([row], SCHEMA)), **newest)
        return is_new

    def _encoded(self, rows: pa.Table) -> list[PushedRow]:
        ids = event_ids(rows, self.plan, "number" if self.id_column else None)
        if not self.windows:
            return encode_rows(rows, self.plan).pushed(ids)
        blobs = encode_events(rows, self.state.layout(), event_time="at", known_time="known")
        times = [rows[name].cast(pa.int64()).to_numpy() for name in ("at", "known")]
        return EncodedRows(key_bytes(rows.select(["user_id"])), times[0], times[1], blobs).pushed(ids)

    def materialise(self, lookback: timedelta | None = None, backend: Backend | None = None) -> Outcome:
        """Bring the view's state to now; without a lookback all of it."""
        pq.write_table(pa.Table.from_pylist(self.source, SCHEMA), self.folder / "log.parquet", row_group_size=2)
        budget = MemoryBudget(1 if self.spills else 10**9, 10**9, self.folder / "spill")
        state = ViewState(self.plan, "small/view", backend or self.backend)
        fingerprints = Fingerprints(self.config, [self.plan])
        outcome = materialise(state, self.config, Run(self.now, lookback), fingerprints, budget)
        self.held = {row["number"]: row for row in self.source}
        return outcome

    def served(self) -> list[dict[str, Any]]:
        """What the online store answers of each user now."""
        keys = pa.table({"user_id": pa.array(USERS, pa.int64())})
        return self.state.read(keys, list(self.plan.types), self.now).to_pylist()

    def expected(self) -> list[dict[str, Any]]:
        """What the kernel answers of the source's events and of those that were pushed and aren't in it."""
        there = {row["number"] for row in self.source}
        return self._answered([*self.source, *(row for number, row in self.told.items() if number not in there)])

    def expected_meanwhile(self) -> list[dict[str, Any]]:
        """What the kernel answers of what was pushed, or was in the source at the last materialisation."""
        return self._answered(list({**self.told, **self.held}.values()))

    def _answered(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        asking = {"user_id": pa.array(USERS, pa.int64()), "now": pa.array([self.now] * len(USERS), TIMESTAMP)}
        events, plan = pa.Table.from_pylist(rows, SCHEMA), self.plan
        return values_at(plan, list(plan.types), events, pa.table(asking), time="now", cutoff=True).to_pylist()

    def written(self, backend: Backend | None = None) -> tuple[Any, ...]:
        """All that the backend holds of the view."""
        return layers(backend or self.backend)


def layers(backend: Backend) -> tuple[Any, ...]:
    """A view's meta, state, pushed rows and what is remembered of those that went."""
    from storekeeper.online.backends import Asked

    keys: Sequence[bytes] = backend.keys("small/view")
    (found,) = backend.read([Asked("small/view", keys)])
    return backend.meta("small/view"), keys, found, sorted(backend.remembered("small/view"))
