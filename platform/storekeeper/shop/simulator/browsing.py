"""What visitors look at: products are shown and clicked, others are searched for; some land in the cart.

A product is shown, and viewed, at most once in a session: a repetition is left out. So session and product name an
impression, a view and what became of it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.shop.simulator.campaigns import campaign_on, offer_id
from storekeeper.shop.simulator.catalogue import EXPOSURE
from storekeeper.shop.simulator.chances import (
    IMPRESSIONS,
    MOST_IMPRESSIONS,
    MOST_VIEWS,
    TASTE_SHARE,
    VIEWS,
    coupon_chance,
)
from storekeeper.shop.simulator.draws import Purpose, branch, four_uniform, pick, poisson_edges, two_uniform
from storekeeper.shop.simulator.visitors import Items, Visitors, first_of_each
from storekeeper.shop.simulator.world import Memory, World

SECOND_US = 1_000_000
_SLOT_US = 45 * SECOND_US
_IMPRESSION_EDGES = poisson_edges(IMPRESSIONS, MOST_IMPRESSIONS)
_VIEW_EDGES = poisson_edges(VIEWS, MOST_VIEWS)


@dataclass(frozen=True)
class Browsed:
    """What a block's visitors looked at.

    Attributes
    ----------
    impressions, clicks
        Shown, with the chance of a click; and those clicked.
    views
        With the chance of landing in the cart.
    carts
        Those that did, with the chance of being bought then.
    bought
        Which of `carts` are bought.
    coupons
        Products that visitors redeem a coupon for, bought without a look.
    coupon_offers
        The offers' ids.
    ends
        When each session ends, microseconds since 1970.
    """

    impressions: Items
    clicks: Items
    views: Items
    carts: Items
    bought: npt.NDArray[np.bool_]
    coupons: Items
    coupon_offers: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


def browse(world: World, memory: Memory, visitors: Visitors) -> Browsed:
    """Let a block's visitors look around."""
    impressions, searched, ends = _look(world, visitors)
    coupons, coupon_offers = _redeem(world, memory, visitors, ends)
    click_chance, _ = two_uniform(branch(visitors.key[impressions.at], Purpose.INTEREST, impressions.product, 0))
    clicks = impressions.only(click_chance < impressions.chance)
    clicks = Items(clicks.at, clicks.product, clicks.time + _moments(visitors, clicks, 1, 2, 12), clicks.chance)
    views = _view(world, visitors, clicks, searched, coupons)
    cart_chance, buy_chance = two_uniform(branch(visitors.key[views.at], Purpose.INTEREST, views.product, 1))
    in_cart = cart_chance < views.chance
    chosen = views.only(in_cart)
    checkout = visitors.week.checkout[visitors.kind[chosen.at], chosen.product]
    carts = Items(
        chosen.at,
        chosen.product,
        chosen.time + _moments(visitors, chosen, 2, 3, 20),
        checkout * visitors.traits.checkout_factor[chosen.at],
    )
    bought = buy_chance[in_cart] < carts.chance
    return Browsed(impressions, clicks, views, carts, bought, coupons, coupon_offers, ends)


def _look(world: World, visitors: Visitors) -> tuple[Items, Items, npt.NDArray[np.int64]]:
    """Impressions with their chance of a click, products searched for, and the ends of the sessions."""
    shown_chance, searched_chance = two_uniform(branch(visitors.key, Purpose.SLOT))
    shown = np.searchsorted(_IMPRESSION_EDGES, shown_chance, side="right")
    count = shown + np.searchsorted(_VIEW_EDGES, searched_chance, side="right")
    at = np.repeat(np.arange(visitors.count), count)
    slot = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    bits = branch(visitors.key[at], Purpose.SLOT, slot)
    which, jitter = two_uniform(branch(bits, Purpose.SLOT))
    category_chance, product_chance = two_uniform(bits)
    is_shown = slot < shown[at]
    category = _categories(visitors, at, category_chance, is_shown & (which >= TASTE_SHARE))
    product = world.catalogue.choose(category, product_chance)
    begins = visitors.sessions["begins"]
    time = begins[at] + slot * _SLOT_US + (jitter * 10 * SECOND_US).astype(np.int64)
    ends = begins + (count + 1) * _SLOT_US
    new = first_of_each(at * 2 + is_shown, product, world.catalogue.count)
    chance = visitors.week.click[visitors.kind[at], product] * visitors.traits.click_factor[at]
    items = Items(at, product, time, chance)
    return items.only(is_shown & new), items.only(~is_shown & new), ends


def _categories(
    visitors: Visitors, at: npt.NDArray[np.int64], chance: np.ndarray, for_everybody: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """A category for each slot: by the customer's taste, or by what the shop shows to everybody."""
    edges = np.cumsum(visitors.taste, axis=1)[:, :-1]
    category = np.empty(len(at), np.int64)
    category[for_everybody] = pick(EXPOSURE, chance[for_everybody])
    by_taste = ~for_everybody
    compared = edges[at[by_taste]] <= chance[by_taste].astype(np.float32)[:, None]
    category[by_taste] = compared.sum(axis=1)
    return category


def _redeem(
    world: World, memory: Memory, visitors: Visitors, ends: npt.NDArray[np.int64]
) -> tuple[Items, npt.NDArray[np.int64]]:
    """The products for which visitors redeem a coupon, and the offers' ids."""
    campaign = int(campaign_on(visitors.sessions["day"][:1])[0])
    offer = memory.offer[visitors.sessions["who"]].astype(np.int64)
    at = np.flatnonzero(offer >= 0)
    if campaign < 0 or not len(at):
        nothing = np.empty(0, np.int64)
        return Items(nothing, nothing, nothing, np.empty(0)), nothing
    offers = world.offers(campaign)
    chance = coupon_chance(world.fondness, visitors.kind[at], offers.category[offer[at]])
    whether, which = two_uniform(branch(visitors.key[at], Purpose.COUPON))
    redeemed = whether < chance
    at, which = at[redeemed], which[redeemed]
    product = offers.products[offer[at], (which * offers.products.shape[1]).astype(np.int64)]
    return Items(at, product, ends[at], chance[redeemed]), offer_id(np.array(campaign), offer[at])


def _view(world: World, visitors: Visitors, clicks: Items, searched: Items, coupons: Items) -> Items:
    """Views that clicks and searches lead to, with their chance of landing in the cart."""
    at = np.concatenate([coupons.at, clicks.at, searched.at])
    product = np.concatenate([coupons.product, clicks.product, searched.product])
    time = np.concatenate([coupons.time, clicks.time + SECOND_US, searched.time])
    # What a coupon is redeemed for isn't decided by a view.
    new = first_of_each(at, product, world.catalogue.count) & (np.arange(len(at)) >= len(coupons.at))
    at, product, time = at[new], product[new], time[new]
    return Items(at, product, time, visitors.week.cart[visitors.kind[at], product])


def _moments(visitors: Visitors, items: Items, step: int, least: int, most: int) -> npt.NDArray[np.int64]:
    """A few seconds for each, in microseconds."""
    chance, _, _, _ = four_uniform(branch(visitors.key[items.at], Purpose.CHECKOUT, items.product, step))
    return ((least + (most - least) * chance) * SECOND_US).astype(np.int64)
