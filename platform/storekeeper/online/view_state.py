"""One view's state: building it from the source, and reading features from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.definitions import ViewPlan, as_declared, known_type
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature
from storekeeper.history.columns import column_kind
from storekeeper.history.state import (
    decode_events,
    decode_latest,
    plan_latest,
    plan_state,
    read_state,
)
from storekeeper.history.state.latest import LatestRows
from storekeeper.history.state.layout import StateLayout
from storekeeper.online.backends import Asked, Backend, Found
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.event_ids import event_id_column, event_ids
from storekeeper.online.latest_rows import encode_rows
from storekeeper.online.layers import Question, newer, seen_by

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: The Arrow type in which a column of each kind is kept.
KEPT_TYPES: dict[str, pa.DataType] = {
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
#: Kind of a column whose source holds fewer digits than a pushed value may have: those are kept as it would hold them.
SHORT_FLOAT = "float32"


def source_kind(type_: pa.DataType) -> str:
    """What a view's meta says of an aggregated column: its kind, or `SHORT_FLOAT`."""
    plain = type_.value_type if pa.types.is_dictionary(type_) else type_
    return SHORT_FLOAT if pa.types.is_float32(plain) else column_kind(plain)


def to_us(instant: datetime) -> int:
    """Microseconds since the epoch; naive means UTC."""
    return ((instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The instant, in UTC, that `to_us` turned into microseconds."""
    return _EPOCH + us * _MICROSECOND


@dataclass(frozen=True)
class ViewState:
    """The state of one view in a backend.

    Attributes
    ----------
    plan
        How the view is computed.
    name
        Its name in the backend: project and view.
    backend
        Where the blobs are.
    """

    plan: ViewPlan
    name: str
    backend: Backend

    def materialised_until(self) -> datetime | None:
        """The instant at which the state stands; None where it was never built."""
        meta = self.backend.meta(self.name)
        return from_us(meta.until_us) if meta and meta.until_us is not None else None

    def question(self, keys: pa.Table) -> Question:
        """What to ask the backend for features of `keys`; what it finds goes to `answer`."""
        encoded = key_bytes(keys)
        places = [place for place, key in enumerate(encoded) if key is not None]
        return Question(Asked(self.name, [key for key in encoded if key is not None]), places, len(encoded))

    def answer(self, question: Question, found: Found, features: Sequence[str], now: datetime) -> pa.Table:
        """Features at `now` of what was found, in the declared types, one row a row of keys."""
        if not self.plan.is_windowed:
            return self._latest(question, found, now).features.select(list(features))
        windows, layout = self.plan.windows_of(features), self.layout()
        recent = decode_events(question.owners(found), found.pushed, layout) if found.pushed else None
        return as_declared(read_state(question.state(found), layout, windows, to_us(now), recent), self.plan)

    def read(self, keys: pa.Table, features: Sequence[str], now: datetime) -> pa.Table:
        """Features of entities at `now`, in the declared types, one row a row of `keys`."""
        question = self.question(keys)
        return self.answer(question, self.backend.read([question.asked])[0], features, now)

    def read_timed(
        self, keys: pa.Table, features: Sequence[str], now: datetime
    ) -> tuple[pa.Table, list[datetime | None]]:
        """As `read`, and when each row of it happened.

        Returns
        -------
        features : pyarrow.Table
            As of `read`.
        times : list of datetime or None
            Of a latest-value view the event time of the row behind the values, None where none is to be seen; of a
            windowed view always `now`, for an unseen entity has features too (rule 11).
        """
        if self.plan.is_windowed:
            return self.read(keys, features, now), [now] * keys.num_rows
        question = self.question(keys)
        rows = self._latest(question, self.backend.read([question.asked])[0], now)
        seen = zip(rows.event_time.tolist(), rows.seen.tolist(), strict=True)
        times = [_EPOCH + us * _MICROSECOND if is_seen else None for us, is_seen in seen]
        return rows.features.select(list(features)), times

    def _latest(self, question: Question, found: Found, now: datetime) -> LatestRows:
        """Of each row of keys the newer of what its state holds and what was pushed by now; then its ttl counts."""
        state, now_us = question.state(found), to_us(now)
        owners, pushed = seen_by(now_us, question.owners(found), found.pushed)
        layout = plan_latest(self.plan.types)
        rows = decode_latest([*state, *pushed], layout, ttl_us=self.plan.ttl_us, now_us=now_us)
        return newer(rows, [blob is not None for blob in state], owners) if owners else rows

    def write_latest(self, rows: pa.Table, now: datetime) -> int:
        """Push single rows of a latest-value view, each unless a newer one of its entity was pushed, or it was itself.

        Returns
        -------
        int
            How many are new.

        Raises
        ------
        DataError
            If a row happens, or is known, later than `now`: state never answers with what is to come.
        """
        for column in filter(None, (self.plan.event_time, self.plan.known_time)):
            latest = pc.max(rows.column(column)).as_py()
            if latest is not None and latest > now:
                raise DataError(
                    f"Feature view '{self.plan.name}': a row of {latest.isoformat()} ('{column}') is in the future; "
                    f"the clock shows {now.isoformat()}. Write it when its time has come, or set the clock."
                )
        named = event_id_column(self.plan.source)
        ids = event_ids(rows, self.plan, named if named in rows.column_names else None)
        return sum(self.backend.push(self.name, encode_rows(rows, self.plan).pushed(ids), to_us(now)))

    def layout(self) -> StateLayout:
        """What windowed state looks like, by what the last materialisation found its columns to be."""
        meta = self.backend.meta(self.name)
        kinds = meta.kinds if meta else {}
        columns = {window.column for window in self.plan.windows if window.column}
        known = {column: kinds.get(column) or source_kind(known_type(self.plan, column)) for column in columns}
        return layout_for(self.plan.windows, tuple(sorted(known.items())))


@lru_cache(maxsize=1024)
def layout_for(windows: tuple[WindowFeature, ...], kinds: tuple[tuple[str, str], ...]) -> StateLayout:
    """The layout of a view whose aggregated columns are of some kinds; the same at every read."""
    return plan_state(windows, {column: KEPT_TYPES["float" if kind == SHORT_FLOAT else kind] for column, kind in kinds})
