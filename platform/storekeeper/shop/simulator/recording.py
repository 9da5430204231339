"""From what happens in sessions to events."""

import numpy as np
import numpy.typing as npt

from storekeeper.shop.columns import (
    CART_ADD,
    CART_REMOVE,
    CLICK,
    EVENT_TYPES,
    IMPRESSION,
    OFFER_REDEEMED,
    PURCHASE,
    VIEW,
)
from storekeeper.shop.simulator.browsing import SECOND_US, Browsed, browse
from storekeeper.shop.simulator.buying import Lines, buy, show_prices
from storekeeper.shop.simulator.campaigns import campaign_id, campaign_on
from storekeeper.shop.simulator.deliveries import NOTHING, Events, blank
from storekeeper.shop.simulator.draws import Purpose, branch, two_uniform
from storekeeper.shop.simulator.sessions import Sessions
from storekeeper.shop.simulator.visitors import Items, Visitors, welcome
from storekeeper.shop.simulator.world import Memory, World

_TAKEN_OUT_SHARE = 0.6


def events_of_sessions(world: World, memory: Memory, sessions: Sessions) -> tuple[Events, Events]:
    """All events of a block of sessions, all of one week, apart: those without a purchase, and purchases."""
    visitors = welcome(world, sessions)
    browsed = browse(world, memory, visitors)
    lines = buy(world, memory, visitors, browsed)
    parts = (*_looks(world, visitors, browsed), _redemptions(world, visitors, lines))
    return np.concatenate(parts), _purchases(world, visitors, lines)


def _looks(world: World, visitors: Visitors, browsed: Browsed) -> tuple[Events, ...]:
    """Impressions, clicks, views, cart adds and removals, with the price on show."""
    impressions = _record(world, visitors, browsed.impressions, IMPRESSION)
    impressions["truth"][:, 0] = browsed.impressions.chance
    views, carts = browsed.views, browsed.carts
    viewed = _record(world, visitors, views, VIEW)
    checkout = visitors.week.checkout[visitors.kind[views.at], views.product]
    viewed["truth"][:, 0] = views.chance
    viewed["truth"][:, 1] = views.chance * checkout * visitors.traits.checkout_factor[views.at]
    added = _record(world, visitors, carts, CART_ADD)
    added["truth"][:, 0] = carts.chance
    added["quantity"] = 1
    whether, moment = two_uniform(branch(visitors.key[carts.at], Purpose.CHECKOUT, carts.product, 3))
    taken_out = ~browsed.bought & (whether < _TAKEN_OUT_SHARE)
    left = carts.only(taken_out)
    time = browsed.ends[left.at] - 30 * SECOND_US + (moment[taken_out] * 20 * SECOND_US).astype(np.int64)
    removed = _record(world, visitors, Items(left.at, left.product, time, left.chance), CART_REMOVE)
    removed["quantity"] = 1
    return impressions, _record(world, visitors, browsed.clicks, CLICK), viewed, added, removed


def _purchases(world: World, visitors: Visitors, lines: Lines) -> Events:
    events = _record(world, visitors, lines.items, PURCHASE)
    events["basket"] = events["session"]
    events["quantity"], events["amount"] = lines.quantity, lines.amount
    events["discount"], events["coupon"] = lines.discount, lines.coupon
    with_coupon = lines.offer >= 0
    events["campaign"] = np.where(with_coupon, _campaign(visitors), NOTHING)
    events["offer"] = np.where(with_coupon, lines.offer, NOTHING)
    events["truth"] = np.stack([lines.items.chance, lines.next_item, lines.churn, lines.again], axis=1)
    return events


def _redemptions(world: World, visitors: Visitors, lines: Lines) -> Events:
    with_coupon = lines.offer >= 0
    events = _record(world, visitors, lines.items.only(with_coupon), OFFER_REDEEMED)
    events["basket"] = events["session"]
    events["campaign"], events["offer"] = _campaign(visitors), lines.offer[with_coupon]
    events["coupon"] = lines.coupon[with_coupon]
    events["amount"] = events["discount"] = NOTHING
    return events


def _record(world: World, visitors: Visitors, items: Items, event_type: str) -> Events:
    """Events of one type, with one piece's price on show."""
    place = EVENT_TYPES.index(event_type)
    events = blank(len(items.at))
    events["type"] = place
    events["time"] = items.time
    events["key"] = branch(visitors.key[items.at], Purpose.DELIVERY, items.product, place)
    events["who"], events["session"] = visitors.sessions["who"][items.at], visitors.sessions["id"][items.at]
    events["product"] = items.product
    events["amount"], events["discount"] = show_prices(world, visitors, items.product)
    return events


def _campaign(visitors: Visitors) -> npt.NDArray[np.int64]:
    """The id of the campaign that runs in the visitors' week."""
    return np.asarray(campaign_id(campaign_on(visitors.sessions["day"][0])))
