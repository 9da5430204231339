"""Reading the state of many entities at `now`, recent events among them."""

from collections.abc import Sequence
from typing import cast

import pyarrow as pa

from storekeeper.history.features import WindowFeature
from storekeeper.history.state.distincts import answer_distinct
from storekeeper.history.state.layout import StateLayout
from storekeeper.history.state.lists import answer_list
from storekeeper.history.state.outputs import StateColumns, to_arrow, to_columns
from storekeeper.history.state.plan import Output
from storekeeper.history.state.planning import plan_read
from storekeeper.history.state.recent import RecentEvents, arrivals
from storekeeper.history.state.refreshed import Refreshed
from storekeeper.history.state.stored import Stored
from storekeeper.history.state.tiles import Found, answer_tiles
from storekeeper.history.state.unpacked import refuse_future, unpack


def read_state_columns(
    blobs: Sequence[bytes | None],
    layout: StateLayout,
    features: Sequence[WindowFeature],
    now_us: int,
    recent: RecentEvents | None = None,
) -> StateColumns:
    """Features of many entities at one instant, as NumPy columns; parameters and errors as of `read_state`."""
    state, answers = _answer(blobs, layout, features, now_us, recent)
    return to_columns(answers, state)


def read_state(
    blobs: Sequence[bytes | None],
    layout: StateLayout,
    features: Sequence[WindowFeature],
    now_us: int,
    recent: RecentEvents | None = None,
) -> pa.Table:
    """Features of many entities at one instant.

    Parameters
    ----------
    blobs
        One item an entity; None where nothing was materialised for it: its windows hold recent events only, or are
        empty (rule 11).
    now_us
        The instant, microseconds.
    recent
        Events that state was built without, late ones too. Those at or after `now`, and those known only later, are
        left out. Of events with one time and one knowledge time those in state come first.

    Returns
    -------
    pyarrow.Table
        One column a feature, one row an item of `blobs`.

    Raises
    ------
    DataError
        If state was built later than `now`, by a newer release, or for another definition; or an integer sum leaves
        64 bits.
    """
    state, answers = _answer(blobs, layout, features, now_us, recent)
    return pa.table(
        [to_arrow(output, found, state) for output, found in answers], names=[output.name for output, _ in answers]
    )


def _answer(
    blobs: Sequence[bytes | None],
    layout: StateLayout,
    features: Sequence[WindowFeature],
    now_us: int,
    recent: RecentEvents | None,
) -> tuple[Stored, list[tuple[Output, Found]]]:
    plan = plan_read(layout, features)
    state = _open(blobs, layout, now_us, recent)
    answers: dict[int, Found] = {}
    for tiled in plan.tiles:
        answers.update(answer_tiles(tiled, state.tiles(tiled), now_us))
    for timed in plan.lists:
        answers.update(answer_list(timed, state.list(timed), now_us))
    for distinct in plan.distincts:
        answers.update(answer_distinct(distinct, state.distinct(distinct), now_us))
    return state, [(output, answers[place]) for place, output in enumerate(plan.outputs)]


def _open(blobs: Sequence[bytes | None], layout: StateLayout, now_us: int, recent: RecentEvents | None) -> Stored:
    found = cast(Sequence[bytes], blobs) if all(blobs) else [layout.nobody if b is None else b for b in blobs]
    unpacked = unpack(found, layout.widths, layout.fingerprint, layout.known_widths)
    refuse_future(int(unpacked.until_us.max(initial=now_us)), now_us)
    arrived = arrivals(recent, now_us)
    return Stored(unpacked, layout) if arrived is None else Refreshed(unpacked, layout, arrived)
