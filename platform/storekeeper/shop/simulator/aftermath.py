"""What follows a purchase days later: returns, and ratings with a few words."""

import numpy as np

from storekeeper.shop.columns import EVENT_TYPES, RATING_GIVEN, RETURN
from storekeeper.shop.simulator.deliveries import NOTHING, Events
from storekeeper.shop.simulator.draws import Purpose, bell, branch, four_uniform, two_uniform
from storekeeper.shop.simulator.people import traits_of
from storekeeper.shop.simulator.reviews import write_review
from storekeeper.shop.simulator.world import World

RETURN_DAYS = 28
_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_FIRST_RETURN_DAYS = 2
_RATED_SHARE, _WRITTEN_SHARE = 0.2, 0.75


def follow(world: World, purchases: Events) -> Events:
    """Returns and ratings of these purchases; a return is as likely as their first true chance says."""
    returned_chance, moment = two_uniform(branch(purchases["key"], Purpose.AFTERMATH, 0))
    is_returned = returned_chance < purchases["truth"][:, 0]
    returns = _copy(purchases[is_returned], RETURN, 1)
    days = _FIRST_RETURN_DAYS + (RETURN_DAYS - _FIRST_RETURN_DAYS) * moment[is_returned]
    returns["time"] += (days * _DAY_US).astype(np.int64)
    return np.concatenate([returns, _rate(world, purchases, is_returned)])


def _rate(world: World, purchases: Events, is_returned: np.ndarray) -> Events:
    whether, moment, writes, slip = four_uniform(branch(purchases["key"], Purpose.RATING, 0))
    rated = whether < _RATED_SHARE
    ratings = _copy(purchases[rated], RATING_GIVEN, 2)
    ratings["time"] += _HOUR_US * 20 + (-np.log(moment[rated]) * 5 * _DAY_US).astype(np.int64)
    product = ratings["product"]
    day = (purchases["time"][rated] - world.origin_us) // _DAY_US
    kind = traits_of(world.options, ratings["who"]).kind(day)
    fond = world.fondness[kind, world.catalogue.category[product]]
    mood = 3.7 + 0.75 * world.catalogue.quality[product] + 0.3 * fond - 1.7 * is_returned[rated]
    stars = np.rint(mood + 0.8 * bell(branch(ratings["key"], Purpose.RATING, 1))).clip(1, 5).astype(np.int64)
    _, which = two_uniform(branch(ratings["key"], Purpose.RATING, 2))
    ratings["rating"] = stars
    text = write_review(stars, slip[rated], which)
    ratings["text"] = np.where(writes[rated] < _WRITTEN_SHARE, text, NOTHING)
    for name in ("amount", "discount", "coupon", "quantity"):
        ratings[name] = NOTHING
    return ratings


def _copy(purchases: Events, event_type: str, step: int) -> Events:
    """Events of another type about the same order lines, outside any session; nothing is decided in them."""
    events = purchases.copy()
    events["type"] = EVENT_TYPES.index(event_type)
    events["key"] = branch(purchases["key"], Purpose.AFTERMATH, step)
    events["session"] = events["campaign"] = events["offer"] = NOTHING
    events["truth"] = np.nan
    return events
