"""Storing a shop: whatever a loader staged goes into the behaviour log and the SQL tables, whole or not at all."""
# ruff: noqa: S608 (table and column names are constants of this package)

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from storekeeper.database import upgrade
from storekeeper.errors import DataError, SourceError
from storekeeper.settings import Settings
from storekeeper.shop.behaviour import behaviour_errors, open_behaviour, write_behaviour
from storekeeper.shop.cleaning import Cleaned, quote
from storekeeper.shop.columns import EVENT_ID, EVENT_TIME, EVENT_TYPE, EVENT_TYPES, EVENTS, LOADS, REJECTS
from storekeeper.shop.report import LoadReport, Progress, no_progress
from storekeeper.shop.tables import count_tables, replace_tables

_ID_BITS_FOR_POSITION = 40


@dataclass(frozen=True)
class StagedShop:
    """A shop in the canonical schema, staged in a DuckDB connection.

    Attributes
    ----------
    events
        Name of a temporary view with columns of the behaviour log, in any order; those it lacks are null. None if
        the loader wrote the log itself, in order and with unique ids, because it's too much to stage.
    tables
        Rows of the SQL tables, by table name.
    cleaned
        What cleaning made of each source; their rejects are stored.
    adjustments, warnings
        As in `LoadReport`; counts that are 0 are left out there.
    """

    events: str | None
    tables: Mapping[str, pa.Table]
    cleaned: tuple[Cleaned, ...] = ()
    adjustments: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)


Stage = Callable[[duckdb.DuckDBPyConnection], StagedShop]


def event_id(event_type: str, position: str) -> str:
    """SQL for an event's id: its type and the place of its source row, so unique, repeatable and traceable.

    >>> event_id("offer_received", "n")
    '(1099511627776 + n)'
    """
    return f"({EVENT_TYPES.index(event_type) << _ID_BITS_FOR_POSITION} + {position})"


def find_loaded(settings: Settings, loader: str, source_fingerprint: str) -> LoadReport | None:
    """The report of the load that is in place, if it is of this source and both its halves are whole; else None."""
    try:
        report, events = _read_load(settings, loader, source_fingerprint)
        whole = report is not None and report.events == events and report.tables == count_tables(settings.database_url)
    except SourceError:
        return None
    return replace(report, already_loaded=True) if report is not None and whole else None


def store_shop(
    settings: Settings, loader: str, source_fingerprint: str, stage: Stage, progress: Progress = no_progress
) -> LoadReport:
    """Replace the shop by what `stage` makes in the connection that it is given.

    Events are sorted by event time, then id. The behaviour log takes its place after the SQL tables are committed,
    and it alone holds the fingerprint: a load that was killed anywhere is seen as unfinished and done again.

    Raises
    ------
    SourceError
        If the database can't be reached or a file can't be written. Nothing is changed then.
    DataError
        If the staged shop breaks the schema.
    """
    started_at, stopwatch = settings.clock.now(), time.perf_counter()
    progress("Preparing the database", 0, 4)
    upgrade(settings.database_url)
    with write_behaviour(settings.behaviour_path) as connection:
        progress("Reading and cleaning", 1, 4)
        staged = stage(connection)
        progress("Writing the behaviour log", 2, 4)
        if staged.events is not None:
            _write_events(connection, staged.events)
        events = _count_events(connection)
        _write_rejects(connection, loader, staged.cleaned, started_at)
        progress("Writing the tables", 3, 4)
        tables = replace_tables(settings.database_url, staged.tables)
        report = LoadReport(
            loader=loader,
            source_fingerprint=source_fingerprint,
            started_at=started_at,
            finished_at=settings.clock.now(),
            seconds=round(time.perf_counter() - stopwatch, 3),
            rows_read={part.source: part.rows for part in staged.cleaned},
            events=events,
            tables=tables,
            rejects={part.source: part.rejected for part in staged.cleaned if part.rejected},
            adjustments={rule: count for rule, count in staged.adjustments.items() if count},
            warnings={rule: count for rule, count in staged.warnings.items() if count},
        )
        _write_load(connection, report)
    progress("Done", 4, 4)
    return report


def _read_load(settings: Settings, loader: str, source_fingerprint: str) -> tuple[LoadReport | None, dict[str, int]]:
    """The report that the behaviour log is signed with, if it is of this source, and the events that it has."""
    query = f"SELECT report FROM {LOADS} WHERE loader = ? AND source_fingerprint = ?"
    path = settings.behaviour_path
    with open_behaviour(path) as connection, behaviour_errors(path):
        found = connection.execute(query, [loader, source_fingerprint]).fetchall()
        events = _count_events(connection)
    try:
        return (LoadReport.from_dict(json.loads(found[0][0])) if found else None), events
    except (KeyError, TypeError):
        # Written by another version of this package, so not to be relied on.
        return None, events


def _write_events(connection: duckdb.DuckDBPyConnection, staged: str) -> None:
    """Copy the staged events in order."""
    try:
        connection.execute(f"INSERT INTO {EVENTS} BY NAME FROM {quote(staged)} ORDER BY {EVENT_TIME}, {EVENT_ID}")
    except (duckdb.ConstraintException, duckdb.BinderException) as error:
        raise DataError(f"The staged events break the behaviour log's schema: {error}") from error
    total, ids = connection.execute(f"SELECT count(*), count(DISTINCT {EVENT_ID}) FROM {EVENTS}").fetchall()[0]
    if total != ids:
        raise DataError(f"Event ids must be unique: {total} events came with {ids} different ids.")


def _count_events(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Events by type, in alphabetical order."""
    query = f"SELECT {EVENT_TYPE}, count(*) FROM {EVENTS} GROUP BY ALL ORDER BY ALL"
    return {str(kind): int(count) for kind, count in connection.execute(query).fetchall()}


def _write_rejects(
    connection: duckdb.DuckDBPyConnection, loader: str, cleaned: tuple[Cleaned, ...], loaded_at: datetime
) -> None:
    """Set the rejected rows aside, in the order of their sources."""
    for part in cleaned:
        connection.execute(
            f"INSERT INTO {REJECTS} SELECT ?, ?, ?, reason, row FROM {quote(part.rejects)}",
            [_naive(loaded_at), loader, part.source],
        )


def _write_load(connection: duckdb.DuckDBPyConnection, report: LoadReport) -> None:
    """Sign the log with what it was made of."""
    connection.execute(
        f"INSERT INTO {LOADS} VALUES (?, ?, ?, ?)",
        [report.loader, report.source_fingerprint, _naive(report.finished_at), json.dumps(report.as_dict())],
    )


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
