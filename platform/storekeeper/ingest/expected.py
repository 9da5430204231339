"""Which columns an event must have for its push source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feast.data_source import PushMode
from feast.feature_view import FeatureView

from storekeeper.definitions import plan_view
from storekeeper.definitions.event_id import event_id_column
from storekeeper.errors import listing
from storekeeper.online.pushing import history_types
from storekeeper.push import PushSourceNotFoundError


@dataclass(frozen=True)
class Expected:
    """Columns of a push source's events, under their mapped names.

    Attributes
    ----------
    source
        The push source's name.
    needed
        What each event must have, be it null.
    optional
        What it may have: its knowledge time, which is now where it is missing.
    closed
        Whether other columns are an error: history would lose them. Else they are left out.
    names
        Name of the source -> mapped name.
    """

    source: str
    needed: frozenset[str]
    optional: frozenset[str]
    closed: bool
    names: Mapping[str, str]

    def places(self, columns: Sequence[str]) -> dict[str, str]:
        """Mapped name -> the event's own name of it, of what is to be pushed.

        Parameters
        ----------
        columns
            An event's, as it names them.

        Raises
        ------
        ColumnsError
            If they are not what is expected.
        """
        mapped = [self.names.get(name, name) for name in columns]
        found = dict(zip(mapped, columns, strict=True))
        wanted = self.needed | self.optional
        if missing := self.needed - set(found):
            raise ColumnsError(self._told(f"lacks the column {listing(missing)}", "Null is given as null"))
        if self.closed and (unknown := set(found) - wanted):
            raise ColumnsError(self._told(f"has the column {listing(unknown)}", "Leave it out, or push online only"))
        if twice := {name for name in mapped if name in wanted and mapped.count(name) > 1}:
            raise ColumnsError(self._told(f"has the column {listing(twice)} under two names", "Leave one out"))
        return {name: own for name, own in found.items() if name in wanted}

    def _told(self, problem: str, advice: str) -> str:
        return f"The event {problem}. Push source '{self.source}' expects: {listing(self.needed)}. {advice}."


class ColumnsError(ValueError):
    """An event with other columns than expected."""


def expected_columns(store: Any, source: str, to: PushMode) -> Expected:
    """What events for a push source must have.

    Raises
    ------
    PushSourceNotFoundError
        If no view reads it; the message lists those that there are.
    """
    plans = [plan_view(view) for view in views_over(store, source)]
    first = plans[0]
    known = frozenset(filter(None, [first.known_time]))
    needed = {name for plan in plans for name in plan.source_columns(list(plan.types))}
    needed |= set(filter(None, [event_id_column(first.source)]))
    history = set() if to == PushMode.ONLINE else set(history_types(first, store.config))
    return Expected(
        source, frozenset(needed | history) - known, known, to != PushMode.ONLINE, first.source.field_mapping
    )


def views_over(store: Any, source: str) -> list[FeatureView]:
    """The views over a push source, at least one, by name."""
    pushed = pushed_views(store)
    over = [view for view in pushed if view.stream_source.name == source]
    if not over:
        raise PushSourceNotFoundError(source, [view.stream_source.name for view in pushed])
    return sorted(over, key=lambda view: str(view.name))


def pushed_views(store: Any) -> list[FeatureView]:
    """All views over push sources."""
    every = [*store.list_feature_views(allow_cache=True), *store.list_stream_feature_views(allow_cache=True)]
    return list({view.name: view for view in every if getattr(view, "stream_source", None)}.values())
