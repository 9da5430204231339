"""Who visits when: sessions in the order of their beginning, and the mailing of campaigns."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from storekeeper.shop.columns import EVENT_TYPES, OFFER_RECEIVED
from storekeeper.shop.simulator.campaigns import LIST_DAYS, campaign_id, campaign_on, first_day_of, is_mailed, offer_id
from storekeeper.shop.simulator.deliveries import Events, blank
from storekeeper.shop.simulator.draws import Purpose, draw, uniform
from storekeeper.shop.simulator.people import traits_of
from storekeeper.shop.simulator.seasons import DAY_US, WEEK_DAYS, day_factors, hour_of_chance, weekdays
from storekeeper.shop.simulator.silence import redeem_chance
from storekeeper.shop.simulator.world import Memory, World

Sessions = npt.NDArray[np.void]

SESSION = np.dtype([("begins", np.int64), ("who", np.int64), ("day", np.int32), ("nth", np.int8), ("id", np.int64)])
_MOST_A_DAY = 5
_BLOCK = 1 << 20


def sessions_of_day(world: World, memory: Memory, day: int) -> Sessions:
    """A day's sessions, in the order of their beginning; the memory learns of them."""
    factor = float(day_factors(world.options.start, np.array(day)))
    blocks = range(0, world.lives.count, _BLOCK)
    counted = [_count(world, day, factor, begin, min(begin + _BLOCK, world.lives.count)) for begin in blocks]
    who, count = (np.concatenate(parts) for parts in zip(*counted, strict=True))
    memory.last_day[who] = day
    sessions = np.zeros(int(count.sum()), SESSION)
    sessions["who"] = np.repeat(who, count)
    sessions["nth"] = np.arange(len(sessions)) - np.repeat(np.cumsum(count) - count, count)
    sessions["day"] = day
    chance = uniform(draw(world.options.seed, Purpose.SESSION, sessions["who"], day, sessions["nth"]))
    fraction = hour_of_chance(int(weekdays(world.options.start, np.array(day))), chance)
    sessions["begins"] = world.origin_us + day * DAY_US + (fraction * DAY_US).astype(np.int64)
    return sessions[np.lexsort((sessions["nth"], sessions["who"], sessions["begins"]))]


def session_blocks(world: World, memory: Memory, week: int, most: int) -> Iterator[Sessions]:
    """A week's sessions, in order, in blocks of at most so many."""
    waiting: list[Sessions] = []
    for day in range(week * WEEK_DAYS, min((week + 1) * WEEK_DAYS, world.options.days)):
        waiting.append(sessions_of_day(world, memory, day))
        if sum(map(len, waiting)) >= most:
            ready = np.concatenate(waiting)
            whole = len(ready) - len(ready) % most
            for begin in range(0, whole, most):
                yield ready[begin : begin + most]
            waiting = [ready[whole:]]
    rest = np.concatenate(waiting)
    if len(rest):
        yield rest


def mail_campaign(world: World, memory: Memory, day: int) -> Events:
    """Mail the campaign that begins on a day of the shop to those who visited lately; the memory keeps their offers.

    The true chance of each mailing is that its coupon is redeemed while the campaign runs.
    """
    campaign = int(campaign_on(np.array(day)))
    memory.offer[:] = -1
    listed = np.flatnonzero(memory.last_day >= first_day_of(campaign) - LIST_DAYS)
    who = listed[is_mailed(world.options.seed, listed, campaign)]
    offers = world.offers(campaign)
    offer = offers.of_kind[traits_of(world.options, who).kind(day)]
    memory.offer[who] = offer
    events = blank(len(who))
    events["type"] = EVENT_TYPES.index(OFFER_RECEIVED)
    events["time"] = world.origin_us + day * DAY_US
    events["key"] = draw(world.options.seed, Purpose.MAILING, who, campaign, 0)
    events["who"], events["campaign"], events["offer"] = (
        who,
        campaign_id(np.array(campaign)),
        offer_id(np.array(campaign), offer),
    )
    events["truth"][:, 0] = redeem_chance(world, memory, who, campaign, offers.category[offer])
    return events


def _count(
    world: World, day: int, factor: float, begin: int, end: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Those of a run of customers who visit on a day, and how often: Poisson."""
    lives = world.lives
    there = (lives.joins[begin:end] <= day) & (lives.leaves[begin:end] > day)
    who = begin + np.flatnonzero(there)
    mean = lives.visits[who].astype(np.float64) * factor
    chance = uniform(draw(world.options.seed, Purpose.VISIT, who, day))
    visiting = chance >= np.exp(-mean)
    who, mean, chance = who[visiting], mean[visiting], chance[visiting]
    count, term, reached = np.ones(len(who), np.int64), np.exp(-mean), np.exp(-mean)
    for number in range(1, _MOST_A_DAY):
        term = term * mean / number
        reached = reached + term
        count += chance >= reached
    return who, count
