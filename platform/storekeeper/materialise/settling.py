"""Which pushed rows new state makes needless: those that it holds, and those that nobody can see any more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from storekeeper.definitions import ViewPlan
from storekeeper.history.state import plan_latest
from storekeeper.history.state.layout import StateLayout
from storekeeper.materialise.seen_events import SeenEvents
from storekeeper.materialise.standing import Times, came_before, overtaken
from storekeeper.online.backends import PushedRow, Settled
from storekeeper.online.layers import unreadable


@dataclass(frozen=True)
class NewState:
    """What there is to know of new state, before it is put in place.

    Attributes
    ----------
    plan
        How the view is computed.
    until_us
        The instant at which it stands.
    seen
        The events that it was made of.
    layout
        Of a windowed view's state; None for a latest-value view.
    times
        Of a latest-value view, event time and knowledge time of each key that has pushed rows.
    """

    plan: ViewPlan
    until_us: int
    seen: SeenEvents
    layout: StateLayout | None
    times: Times

    def settled(self, pushed: Sequence[PushedRow]) -> list[Settled]:
        """The pushed rows that go; the state holds those that are remembered."""
        seen = list(self.seen.among(pushed))
        gone = {(row.key, row.slot): False for row in self._unseen(pushed)}
        behind = () if self.plan.is_windowed else chain(overtaken(pushed, self.times), came_before(seen, pushed))
        gone |= {(row.key, row.slot): bool(row.slot) for row in behind}
        gone |= {(row.key, row.slot): True for row in seen}
        return [Settled(key, slot, is_remembered) for (key, slot), is_remembered in gone.items()]

    def never_pushed(self, settled: Sequence[Settled]) -> Iterator[Settled]:
        """Slots of events that the state holds and that weren't pushed, but may be yet."""
        told = {(one.key, one.slot) for one in settled}
        return (one for one in self.seen.named() if (one.key, one.slot) not in told)

    def _unseen(self, pushed: Sequence[PushedRow]) -> Iterator[PushedRow]:
        """Rows of another definition of the view, and rows that no window reaches, now or later."""
        yield from unreadable(pushed, plan_latest(self.plan.types if self.layout is None else self.layout.types))
        reach = self.plan.longest_window_us if self.plan.is_windowed else None
        if reach is not None:
            yield from (row for row in pushed if row.event_us < self.until_us - reach)
