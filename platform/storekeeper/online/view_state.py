"""One view's state: building it from the source, and reading features from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan, as_declared, read_rows
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature
from storekeeper.history.columns import column_kind, times_us
from storekeeper.history.state import (
    build_state,
    decode_latest,
    encode_latest,
    plan_latest,
    plan_state,
    read_state,
)
from storekeeper.history.state.latest import LatestRows
from storekeeper.history.state.layout import StateLayout
from storekeeper.history.visible import latest_visible
from storekeeper.online.backends import Asked, Backend, Found, ViewMeta
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.layers import EncodedRows, Question, newer, settle, unreadable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TYPES: dict[str, pa.DataType] = {
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


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

    def materialise(self, config: RepoConfig, until: datetime, made_from: str = "") -> int:
        """Build the view's state as it stands at `until` and put it in place of the old, at once.

        Everything is read again, so late rows and corrections are in; an interrupted run leaves the old state. Of a
        latest-value view those pushed rows go that are no newer than the state, or were pushed for another definition.

        Parameters
        ----------
        made_from
            Kept in the view's meta, to tell later whether anything has changed.

        Returns
        -------
        int
            How many entities have state.
        """
        pushed = [] if self.plan.is_windowed else list(self.backend.pushed(self.name))
        events = self._read(config, until)
        if self.plan.is_windowed:
            kinds = {w.column: column_kind(events.schema.field(w.column).type) for w in self.plan.windows if w.column}
            rows = self._windowed_rows(events, kinds, to_us(until))
        else:
            kinds, rows = {}, self._latest_rows(events, to_us(until))
        meta = ViewMeta(to_us(until), kinds, made_from)
        gone = [*unreadable(pushed, plan_latest(self.plan.types)), *rows.no_newer(pushed)] if pushed else []
        return self.backend.replace(self.name, rows.in_key_order(), meta, map(settle, gone))

    def question(self, keys: pa.Table) -> Question:
        """What to ask the backend for features of `keys`; what it finds goes to `answer`."""
        encoded = key_bytes(keys)
        places = [place for place, key in enumerate(encoded) if key is not None]
        return Question(Asked(self.name, [key for key in encoded if key is not None]), places, len(encoded))

    def answer(self, question: Question, found: Found, features: Sequence[str], now: datetime) -> pa.Table:
        """Features at `now` of what was found, in the declared types, one row a row of keys."""
        if not self.plan.is_windowed:
            return self._latest(question, found, now).features.select(list(features))
        windows = self.plan.windows_of(features)
        return as_declared(read_state(question.state(found), self._layout(), windows, to_us(now)), self.plan)

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
        """Of each row of keys the newer of what its state holds and what was pushed; then its ttl counts."""
        state, owners = question.state(found), [question.places[owner] for owner in found.owners]
        layout, now_us = plan_latest(self.plan.types), to_us(now)
        rows = decode_latest([*state, *found.pushed], layout, ttl_us=self.plan.ttl_us, now_us=now_us)
        return newer(rows, [blob is not None for blob in state], owners) if owners else rows

    def write_latest(self, rows: pa.Table, now: datetime) -> int:
        """Push single rows of a latest-value view, each unless a newer one of its entity was pushed.

        Returns
        -------
        int
            How many were written.

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
        return sum(self.backend.push(self.name, self._encode_latest(rows).pushed()))

    def _layout(self) -> StateLayout:
        meta = self.backend.meta(self.name)
        kinds = meta.kinds if meta else {}
        known = {w.column: kinds.get(w.column) or self._declared_kind(w.column) for w in self.plan.windows if w.column}
        return _layout_for(self.plan.windows, tuple(sorted(known.items())))

    def _declared_kind(self, column: str) -> str:
        """A column's kind before anything was materialised, by what its features are declared to be."""
        for window in self.plan.windows:
            declared = self.plan.types[window.name]
            if window.column == column and window.base_function in {"min", "max", "first", "last", "last_n", "sum"}:
                return column_kind(declared.value_type if pa.types.is_list(declared) else declared)
        return "int"

    def _read(self, config: RepoConfig, until: datetime) -> pa.Table:
        plan = self.plan
        reach = plan.longest_window_us if plan.is_windowed else None
        start = None if reach is None else until - timedelta(microseconds=reach)
        return read_rows(plan, list(plan.types), config, start, until)

    def _windowed_rows(self, events: pa.Table, kinds: dict[str, str], until_us: int) -> EncodedRows:
        plan = self.plan
        layout = _layout_for(plan.windows, tuple(sorted(kinds.items())))
        built = build_state(
            events, layout, keys=plan.keys, event_time=plan.event_time, until_us=until_us, known_time=plan.known_time
        )
        # A table without columns forgets how many rows it had.
        keys = key_bytes(built.keys) if plan.keys else [b""] * len(built.blobs)
        return EncodedRows(keys, built.newest_us, built.newest_us, built.blobs)

    def _latest_rows(self, events: pa.Table, until_us: int) -> EncodedRows:
        plan = self.plan
        latest = latest_visible(
            events, keys=plan.keys, event_time=plan.event_time, known_time=plan.known_time, until_us=until_us
        )
        return self._encode_latest(latest)

    def _encode_latest(self, rows: pa.Table) -> EncodedRows:
        plan = self.plan
        declared = as_declared(rows.select(list(plan.types)), plan)
        times = {name: rows.column(name) for name in filter(None, (plan.event_time, plan.known_time))}
        table = pa.table({**{n: declared.column(n) for n in declared.column_names}, **_renamed(times)})
        blobs = encode_latest(
            table,
            plan_latest(plan.types),
            event_time=_reserved(plan.event_time),
            known_time=_reserved(plan.known_time) if plan.known_time else None,
        )
        event = times_us(plan.event_time, rows.column(plan.event_time))
        known = times_us(plan.known_time, rows.column(plan.known_time), fallback=event) if plan.known_time else event
        return EncodedRows(key_bytes(rows.select(list(plan.keys))), event, known, blobs)


@lru_cache(maxsize=1024)
def _layout_for(windows: tuple[WindowFeature, ...], kinds: tuple[tuple[str, str], ...]) -> StateLayout:
    """The layout of a view whose aggregated columns are of some kinds; the same at every read."""
    return plan_state(windows, {column: _TYPES[kind] for column, kind in kinds})


def _reserved(name: str) -> str:
    """A time column's name beside features, which may be named alike."""
    return f"__time__{name}"


def _renamed(columns: dict[str, pa.ChunkedArray]) -> dict[str, pa.ChunkedArray]:
    return {_reserved(name): column for name, column in columns.items()}
