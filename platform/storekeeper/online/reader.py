"""The way models read features: a feature service, resolved once, then one store read and no protobuf."""

import asyncio
import threading
from datetime import datetime
from pickle import PickleError

import numpy as np
import pyarrow as pa
from feast import FeatureStore
from feast.errors import FeastError
from google.protobuf.message import DecodeError
from sqlalchemy.exc import SQLAlchemyError

from storekeeper.errors import DataError, StorekeeperError
from storekeeper.online.compiled.given import Columns
from storekeeper.online.compiled.reading import Reading
from storekeeper.online.compiled.service_plan import ServicePlan, compile_service
from storekeeper.online.compiled.watch import Watch
from storekeeper.online.store import clock_of
from storekeeper.online.view_state import to_us

#: What a registry, and the functions of on-demand views that it holds, may raise when they are loaded: a file that is
#: only half there ends anywhere, and what is unpickled may run into anything.
UNREADABLE = (
    StorekeeperError, FeastError, SQLAlchemyError, DecodeError, PickleError, OSError, EOFError, ImportError,
    SyntaxError, AttributeError, NameError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError,
    AssertionError,
)  # fmt: skip


class FeatureReader:
    """Reads one feature service online, with the values that training would see at the same moment.

    A reader may be used by many threads at once. What is registered is looked at in the background: when the service
    has changed, a new plan takes the place of the old between two requests, none of which waits for it. Readers that
    are about to be thrown away cost nothing: the watching thread starts with the first read, and ends with the reader.

    Parameters
    ----------
    store
        A feature store whose online store is a `StateOnlineStore`.
    service
        Name of a registered feature service.
    watch_seconds
        How often to look at the registry; None for never, where someone else makes new readers.

    Raises
    ------
    UsageError
        If two of the service's values have one name, such as the same feature of a buyer and of a seller.

    Attributes
    ----------
    service
        The service's name.
    stale_reason
        Why the registry couldn't be followed when it was last looked at, so that the old plan goes on; None if it was.
    """

    def __init__(self, store: FeatureStore, service: str, watch_seconds: float | None = 30.0) -> None:
        self.service = service
        self.stale_reason: str | None = None
        self._store, self._clock = store, clock_of(store.config)
        self._plan = compile_service(store, service)
        self._refreshing = threading.Lock()
        self._watch = None if watch_seconds is None else Watch(self, lambda reader: reader.refresh(), watch_seconds)

    @property
    def plan(self) -> ServicePlan:
        """What the service means at present; a request uses one plan from its beginning to its end."""
        return self._plan

    @property
    def definition_hash(self) -> str:
        """What the service means."""
        return self._plan.definition_hash

    @property
    def entity_types(self) -> dict[str, pa.DataType]:
        """Join keys that a caller must give, with their Arrow types."""
        return self._plan.entity_types

    @property
    def request_types(self) -> dict[str, pa.DataType]:
        """Request-time context that a caller must give, with its Arrow types."""
        return self._plan.request_types

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the service's features, in the order of the result."""
        return self._plan.features

    def read(
        self, entities: Columns, context: Columns | None = None, now: datetime | None = None
    ) -> dict[str, np.ndarray]:
        """Features of entities at `now` (default: the clock's), as NumPy columns.

        Parameters
        ----------
        entities
            Join key -> one value a row: a list, or a column of NumPy, Arrow or pandas. A null, which in a masked array
            is what is masked, or an entity that was never seen, has no features (rules 11 and 13).
        context
            Request-time value -> one value a row, for on-demand features.

        Returns
        -------
        dict of str to numpy.ndarray
            Each feature in the order of `features`, (n_rows,) in the order of `entities`; not to be written to.
            Floats are float64, null is NaN. Integers are int64, then bool and datetime64[us] (UTC): where there is a
            null they are masked arrays, so that integers stay exact. Texts, bytes and lists are objects, null is None.

        Raises
        ------
        UsageError
            A key or context value that is missing, of another length, or no column at all.
        DataError
            A value of another type than declared; or state of a later time than `now`, or of another definition.
        """
        return self._read(entities, context, now).arrays()

    def read_table(self, entities: Columns, context: Columns | None = None, now: datetime | None = None) -> pa.Table:
        """As `read`, in the declared Arrow types.

        Returns
        -------
        pyarrow.Table
            One column a feature in the order of `features`, one row a row of `entities`.
        """
        return self._read(entities, context, now).table()

    async def aread(
        self, entities: Columns, context: Columns | None = None, now: datetime | None = None
    ) -> dict[str, np.ndarray]:
        """As `read`, for asyncio.

        It runs in a thread. A thread costs a tenth of a millisecond; but a store that is slow or gone, or a function
        of an on-demand view that takes long, would hold up every other request of the event loop.
        """
        return await asyncio.to_thread(self.read, entities, context, now)

    def _read(self, entities: Columns, context: Columns | None, now: datetime | None) -> Reading:
        watch = self._watch
        if watch is not None:
            watch.ensure()
        try:
            return Reading(self._plan, entities, context or {}, to_us(now or self._clock.now()))
        except DataError:
            # It may be state of a definition that has just been registered.
            if watch is not None:
                watch.wake()
            raise

    def refresh(self) -> bool:
        """Look at the registry now, and take up what has changed. Whether anything had.

        A service that was dropped, or can't be read, leaves the old plan; `stale_reason` says why.
        """
        with self._refreshing:
            try:
                self._store.refresh_registry()
                found = compile_service(self._store, self.service)
            except UNREADABLE as error:
                self.stale_reason = f"{type(error).__name__}: {error}"
                return False
            self.stale_reason = None
            changed = found.fingerprint != self._plan.fingerprint
            if changed:
                self._plan = found
            return changed

    def close(self) -> None:
        """Stop watching the registry; reading goes on with what is known."""
        if self._watch is not None:
            self._watch.close()

    def unmaterialised(self) -> list[str]:
        """Names of the service's views that were never materialised: their features would be null or empty."""
        metas = {state.plan.name: state.backend.meta(state.name) for state in self._plan.states}
        return sorted(name for name, meta in metas.items() if meta is None or meta.until_us is None)
