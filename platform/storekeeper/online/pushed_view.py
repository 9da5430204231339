"""Pushed rows as one view keeps them until its next materialisation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storekeeper.definitions.event_id import event_id_column
from storekeeper.history.columns import times_us
from storekeeper.history.keys import key_kind
from storekeeper.history.state import encode_events
from storekeeper.online.backends import PushedRow
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.event_ids import event_ids
from storekeeper.online.event_words import Words
from storekeeper.online.latest_rows import encode_rows
from storekeeper.online.layers import EncodedRows
from storekeeper.online.view_state import KEPT_TYPES, SHORT_FLOAT, ViewState, layout_for

_KEY_TYPES = {"integer": pa.int64(), "string": pa.string()}


@dataclass(frozen=True)
class PushedView:
    """A view over a push source.

    Attributes
    ----------
    state
        Where its rows go.
    kinds
        Kinds of the columns that it aggregates; empty for a latest-value view.
    """

    state: ViewState
    kinds: Mapping[str, str]

    @property
    def keys(self) -> dict[str, pa.DataType]:
        """Join keys, in the types in which they are compared."""
        return key_types(self.state)

    @property
    def values(self) -> dict[str, pa.DataType]:
        """Columns that its features are made of, in the types in which they are kept."""
        plan = self.state.plan
        if not plan.is_windowed:
            return plan.types
        return {name: pa.float32() if kind == SHORT_FLOAT else KEPT_TYPES[kind] for name, kind in self.kinds.items()}

    def push(self, rows: pa.Table, words: Words, now_us: int) -> np.ndarray:
        """Write rows whose keys are all there, in slots that are their ids. Which are new, (n_rows,) bool.

        A windowed view keeps each event. A latest-value view keeps an entity's newest ones, and those that are still
        to come at `now`, which must not hide what is there now.

        Parameters
        ----------
        rows
            What any view over the source reads, in the order in which it came.
        words
            How its columns are looked at for their ids.
        """
        pushed = self._pushed(rows, words)
        keys = [row.key for row in pushed]
        # Backends write fastest in key order; an entity's own rows stay in theirs (rule 4).
        order = sorted(range(len(keys)), key=keys.__getitem__)
        newest_at_us = None if self.state.plan.is_windowed else now_us
        new = np.zeros(len(pushed), bool)
        new[order] = self.state.backend.push(self.state.name, [pushed[row] for row in order], newest_at_us)
        return new

    def _pushed(self, rows: pa.Table, words: Words) -> list[PushedRow]:
        plan = self.state.plan
        encoded = self._events(rows) if plan.is_windowed else encode_rows(rows, plan)
        id_column = event_id_column(plan.source)
        others = [name for name in rows.column_names if name not in {plan.known_time, id_column}]
        return encoded.pushed(event_ids(rows, plan, id_column, others, words))

    def _events(self, rows: pa.Table) -> EncodedRows:
        plan = self.state.plan
        layout = layout_for(plan.windows, tuple(sorted(self.kinds.items())))
        blobs = encode_events(rows, layout, event_time=plan.event_time, known_time=plan.known_time)
        event = times_us(plan.event_time, rows.column(plan.event_time))
        known = times_us(plan.known_time, rows.column(plan.known_time), fallback=event) if plan.known_time else event
        # A table without columns forgets how many rows it had.
        keys = key_bytes(rows.select(list(plan.keys))) if plan.keys else [b""] * len(blobs)
        return EncodedRows(keys, event, known, blobs)


def key_types(state: ViewState) -> dict[str, pa.DataType]:
    """A view's join keys, in the types in which they are compared."""
    return {name: _KEY_TYPES.get(key_kind(type_), type_) for name, type_ in state.plan.key_types.items()}
