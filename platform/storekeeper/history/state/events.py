"""A pushed event as bytes: a latest-value blob of the columns that its view aggregates."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError
from storekeeper.history.columns import require_columns
from storekeeper.history.state.latest_decode import decode_latest_columns
from storekeeper.history.state.latest_encode import encode_latest
from storekeeper.history.state.layout import StateLayout
from storekeeper.history.state.recent import RecentEvents


def encode_events(table: pa.Table, layout: StateLayout, *, event_time: str, known_time: str | None) -> list[bytes]:
    """One blob an event of `table`, in its order.

    Parameters
    ----------
    layout
        Of the view whose state the events belong beside; other columns are left out.
    known_time
        When the platform could first know an event; null, or without such a column, as it happened.

    Raises
    ------
    DefinitionError
        If a column is missing.
    DataError
        A null event time, an infinite float, or a value that its column's type can't hold.
    """
    require_columns(table, [event_time, known_time, *layout.types], "pushed events")
    # A column may be one of the times: the times stand under names that no column has.
    reserved = "_" * (1 + max(map(len, ["", *layout.types])))
    columns = {name: _cast(table.column(name), name, type_) for name, type_ in layout.types.items()}
    times = {reserved: table.column(event_time)}
    if known_time is not None:
        times[f"{reserved}_"] = table.column(known_time)
    named = None if known_time is None else f"{reserved}_"
    return encode_latest(pa.table({**columns, **times}), layout.event_layout, event_time=reserved, known_time=named)


def decode_events(owner: Sequence[int] | np.ndarray, payloads: Sequence[bytes], layout: StateLayout) -> RecentEvents:
    """Events read back for `read_state`.

    Parameters
    ----------
    owner
        (k,) integers: which of the entities that are asked about each event is of.
    payloads
        (k,) blobs, as `encode_events` made them.

    Raises
    ------
    DataError
        If an event was written by a newer release, or for columns of other types.
    """
    return RecentEvents(np.asarray(owner, np.int64), decode_latest_columns(payloads, layout.event_layout))


def _cast(column: pa.ChunkedArray, name: str, type_: pa.DataType) -> pa.ChunkedArray:
    if column.type == type_:
        return column
    try:
        return column.cast(type_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"Column '{name}' of pushed events can't be read as {type_}: {error}") from error
