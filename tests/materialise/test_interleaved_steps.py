"""Pushes, retries, loads and materialisations in any order: what is served is what training sees, after each step."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from feast.data_source import PushMode

from projects import NOW, Project
from pushed_shop import FEATURES, NUMBERED, PushedShop, event, order, table
from storekeeper.clock import CLOCK_VARIABLE
from storekeeper.errors import SourceError
from storekeeper.offline.store import HistoryOfflineStore

pytestmark = pytest.mark.slow

HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
ONLINE, OFFLINE, BOTH = PushMode.ONLINE, PushMode.OFFLINE, PushMode.ONLINE_AND_OFFLINE
USERS, PRODUCTS = (1, 2, 3), ("tea", "milk")
ASKED = [{"user_id": user, "product": product} for user in USERS for product in PRODUCTS]
VALUES = [*FEATURES, "counted:n", "counted:spend"]
STEPS = 45


class Walk:
    """A project that lives through steps that are drawn at random."""

    def __init__(self, project: Project, patch: pytest.MonkeyPatch, seed: int) -> None:
        self.rng, self._patch, self.now = np.random.default_rng(seed), patch, NOW
        self.go_on(timedelta(0))
        self.shop = PushedShop(project)
        self.store = self.shop.store
        self.views = [view for view in self.store.all_feature_views() if view.name != "plain"]
        self._made = 0
        self.pushed: list[tuple[datetime, str, dict[str, Any], bool]] = []

    def go_on(self, pause: timedelta) -> None:
        """Let time pass."""
        self.now += pause
        self._patch.setenv(CLOCK_VARIABLE, self.now.isoformat())

    def draw(self, choices: Any) -> Any:
        """One of some choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def event(self, source: str, happened: datetime | None = None, known: datetime | None = None) -> dict[str, Any]:
        """An event that nobody has told yet; of a moment of its own, unless told otherwise."""
        self._made += 1
        late = self.draw([SECOND, HOUR, 20 * HOUR, 6 * DAY])
        at = happened or self.now - late - timedelta(microseconds=self._made)
        if source == "orders":
            return order(self.draw(USERS), at, self._made, self._made)
        return event(
            self.draw(USERS), at, self.draw(PRODUCTS), cents=self._made, price=self._made / 4,
            word=f"w{self._made % 5}", flag=bool(self._made % 2), known=known or self.now,
        )  # fmt: skip

    def push(self, source: str, rows: list[dict[str, Any]], to: PushMode) -> Any:
        """Push rows of one source."""
        given = table(rows) if source == "events" else pd.DataFrame(rows)
        return self.store.push(source, given, to=to)

    def tell(self, source: str, rows: list[dict[str, Any]], *, is_tie: bool = False) -> None:
        """Push events for the first time."""
        assert self.push(source, rows, BOTH).appended == len(rows)
        self.pushed += [(self.now, source, row, is_tie) for row in rows]

    def new(self) -> None:
        """Some events, one of them told by a sender whose clock is ahead."""
        source = self.draw(["events", "orders"])
        ahead = self.event(source, known=self.now + 3 * SECOND)
        self.tell(source, [*(self.event(source) for _ in range(self.draw([0, 1, 4]))), ahead])

    def ties(self) -> None:
        """Events that agree in both times, in one push or in two."""
        at, known = self.now - self.draw([SECOND, HOUR]), self.now - SECOND
        for count in self.draw([(2,), (1, 1), (2, 1)]):
            self.tell("events", [self.event("events", at, known) for _ in range(count)], is_tie=True)

    def retries(self) -> None:
        """Events of the last day again, by senders who say that they knew of them earlier, then or later."""
        recent = [told for told in self.pushed if told[0] >= self.now - DAY]
        for _, source, row, is_tie in [self.draw(recent) for _ in range(3)] if recent else []:
            known = row.get("known", self.now) + self.draw([timedelta(0), HOUR, -HOUR])
            # History keeps the time that it was told first, by which equal event times are ordered (rule 4).
            again = row if source == "orders" or is_tie else row | {"known": min(known, self.now)}
            assert self.push(source, [again, again], self.draw([ONLINE, OFFLINE, BOTH])).appended == 0

    def fails(self) -> None:
        """A push whose second half fails is made again, with another event beside it."""
        source = self.draw(["events", "orders"])
        rows = [self.event(source), self.event(source)]

        def full(*_: Any) -> None:
            raise SourceError("The disk is full.")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(HistoryOfflineStore, "offline_write_batch", staticmethod(full))
            with pytest.raises(SourceError):
                self.push(source, rows, BOTH)
        self.tell(source, [*rows, self.event(source)])

    def loads(self) -> None:
        """History gets events from elsewhere, and all state is made of it; a consumer that lags behind tells some."""
        rows = {source: [self.event(source) for _ in range(2)] for source in ("events", "orders")}
        for view, source in (("of_user", "events"), ("counted", "orders")):
            given = table(rows[source]).to_pandas() if source == "events" else pd.DataFrame(rows[source])
            types = {"number": "int64", "cents": "int32"} if source == "orders" else {}
            self.store.write_to_offline_store(view, given.astype(types))
        # Orders have no knowledge time: only a lookback that reaches them finds those that came late.
        self.materialise(self.views, [8 * DAY])
        late = [row for row in rows["orders"] if row["at"] >= self.now - DAY]
        if late:
            report = self.push("orders", late, self.draw([ONLINE, BOTH]))
            assert (report.accepted, report.appended) == (0, 0)

    def some(self) -> None:
        """Some views' state is brought to now."""
        self.materialise([view for view in self.views if self.rng.random() < 0.5])

    def materialise(self, views: list[Any], lookbacks: Sequence[timedelta] = (timedelta(0), HOUR, DAY)) -> None:
        """From the start, or of what has changed."""
        lookback = self.draw(lookbacks)
        goes_on = bool(self.rng.random() < 0.7)
        list(self.store.materialise_views(views, incremental=goes_on, lookback=lookback))

    def waits(self) -> None:
        """Time passes."""
        self.go_on(self.draw([SECOND, 10 * 60 * SECOND, 7 * HOUR, DAY]))


STORY: list[Callable[[Walk], None]] = [
    Walk.new, Walk.new, Walk.ties, Walk.retries, Walk.retries, Walk.fails, Walk.loads, Walk.some, Walk.some, Walk.waits,
]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_online_is_offline_after_each_step(project: Project, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Over sources with and without a column of ids, views of windows and of latest values; history has each once."""
    walk, told = Walk(project, monkeypatch, seed), []
    for _ in range(STEPS):
        step = walk.draw(STORY)
        step(walk)
        told.append(step.__name__)
        # Whoever told of an event ahead of time has been caught up with.
        walk.go_on(5 * SECOND)
        served, trained = walk.shop.online(ASKED, *VALUES), walk.shop.offline(ASKED, *VALUES, now=walk.now)
        assert {name: served[name] for name in trained if served[name] != trained[name]} == {}, told
    assert set(told) == {step.__name__ for step in STORY}
    assert NUMBERED.names == list(walk.event("orders"))
