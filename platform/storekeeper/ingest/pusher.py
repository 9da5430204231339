"""Batches of events into a push source; each event's fate is its own, whatever it is pushed with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
from feast.data_source import PushMode

from storekeeper.ingest.batch import Batch, Event, Refused
from storekeeper.ingest.expected import ColumnsError, Expected, expected_columns
from storekeeper.push import push_events
from storekeeper.push_report import PushReport, Reject

_MOST_SHAPES = 1000


@dataclass(frozen=True)
class Pushed:
    """What became of a batch.

    Attributes
    ----------
    accepted, duplicates
        As of `PushReport`.
    refused
        The other events, in their order.
    """

    accepted: int
    duplicates: int
    refused: tuple[Refused, ...]

    @property
    def events(self) -> int:
        """How many there were."""
        return self.accepted + self.duplicates + len(self.refused)


@dataclass(frozen=True)
class EventPusher:
    """Pushes to one source.

    A table is refused as a whole if it lacks a column, as `push_events` refuses it. Of objects each has columns of its
    own: one that lacks a column is rejected, and the others go in.

    Parameters
    ----------
    store
        The feature store.
    source
        The push source's name.
    to
        Where events go.
    """

    store: Any
    source: str
    to: PushMode = PushMode.ONLINE
    expected: Expected = field(init=False)
    _shapes: dict[tuple[str, ...], dict[str, str] | str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "expected", expected_columns(self.store, self.source, self.to))

    def push_batch(self, batch: Batch) -> Pushed:
        """Push a batch; when this returns, what was accepted is committed."""
        report = self.push(batch.events)
        refused = [Refused(batch.places[one.row], one.reason, batch.original(one.row)) for one in report.rejected]
        in_order = sorted([*batch.unread, *refused], key=lambda one: one.place)
        return Pushed(report.accepted, report.duplicates, tuple(in_order))

    def push(self, events: Sequence[Event] | pa.Table) -> PushReport:
        """As `push_events`, of a table or of objects."""
        if isinstance(events, pa.Table):
            return self._push(events) if events.num_rows else PushReport(0, 0)
        places = [self._places(tuple(event)) for event in events]
        rejects = [Reject(row, reason) for row, reason in enumerate(places) if isinstance(reason, str)]
        kept = [(row, found) for row, found in enumerate(places) if not isinstance(found, str)]
        if not kept:
            return PushReport(0, 0, tuple(rejects))
        report = self._push(_frame([(events[row], found) for row, found in kept], self.expected))
        rejects += [Reject(kept[one.row][0], one.reason) for one in report.rejected]
        return PushReport(report.accepted, report.duplicates, tuple(sorted(rejects, key=lambda one: one.row)))

    def _push(self, rows: pa.Table | pd.DataFrame) -> PushReport:
        return push_events(self.store, self.source, rows, to=self.to)

    def _places(self, shape: tuple[str, ...]) -> dict[str, str] | str:
        """Where an event of these columns has those that are pushed, or why it can't be."""
        found = self._shapes.get(shape)
        if found is None:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            try:
                found = self.expected.places(shape)
            except ColumnsError as error:
                found = str(error)
            self._shapes[shape] = found
        return found


def _frame(events: Sequence[tuple[Event, dict[str, str]]], expected: Expected) -> pd.DataFrame:
    """Events as columns of Python objects, which are looked at one by one where they aren't alike."""
    optional = {name for name in expected.optional if any(name in places for _, places in events)}
    columns = {name: _column(name, events) for name in sorted(expected.needed | optional)}
    return pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in columns.items()})


def _column(name: str, events: Sequence[tuple[Event, dict[str, str]]]) -> Iterable[object]:
    return (event[places[name]] if name in places else None for event, places in events)
