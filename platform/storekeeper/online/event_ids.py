"""What tells events apart: equal events have equal ids, whether they were pushed or read from their source."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from storekeeper.definitions import ViewPlan
from storekeeper.definitions.event_id import event_id_column
from storekeeper.history.columns import require_columns
from storekeeper.online.event_words import Words, column_words, digests, id_words, is_null

__all__ = ["content_of", "event_id_column", "event_ids"]

_CONTENT_BYTES = 8


def event_ids(
    events: pa.Table,
    plan: ViewPlan,
    id_column: str | None,
    others: Sequence[str] = (),
    words: Words = column_words,
) -> list[bytes]:
    """One id an event; the same event has the same id in every process, in whatever types it comes.

    An event is what its source's column of ids says. Without one, and where that is null, it is its content: its keys,
    its event time and the values that the view aggregates, half of the id. What else views over its source read of it
    is the other half: of two customers who buy the same at the same time, a view of products has two events. The
    knowledge time is no part of it: who tells an event again, be it a retry or a nightly load, tells it later. Two
    events that are equal in all of that need a column of ids.

    Numbers are compared as numbers (`1` is `1.0`, and true), NaN is null, timestamps are microseconds in UTC. A
    declared id that is a text is compared as the number that it writes, if it does: senders' JSON and their database
    differ.

    Parameters
    ----------
    events
        Columns under their mapped names: what the view reads of its source, or `id_column` where no id is null.
    id_column
        As of `event_id_column`.
    others
        Further columns that tell events apart, where all of them are known: when events are pushed.
    words
        How columns are looked at, where it is known already for some of them.

    Returns
    -------
    list of bytes
        16 bytes each, in the order of the events.

    Raises
    ------
    DefinitionError
        If a column is missing.
    DataError
        A null event time, or an integer beyond 64 bits.
    """
    if id_column is None:
        return _content_ids(events, plan, others, words)
    require_columns(events, [id_column], "events")
    ids = events.column(id_column)
    found = _digests(plan.source.name, [id_words(ids, words(id_column, ids))])
    nulls = np.flatnonzero(is_null(ids))
    if len(nulls):
        unnamed = _content_ids(events.take(pa.array(nulls)), plan, others, column_words)
        for row, own in zip(nulls.tolist(), unnamed, strict=True):
            found[row] = own
    return found


def content_of(event_id: bytes) -> bytes:
    """The part of an id that is of the event's content, or of its declared id: what events in a source are known by."""
    return event_id[:_CONTENT_BYTES]


def _content_ids(events: pa.Table, plan: ViewPlan, others: Sequence[str], words: Words) -> list[bytes]:
    columns = [name for name in plan.source_columns(list(plan.types)) if name != plan.known_time]
    contents = _digests_of(events, plan, columns, words)
    rest = sorted(set(others) - set(columns))
    if not rest:
        return contents
    parts = zip(contents, _digests_of(events, plan, rest, words), strict=True)
    return [content[:_CONTENT_BYTES] + other[_CONTENT_BYTES:] for content, other in parts]


def _digests_of(events: pa.Table, plan: ViewPlan, columns: Sequence[str], words: Words) -> list[bytes]:
    require_columns(events, columns, "events")
    return _digests(plan.source.name, [words(name, events.column(name)) for name in columns])


def _digests(source: str, columns: Iterable[np.ndarray]) -> list[bytes]:
    """A hash a row of the columns' words, told apart from other sources' and from another number of columns."""
    parts = list(columns)
    words = np.empty((len(parts[0]), 2 * len(parts) + 2), "<i8")
    words[:, :2] = np.frombuffer(digests([f"{len(parts)} {source}".encode()])[0], "<i8")
    for place, part in enumerate(parts, start=1):
        words[:, 2 * place : 2 * place + 2] = part
    return digests(words.view(f"V{words.shape[1] * words.itemsize}").ravel().tolist())
