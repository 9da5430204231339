"""Reading some features of a view's state again and again: one plan, and two ways to carry it out."""

import sys
from collections.abc import Sequence

from storekeeper.history.features import WindowFeature
from storekeeper.history.state.events import decode_events
from storekeeper.history.state.layout import StateLayout
from storekeeper.history.state.outputs import StateColumns
from storekeeper.history.state.planning import plan_read
from storekeeper.history.state.read import read_state_columns
from storekeeper.history.state.single import RowColumns, SingleReader

#: So few entities are read one by one, in plain Python, if their state and pushed events aren't large.
FEW_ENTITIES, FEW_BYTES, FEW_EVENTS = 8, 32_768, 32


class StateReader:
    """Reads some features of a view's state, by a plan that is made once.

    Parameters
    ----------
    layout
        Of the state.
    features
        Which features.
    """

    def __init__(self, layout: StateLayout, features: Sequence[WindowFeature]) -> None:
        self.layout = layout
        plan = plan_read(layout, features)
        self._features, self._single, self._rows = features, SingleReader(plan, layout), RowColumns(plan, layout)

    def columns(
        self,
        blobs: Sequence[bytes | None],
        now_us: int,
        owners: Sequence[int] = (),
        pushed: Sequence[bytes] = (),
    ) -> StateColumns:
        """Features of entities at one instant; errors as of `read_state`.

        Parameters
        ----------
        blobs
            One item an entity; None where nothing was materialised for it.
        now_us
            The instant, microseconds.
        owners, pushed
            Events that state was built without: which entity each is of, and its blob, as `encode_events` made it.
        """
        read = self.one_by_one if is_few(blobs, pushed) else self.all_at_once
        return read(blobs, now_us, owners, pushed)

    def all_at_once(
        self, blobs: Sequence[bytes | None], now_us: int, owners: Sequence[int] = (), pushed: Sequence[bytes] = ()
    ) -> StateColumns:
        """As `columns`, by NumPy."""
        recent = decode_events(owners, pushed, self.layout) if pushed else None
        return read_state_columns(blobs, self.layout, self._features, now_us, recent)

    def one_by_one(
        self, blobs: Sequence[bytes | None], now_us: int, owners: Sequence[int] = (), pushed: Sequence[bytes] = ()
    ) -> StateColumns:
        """As `columns`, by plain Python."""
        events: dict[int, list[bytes]] = {}
        for owner, blob in zip(owners, pushed, strict=True):
            events.setdefault(owner, []).append(blob)
        rows = [self._single.values(blob, events.get(entity, ()), now_us) for entity, blob in enumerate(blobs)]
        return self._rows.columns(rows)


def is_few(blobs: Sequence[bytes | None], pushed: Sequence[bytes]) -> bool:
    """Whether plain Python reads state sooner than NumPy.

    A blob costs Python by its words and NumPy next to nothing, but NumPy has to be called some hundred times. Python
    sees a blob's words as they lie there, so that the processor must be little-endian, as blobs are.
    """
    return (
        len(blobs) <= FEW_ENTITIES
        and len(pushed) <= FEW_EVENTS
        and sys.byteorder == "little"
        and sum(len(blob) for blob in blobs if blob) <= FEW_BYTES
    )
