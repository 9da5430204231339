"""What visitors buy at the end of their sessions, and how likely what follows is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.shop.simulator.browsing import SECOND_US, Browsed
from storekeeper.shop.simulator.campaigns import COUPON_SHARE
from storekeeper.shop.simulator.catalogue import EXPOSURE
from storekeeper.shop.simulator.chances import IMPRESSIONS, TASTE_SHARE, VIEWS
from storekeeper.shop.simulator.draws import Floats, Purpose, branch, pick, two_uniform, uniform
from storekeeper.shop.simulator.seasons import DAY_US
from storekeeper.shop.simulator.silence import Outlook
from storekeeper.shop.simulator.visitors import Items, Visitors
from storekeeper.shop.simulator.world import Memory, World

_QUANTITY_SHARES = (0.82, 0.13, 0.05)


@dataclass(frozen=True)
class Lines:
    """Order lines, grouped by session; a session is a basket.

    Attributes
    ----------
    items
        Session, product and time of each; the chance is that of a return.
    offer
        Id of the coupon redeemed, or -1.
    quantity
        Pieces.
    amount, discount, coupon
        Cents of the whole line: paid, taken off by the shop, and by the coupon.
    next_item, churn, again
        The other true chances: that of all products it is this one that is bought next (NaN with a coupon), that
        nothing more is bought for a while (NaN on all but the basket's first line), that the category is bought again
        soon.
    """

    items: Items
    offer: npt.NDArray[np.int64]
    quantity: npt.NDArray[np.int64]
    amount: npt.NDArray[np.int64]
    discount: npt.NDArray[np.int64]
    coupon: npt.NDArray[np.int64]
    next_item: Floats
    churn: Floats
    again: Floats


def buy(world: World, memory: Memory, visitors: Visitors, browsed: Browsed) -> Lines:
    """Turn what is bought into order lines."""
    carts, coupons = browsed.carts.only(browsed.bought), browsed.coupons
    at, product = np.concatenate([carts.at, coupons.at]), np.concatenate([carts.product, coupons.product])
    offer = np.concatenate([np.full(len(carts.at), -1), browsed.coupon_offers])
    order = np.lexsort((product, at))
    at, product, offer = at[order], product[order], offer[order]
    pause = uniform(branch(visitors.key, Purpose.CHECKOUT))
    time = (browsed.ends + (pause * 60 * SECOND_US).astype(np.int64))[at]
    giving_back = visitors.week.giving_back[visitors.kind[at], product] * visitors.traits.return_factor[at]
    items = Items(at, product, time, giving_back)
    how_many, _ = two_uniform(branch(visitors.key[at], Purpose.CHECKOUT, product, 0))
    quantity = 1 + pick(_QUANTITY_SHARES, how_many)
    amount, discount, coupon = _prices(world, visitors, items, quantity, offer >= 0)
    return Lines(items, offer, quantity, amount, discount, coupon, *_prospects(world, memory, visitors, items, offer))


def show_prices(
    world: World, visitors: Visitors, product: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cents that one piece costs in the visitors' week, and how many of its usual price are taken off."""
    usual = world.catalogue.price_cents[product]
    off = np.round(usual * visitors.week.discount[product]).astype(np.int64)
    return usual - off, off


def _prices(
    world: World,
    visitors: Visitors,
    items: Items,
    quantity: npt.NDArray[np.int64],
    with_coupon: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int64], ...]:
    price, off = show_prices(world, visitors, items.product)
    coupon = np.where(with_coupon, np.round(price * quantity * COUPON_SHARE), 0).astype(np.int64)
    return price * quantity - coupon, off * quantity, coupon


def _prospects(
    world: World, memory: Memory, visitors: Visitors, items: Items, offer: npt.NDArray[np.int64]
) -> tuple[Floats, Floats, Floats]:
    """The true chances that `Lines` lists last."""
    baskets, first, basket = np.unique(items.at, return_index=True, return_inverse=True)
    sessions = visitors.sessions[baskets]
    fraction = (items.time[first] - world.origin_us) / DAY_US - sessions["day"]
    outlook = Outlook(world, memory, sessions["who"], sessions["day"].astype(np.int64), fraction)
    churn = np.full(len(items.at), np.nan)
    churn[first] = outlook.churn_chance()
    again = outlook.again_chance(basket, world.catalogue.category[items.product])
    expected = outlook.expected_now().sum(axis=1, dtype=np.float64)[basket]
    next_item = np.where(offer < 0, _expected_of(world, visitors, items) / expected, np.nan)
    return next_item, churn, again


def _expected_of(world: World, visitors: Visitors, items: Items) -> Floats:
    """Expected purchases of each item's product in a session like its own."""
    at, product, week, traits = items.at, items.product, visitors.week, visitors.traits
    kind, category = visitors.kind[at], world.catalogue.category[product]
    taste = visitors.taste[at, category]
    popularity, click = world.catalogue.popularity[product], week.click[kind, product] * traits.click_factor[at]
    shown = IMPRESSIONS * (TASTE_SHARE * taste + (1 - TASTE_SHARE) * EXPOSURE[category]) * popularity
    looked_at = VIEWS * taste * popularity + shown * click
    bought = week.cart[kind, product] * week.checkout[kind, product] * traits.checkout_factor[at]
    lost = (looked_at**2 * (1 - bought) + shown**2 * click * (1 - click)) / 2
    return np.asarray(bought * (looked_at - lost))
