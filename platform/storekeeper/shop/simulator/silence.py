"""How likely it is that a customer does not do something for a while: exact, given all that is hidden about them.

Sessions are Poisson, each decides by itself whether the thing is done, and leaving is a coin a day. So the chance of
silence over some days is a recursion over two states, still there and gone, with `exp(-rate)` for each day there.
The recursion knows a customer's traits, promotions and the mailing plan, but not whether they have left: no more than
a perfect model could know.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from storekeeper.shop.simulator.campaigns import LIST_DAYS, RUN_DAYS, campaign_on, first_day_of, is_mailed
from storekeeper.shop.simulator.chances import category_purchases, coupon_chance
from storekeeper.shop.simulator.draws import Floats, Integers
from storekeeper.shop.simulator.people import tastes, traits_of
from storekeeper.shop.simulator.seasons import WEEK_DAYS, day_factors, share_of_day, weekdays
from storekeeper.shop.simulator.world import Memory, World

_Buying = Callable[[int], Floats]

CHURN_DAYS = 28
AGAIN_DAYS = 7


def silence(hazard: Floats, rest_of_day: Floats, rates: Iterable[Floats]) -> Floats:
    """Chance that nothing happens in the rest of a day on which they were there, and on days with these rates."""
    there, gone = np.exp(-rest_of_day), np.zeros(len(hazard))
    for rate in rates:
        there, gone = there * (1 - hazard) * np.exp(-rate), gone + there * hazard
    return there + gone


class Outlook:
    """What customers who are just buying will do next, all on the same few days.

    Parameters
    ----------
    world, memory
        The shop, and who holds which coupon.
    who, day, fraction
        The buyers by number, the day of the shop and the fraction of it, one each.
    """

    def __init__(self, world: World, memory: Memory, who: Integers, day: Integers, fraction: Floats) -> None:
        self._world, self._memory = world, memory
        self._who, self._day, self._traits = who, day, traits_of(world.options, who)
        self._visits = world.lives.visits[who].astype(np.float64)
        start = world.options.start
        self._passed = share_of_day(weekdays(start, day), fraction)
        self._first_week = int(day.min()) // WEEK_DAYS if len(day) else 0
        self._first_day = self._first_week * WEEK_DAYS
        self._factors = day_factors(start, self._first_day + np.arange(WEEK_DAYS + CHURN_DAYS + 1))
        self._weeks: dict[int, tuple[npt.NDArray[np.float32], Floats, npt.NDArray[np.int64]]] = {}

    def churn_chance(self) -> Floats:
        """Chance of no purchase within `CHURN_DAYS` days."""

        def buying(week: int) -> Floats:
            expected, redeems, _ = self._week(week)
            return np.asarray(1 - np.exp(-expected.sum(axis=1).astype(np.float64)) * (1 - redeems))

        everybody = np.arange(len(self._who))
        return self._silence(everybody, buying, CHURN_DAYS)

    def again_chance(self, buyer: Integers, category: Integers) -> Floats:
        """Chance that buyers, by place, buy in a category within `AGAIN_DAYS` days."""

        def buying(week: int) -> Floats:
            expected, redeems, offered = self._week(week)
            coupon = np.where(offered[buyer] == category, redeems[buyer], 0.0)
            return np.asarray(1 - np.exp(-expected[buyer, category].astype(np.float64)) * (1 - coupon))

        return 1 - self._silence(buyer, buying, AGAIN_DAYS)

    def expected_now(self) -> npt.NDArray[np.float32]:
        """Expected purchases in a session of this week, by category; shape (buyers, categories)."""
        return self._week(self._first_week)[0]

    def _silence(self, buyer: Integers, buying: _Buying, days: int) -> Floats:
        """Chance that sessions which do it, weekly with these chances, stay away for some days from now."""
        day = self._day[buyer]
        visits, passed = self._visits[buyer], self._passed[buyer]
        chances: dict[int, Floats] = {}

        def rate(after: int) -> Floats:
            # All buyers are in one week, so `after` days later they are in one of two.
            week = (day + after) // WEEK_DAYS
            low = (self._first_day + after) // WEEK_DAYS
            for number in (low, low + 1):
                if number not in chances:
                    chances[number] = buying(number)
            chance = np.where(week == low, chances[low], chances[low + 1])
            return visits * self._factors[day + after - self._first_day] * chance

        # The last day counts up to the hour at which the first began; horizons are whole weeks, so weekdays agree.
        rates = (rate(after) * (passed if after == days else 1.0) for after in range(1, days + 1))
        return silence(self._traits.hazard[buyer], rate(0) * (1 - passed), rates)

    def _week(self, number: int) -> tuple[npt.NDArray[np.float32], Floats, npt.NDArray[np.int64]]:
        """Expected purchases in a session by category, chance to redeem in it, and the coupon's category or -1."""
        if number not in self._weeks:
            first = number * WEEK_DAYS
            kind = self._traits.kind(np.maximum(self._day, first))
            taste = tastes(self._world.options, self._who, kind, self._world.fondness)
            expected = category_purchases(self._world.week(number), kind, taste, self._traits)
            self._weeks[number] = (expected, *self._coupons(first, kind))
        return self._weeks[number]

    def _coupons(self, day: int, kind: Integers) -> tuple[Floats, npt.NDArray[np.int64]]:
        campaign = int(campaign_on(np.array(day)))
        nothing = np.zeros(len(self._who)), np.full(len(self._who), -1)
        if campaign < 0:
            return nothing
        offers = self._world.offers(campaign)
        if campaign == int(campaign_on(np.array(self._first_day))):
            offer = self._memory.offer[self._who].astype(np.int64)
        else:
            # Who has just bought is on the mailing list for as long as we look ahead.
            mailed = is_mailed(self._world.options.seed, self._who, campaign)
            offer = np.where(mailed, offers.of_kind[self._traits.kind(first_day_of(campaign))], -1)
        category = np.where(offer >= 0, offers.category[offer], -1)
        chance = coupon_chance(self._world.fondness, kind, category)
        return np.where(offer >= 0, chance, 0.0), category


def redeem_chance(world: World, memory: Memory, who: Integers, campaign: int, category: Integers) -> Floats:
    """Chance that customers on the mailing list redeem a coupon for a category that they are being mailed."""
    traits, first, start = traits_of(world.options, who), first_day_of(campaign), world.options.start
    visits, last = world.lives.visits[who].astype(np.float64), memory.last_day[who]
    there, gone = np.ones(len(who)), np.zeros(len(who))
    for day in range(first - LIST_DAYS + 1, first):
        since = day > last
        stay = (1 - traits.hazard) * np.exp(-visits * float(day_factors(start, np.array(day))))
        gone = np.where(since, gone + there * traits.hazard, gone)
        there = np.where(since, there * stay, there)
    share_there = there / (there + gone)
    there, gone = share_there, 1 - share_there
    for day in range(first, first + RUN_DAYS):
        chance = coupon_chance(world.fondness, traits.kind(day), category)
        rate = visits * float(day_factors(start, np.array(day))) * chance
        there, gone = there * (1 - traits.hazard) * np.exp(-rate), gone + there * traits.hazard
    return 1 - there - gone
