"""Examples of latest-value and windowed views: `view.given(events).at(time, keys).expect(values)`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa

from storekeeper.definitions import ViewPlan
from storekeeper.errors import CheckFailedError, UsageError, listing
from storekeeper.testing.agree import agree, expected_value, scale_of
from storekeeper.testing.describe import Comparison, describe_view
from storekeeper.testing.events import Row, events_table
from storekeeper.testing.typed import instant, typed
from storekeeper.testing.values import Moment, offline_values, online_values


@dataclass(frozen=True)
class ViewUnderTest:
    """A view, before it is given events.

    Attributes
    ----------
    plan
        What it declares.
    known
        Columns that events may have, since views over the same source read them.
    """

    plan: ViewPlan
    known: frozenset[str]

    def given(self, events: Iterable[Row] = ()) -> "GivenEvents":
        """Let these be all of the source's rows, in its order.

        Parameters
        ----------
        events
            One mapping a row, under the names that the view sees. Join keys and the event time are a must (a key may
            be None); other columns are null where they are left out, and a null knowledge time means "at once".
            Times are datetimes or ISO 8601 text; naive means UTC.

        Raises
        ------
        UsageError, DataError
            A column that no view over this source reads, a row without key or time, a value of another type.
        """
        return GivenEvents(self.plan, events_table(self.plan, events, self.known))


@dataclass(frozen=True)
class GivenEvents:
    """A view and the events of its source."""

    plan: ViewPlan
    events: pa.Table

    def at(self, when: str | datetime, /, **keys: object) -> "ViewExample":
        """Look at one entity at one instant.

        Parameters
        ----------
        when
            A datetime or ISO 8601 text; naive means UTC.
        keys
            The view's join keys.

        Raises
        ------
        UsageError, DataError
            A key that is missing, unknown or of another type.
        """
        if set(keys) != set(self.plan.keys):
            raise UsageError(
                f"View '{self.plan.name}' is about {listing(self.plan.keys)}. Received: {listing(keys)}. "
                f"Write at('2017-05-01', {', '.join(f'{key}=...' for key in self.plan.keys)})."
            )
        arrays = [typed(f"Join key '{key}'", [keys[key]], self.plan.key_types[key]) for key in self.plan.keys]
        table = pa.table(arrays, names=list(self.plan.keys)) if arrays else pa.table({"row": pa.nulls(1)}).select([])
        return ViewExample(self.plan, self.events, Moment(instant("The time", when), table))


@dataclass(frozen=True)
class ViewExample:
    """An entity at an instant, with all features of a view computed offline and online."""

    plan: ViewPlan
    events: pa.Table
    moment: Moment

    def expect(self, **values: Any) -> "ViewExample":
        """Check features, offline and online; None is null, and floats may differ as rule 10 allows.

        Raises
        ------
        CheckFailedError
            An AssertionError with both values of each feature that differs, and what became of each event.
        UsageError
            For a feature that the view doesn't have.
        """
        __tracebackhide__ = True
        self._check_names(values)
        compared = [self._compare(name, value) for name, value in values.items()]
        if not all(comparison.holds for comparison in compared):
            raise CheckFailedError(describe_view(self.plan, self.events, self.moment, compared))
        return self

    def values(self, *features: str) -> dict[str, Any]:
        """The values of some features (default: all), which must be the same offline and online.

        Raises
        ------
        CheckFailedError
            If they differ.
        """
        __tracebackhide__ = True
        names = features or tuple(self.plan.types)
        self._check_names(names)
        offline = {name: self._offline[name] for name in names}
        self.expect(**offline)
        return offline

    @cached_property
    def _offline(self) -> dict[str, Any]:
        return offline_values(self.plan, self.events, self.moment)

    @cached_property
    def _online(self) -> dict[str, Any]:
        return online_values(self.plan, self.events, self.moment)

    def _compare(self, name: str, value: Any) -> Comparison:
        expected = expected_value(name, value, self.plan.types[name])
        offline, online = self._offline[name], self._online[name]
        held = (self._agrees(name, offline, expected), self._agrees(name, online, expected))
        return Comparison(name, expected, offline, online, *held)

    def _agrees(self, name: str, found: Any, expected: Any) -> bool:
        return agree(found, expected, scale_of(self.plan, name, self.events))

    def _check_names(self, names: Iterable[str]) -> None:
        wanted = list(names)
        if not wanted or set(wanted) - set(self.plan.types):
            raise UsageError(
                f"View '{self.plan.name}' has the features {listing(self.plan.types)}. Received: {listing(wanted)}."
            )
