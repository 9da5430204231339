"""Campaigns: every two weeks the shop mails a coupon for one category to part of those who visited lately."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storekeeper.shop.simulator.catalogue import CATEGORIES, Catalogue
from storekeeper.shop.simulator.draws import Floats, Integers, Purpose, draw, uniform
from storekeeper.shop.simulator.options import SimulationOptions

RUN_DAYS = 14
FIRST_DAY = 7
LIST_DAYS = 28
COUPON_SHARE = 0.25
_MAILED_SHARE = 0.35
_OFFERS = 6
_PRODUCTS_PER_OFFER = 4
_TYPES = ("SEASON", "BRAND", "CLEARANCE")
_FIRST_CAMPAIGN, _FIRST_OFFER = 1, 10


@dataclass(frozen=True)
class Offers:
    """The coupons of one campaign.

    Attributes
    ----------
    category
        Place of each offer's category, shape (offers,).
    products
        Places of the products covered, shape (offers, products each); the most popular ones.
    of_kind
        Which offer each kind of customer is mailed: the one for what it is fondest of.
    """

    category: npt.NDArray[np.int64]
    products: npt.NDArray[np.int64]
    of_kind: npt.NDArray[np.int64]


def campaign_on(day: Integers) -> npt.NDArray[np.int64]:
    """The campaign, from 0, that runs on each day of the shop; -1 before the first."""
    return np.floor_divide(np.asarray(day) - FIRST_DAY, RUN_DAYS).clip(-1).astype(np.int64)


def first_day_of(campaign: int) -> int:
    """The day of the shop on which a campaign is mailed."""
    return FIRST_DAY + campaign * RUN_DAYS


def make_offers(seed: int, catalogue: Catalogue, fondness: Floats, campaign: int) -> Offers:
    """The coupons of a campaign; `fondness` is `people.affinities`."""
    chance = uniform(draw(seed, Purpose.CAMPAIGN, campaign, np.arange(len(CATEGORIES))))
    category = np.sort(np.argsort(chance)[:_OFFERS])
    products = np.stack([_leading(catalogue, place) for place in category])
    return Offers(category, products, np.argmax(fondness[:, category], axis=1))


def is_mailed(seed: int, who: Integers, campaign: Integers | int) -> npt.NDArray[np.bool_]:
    """Whether the shop's plan mails a campaign to customers who are on the list."""
    return np.asarray(uniform(draw(seed, Purpose.MAILING, who, campaign)) < _MAILED_SHARE)


def campaign_id(campaign: Integers) -> Integers:
    """The id of a campaign."""
    return campaign + _FIRST_CAMPAIGN


def offer_id(campaign: Integers, offer: Integers) -> npt.NDArray[np.int64]:
    """The id of a campaign's offer; no two campaigns share one."""
    return np.asarray((campaign + _FIRST_CAMPAIGN) * _FIRST_OFFER + offer, dtype=np.int64)


def campaign_tables(options: SimulationOptions, catalogue: Catalogue, fondness: Floats) -> dict[str, pa.Table]:
    """The rows of `campaigns` and `offers` that begin while the shop is watched."""
    count = int(campaign_on(np.array(options.days - 1))) + 1
    starts = [options.starts_at + timedelta(days=first_day_of(number)) for number in range(count)]
    ends = [start + timedelta(days=RUN_DAYS) - timedelta(microseconds=1) for start in starts]
    numbers = np.arange(count)
    kinds = draw(options.seed, Purpose.CAMPAIGN, numbers) % np.uint64(len(_TYPES))
    places = [make_offers(options.seed, catalogue, fondness, number).products for number in range(count)]
    products = np.concatenate([place.ravel() for place in places]) if places else np.empty(0, np.int64)
    campaign = np.repeat(numbers, _OFFERS * _PRODUCTS_PER_OFFER)
    offer = np.tile(np.repeat(np.arange(_OFFERS), _PRODUCTS_PER_OFFER), count)
    return {
        "campaigns": pa.table(
            {
                "campaign_id": campaign_id(numbers),
                "campaign_type": pa.array([_TYPES[kind] for kind in kinds.tolist()], pa.string()),
                "starts_at": pa.array(starts, pa.timestamp("us")),
                "ends_at": pa.array(ends, pa.timestamp("us")),
            }
        ),
        "offers": pa.table(
            {
                "campaign_id": campaign_id(campaign),
                "offer_id": offer_id(campaign, offer),
                "product_id": catalogue.product_ids[products],
            }
        ),
    }


def _leading(catalogue: Catalogue, category: int) -> npt.NDArray[np.int64]:
    """The places of a category's most popular products."""
    first, last = catalogue.first[category], catalogue.last[category]
    order = np.argsort(-catalogue.popularity[first : last + 1], kind="stable")
    return np.asarray(first + order[:_PRODUCTS_PER_OFFER])
