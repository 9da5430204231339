"""The state that stands, where new rows are put beside it: the newer of the two counts."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from storekeeper.history.state import row_times
from storekeeper.online.backends import Asked, PushedRow
from storekeeper.online.layers import EncodedRows
from storekeeper.online.view_state import ViewState

#: Event time and knowledge time of each key's state, of a latest-value view.
Times = Mapping[bytes, tuple[int, int]]

_KEYS_AT_ONCE = 10_000


def newer_than_standing(state: ViewState, rows: EncodedRows) -> EncodedRows:
    """Rows of a latest-value view whose entity's state isn't newer, by event time, then knowledge time.

    A row wins a tie: whoever read it read all rows of its times, of which it is the last (rule 4).
    """
    times = list(zip(rows.event_us.tolist(), rows.known_us.tolist(), strict=True))
    held = standing_times(state, [key or b"" for key in rows.keys])
    kept = [place for place, (own, there) in enumerate(zip(times, held, strict=True)) if there is None or own >= there]
    places = np.array(kept, np.int64)
    return EncodedRows(
        [rows.keys[place] for place in kept],
        rows.event_us[places],
        rows.known_us[places],
        [rows.blobs[place] for place in kept],
    )


def overtaken(pushed: Sequence[PushedRow], times: Times) -> Iterator[PushedRow]:
    """Pushed rows of a latest-value view that are older than their entity's state.

    A row that agrees with the state in both times may have come behind it (rule 4), unless it was seen in the source.
    Rows without a slot, as older releases wrote them, can't be seen there.

    Parameters
    ----------
    times
        Event time and knowledge time of each key's state.
    """
    for row in pushed:
        own, there = (row.event_us, row.known_us), times.get(row.key)
        if there is not None and (own < there or (own == there and not row.slot)):
            yield row


def came_before(seen: Sequence[PushedRow], pushed: Sequence[PushedRow]) -> Iterator[PushedRow]:
    """Pushed rows of a latest-value view that agree in both times with one that was seen, and came before it.

    Of such rows the one that came last counts (rule 4), and what the source shows is no earlier.

    Parameters
    ----------
    seen
        Those of the pushed rows that the source has.
    pushed
        All of them; an entity's rows of equal times in the order in which they came.
    """
    shown = {(row.key, row.slot) for row in seen}
    last = {_moment(row): place for place, row in enumerate(pushed) if (row.key, row.slot) in shown}
    return (row for place, row in enumerate(pushed) if place < last.get(_moment(row), 0))


def standing_times(state: ViewState, keys: Sequence[bytes]) -> list[tuple[int, int] | None]:
    """Event time and knowledge time of each key's state; None where it has none."""
    found: list[tuple[int, int] | None] = []
    for low in range(0, len(keys), _KEYS_AT_ONCE):
        (some,) = state.backend.read([Asked(state.name, keys[low : low + _KEYS_AT_ONCE])])
        found += [None if blob is None else row_times(blob) for blob in some.state]
    return found


def _moment(row: PushedRow) -> tuple[bytes, int, int]:
    return row.key, row.event_us, row.known_us
