"""How likely each decision is, by kind of customer and product, week by week: promotions change every week.

Logits are sums of what a model can learn: the kind's fondness of the category, the product's quality, the discount
on show times the kind's price sensitivity, and how dear the product is. A person's own factors (`people.Traits`)
multiply the chances of the kind.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.shop.simulator.catalogue import EXPOSURE, RETURN_LOGIT, Catalogue
from storekeeper.shop.simulator.draws import Floats, Integers
from storekeeper.shop.simulator.people import KINDS, SENSITIVITIES, SENSITIVITY, STAGES, Traits

IMPRESSIONS, MOST_IMPRESSIONS = 6.0, 14
VIEWS, MOST_VIEWS = 2.2, 8
# Half of the products shown follow the customer's taste, the others what the shop shows to everybody.
TASTE_SHARE = 0.5
MEAN_CHECKOUT_FACTOR = 0.9
_HIGHEST_CLICK = 0.65

Chances = npt.NDArray[np.float32]


@dataclass(frozen=True)
class WeekChances:
    """One week's chances.

    Attributes
    ----------
    discount
        Share taken off each product's price; shape (products,).
    click, cart, checkout, giving_back
        Chance of a click given an impression, a cart given a view, a purchase given a cart, a return given a
        purchase, before personal factors; float32, shape (kinds, products).
    bought_view, bought_click
        Chance that a view, and an impression, of some product of a category ends in its purchase, before personal
        factors; shape (kinds, categories).
    lost_views, lost_both, lost_clicks
        Purchases that are lost because a product counts once in a session, however often it turns up: what to
        multiply by the square of the views, by views times impressions, and by the square of the impressions of a
        category; shape (kinds, categories).
    """

    discount: Floats
    click: Chances
    cart: Chances
    checkout: Chances
    giving_back: Chances
    bought_view: Chances
    bought_click: Chances
    lost_views: Chances
    lost_both: Chances
    lost_clicks: Chances


def week_chances(catalogue: Catalogue, fondness: Floats, week: int) -> WeekChances:
    """The chances in a week of the shop; `fondness` is `people.affinities`."""
    discount = catalogue.discounts(week)
    sensitivity = SENSITIVITY[np.arange(KINDS) // STAGES % SENSITIVITIES].astype(np.float32)[:, None]
    fond = fondness.astype(np.float32)[:, catalogue.category]
    off, dear = (sensitivity * values.astype(np.float32)[None, :] for values in (discount, catalogue.dearness))
    quality = catalogue.quality.astype(np.float32)[None, :]
    click = np.minimum(_logistic(-3.2 + 0.75 * fond + 0.6 * quality + 4.0 * off), _HIGHEST_CLICK)
    cart = _logistic(-2.1 + 0.6 * fond + 0.45 * quality + 3.5 * off - 0.6 * dear)
    checkout = _logistic(0.7 + 0.5 * fond + 0.3 * quality + 2.0 * off - 0.8 * dear)
    comes_back = RETURN_LOGIT.astype(np.float32)[catalogue.category][None, :]
    giving_back = np.minimum(_logistic(-2.1 + comes_back - 0.7 * quality - 1.0 * off - 0.3 * fond), 0.6)
    popularity, bought = catalogue.popularity.astype(np.float32)[None, :], cart * checkout
    repeated = popularity**2 * bought
    again = repeated * (1 - MEAN_CHECKOUT_FACTOR * bought)

    def by_category(values: Chances) -> Chances:
        return np.asarray(np.add.reduceat(values, catalogue.first, axis=1), dtype=np.float32)

    return WeekChances(
        discount=discount,
        click=click,
        cart=cart,
        checkout=checkout,
        giving_back=giving_back,
        bought_view=by_category(popularity * bought),
        bought_click=by_category(popularity * bought * click),
        lost_views=by_category(again / 2),
        lost_both=by_category(again * click),
        lost_clicks=by_category((again * click**2 + repeated * click * (1 - click)) / 2),
    )


def category_purchases(
    week: WeekChances, kind: npt.NDArray[np.int64], taste: npt.NDArray[np.float32], traits: Traits
) -> npt.NDArray[np.float32]:
    """Expected purchases in one session, by category; shape (customers, categories).

    Views and impressions are Poisson and each is decided by itself, so purchases are nearly Poisson, too: but for
    those of a product that turns up twice, which are taken off to second order.
    """
    shown = np.float32(TASTE_SHARE) * taste + ((1 - TASTE_SHARE) * EXPOSURE).astype(np.float32)
    views = np.float32(VIEWS) * taste
    clicks = (IMPRESSIONS * traits.click_factor).astype(np.float32)[:, None] * shown
    expected = views * week.bought_view[kind] + clicks * week.bought_click[kind]
    lost = views**2 * week.lost_views[kind] + clicks * (views * week.lost_both[kind] + clicks * week.lost_clicks[kind])
    return np.asarray(traits.checkout_factor.astype(np.float32)[:, None] * (expected - lost), dtype=np.float32)


def coupon_chance(fondness: Floats, kind: Integers, category: Integers) -> Floats:
    """Chance that a session in which a customer holds a coupon for a category redeems it."""
    sensitivity = SENSITIVITY[kind // STAGES % SENSITIVITIES]
    return np.asarray(1 / (1 + np.exp(3.2 - 0.8 * sensitivity - 0.5 * fondness[kind, category])))


def _logistic(logit: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float32)
