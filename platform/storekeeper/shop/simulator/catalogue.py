"""What the shop sells: categories, brands, products with a price, a quality and a popularity, and weekly promotions."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storekeeper.shop.simulator.draws import Bits, Floats, Integers, Purpose, bell, draw, pick, two_uniform, uniform
from storekeeper.shop.simulator.options import SimulationOptions

# Department, category, typical price in cents, how much it is looked at, how much likelier (logit) it comes back.
_CATEGORIES = (
    ("FASHION", "DRESSES", 5900, 1.3, 1.5),
    ("FASHION", "SHIRTS", 2900, 1.2, 1.1),
    ("FASHION", "SHOES", 7900, 1.2, 1.7),
    ("FASHION", "JACKETS", 9900, 0.8, 1.3),
    ("HOME", "CANDLES", 1200, 0.9, -0.9),
    ("HOME", "BEDDING", 4500, 0.7, 0.2),
    ("HOME", "LAMPS", 3900, 0.6, 0.3),
    ("KITCHEN", "KNIVES", 3500, 0.6, -0.3),
    ("KITCHEN", "PANS", 4200, 0.7, -0.1),
    ("KITCHEN", "MUGS", 900, 1.0, -0.7),
    ("ELECTRONICS", "HEADPHONES", 8900, 1.1, 0.9),
    ("ELECTRONICS", "CHARGERS", 1900, 1.1, 0.1),
    ("ELECTRONICS", "SPEAKERS", 9900, 0.7, 0.7),
    ("TOYS", "PUZZLES", 1500, 0.8, -0.6),
    ("TOYS", "DOLLS", 2400, 0.7, -0.2),
    ("TOYS", "BRICKS", 3900, 0.9, -0.5),
    ("BEAUTY", "SKIN CARE", 2200, 1.1, -0.8),
    ("BEAUTY", "PERFUME", 6500, 0.8, -0.4),
    ("BEAUTY", "MAKE-UP", 1600, 1.0, -0.5),
    ("SPORTS", "YOGA", 2600, 0.7, 0.1),
    ("SPORTS", "RUNNING", 6900, 0.9, 1.0),
    ("GROCERY", "COFFEE", 1100, 1.3, -1.5),
    ("GROCERY", "TEA", 700, 1.0, -1.5),
    ("GROCERY", "CHOCOLATE", 500, 1.4, -1.6),
)
CATEGORIES = tuple(row[1] for row in _CATEGORIES)
DEPARTMENTS = tuple(dict.fromkeys(row[0] for row in _CATEGORIES))
DEPARTMENT_OF = np.array([DEPARTMENTS.index(row[0]) for row in _CATEGORIES])
EXPOSURE: Floats = np.array([row[3] for row in _CATEGORIES]) / sum(row[3] for row in _CATEGORIES)
RETURN_LOGIT: Floats = np.array([row[4] for row in _CATEGORIES])
_PRICE_CENTS: Floats = np.array([row[2] for row in _CATEGORIES], dtype=np.float64)

_BRANDS = 40
_NAMES = ("Alder", "Birch", "Cedar", "Dune", "Ember", "Fjord", "Grove", "Harbour", "Iris", "Juniper")
_KINDS = ("Classic", "Light", "Pro", "Mini", "Deluxe", "Eco")
_SIZES = ("S", "M", "L", "SET OF 2", "SET OF 4")
_FIRST_ID = 1_001
_ZIPF = 1.05
_DEPTHS = (0.0, 0.1, 0.2, 0.3)
_DEPTH_SHARES = (0.78, 0.09, 0.08, 0.05)
_CHANGED_SHARE = 0.15
_KNOWN_DAYS_BEFORE = 30


@dataclass(frozen=True)
class Catalogue:
    """All products, ordered by category, so that a category is a run of places.

    Attributes
    ----------
    product_ids
        Ids by place, int64; in no order, so that they tell nothing.
    category
        Place in `CATEGORIES` of each product, int64.
    first
        Where each category begins, int64.
    popularity
        Chance to be looked at, given that its category is: Zipf's law. Sums to 1 over each category.
    shown_until
        Running sum of `popularity` plus the category's place, ascending: what choosing searches.
    quality
        About normal; good products are also popular.
    dearness
        Logarithm of the price over the category's typical one.
    price_cents
        Without promotion, int64.
    """

    seed: int
    product_ids: npt.NDArray[np.int64]
    category: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    popularity: Floats
    shown_until: Floats
    quality: Floats
    dearness: Floats
    price_cents: npt.NDArray[np.int64]
    brand: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many products."""
        return len(self.product_ids)

    def choose(self, category: Integers, chance: Floats) -> npt.NDArray[np.int64]:
        """A product's place of each category, by popularity, from a uniform number."""
        places = np.searchsorted(self.shown_until, category + chance, side="right")
        # The last running sum of a category may miss its whole number by a rounding.
        return np.minimum(places, self.last[category]).astype(np.int64)

    @property
    def last(self) -> npt.NDArray[np.int64]:
        """Where each category ends, the last place itself."""
        return np.append(self.first[1:], self.count) - 1

    def discounts(self, week: int) -> Floats:
        """The share of the price that the shop takes off each product in a week of the shop."""
        chance = uniform(draw(self.seed, Purpose.PROMOTION, self.product_ids, week))
        return np.asarray(_DEPTHS)[pick(_DEPTH_SHARES, chance)]


def make_catalogue(options: SimulationOptions) -> Catalogue:
    """The products of a shop."""
    seed, count = options.seed, options.products
    places = np.arange(count)
    bits = [draw(seed, Purpose.CATALOGUE, trait, places) for trait in range(6)]
    category = np.sort(places % len(CATEGORIES))
    first = np.searchsorted(category, np.arange(len(CATEGORIES)))
    brand = pick(1 / np.arange(2, _BRANDS + 2), uniform(bits[0]))
    brand_quality = bell(draw(seed, Purpose.CATALOGUE, 6, np.arange(_BRANDS)))
    quality = 0.6 * brand_quality[brand] + 0.8 * bell(bits[1])
    dearness = 0.3 * bell(bits[2]) + 0.1 * quality
    popularity = _popularity(category, first, 0.7 * quality + bell(bits[3]))
    return Catalogue(
        seed=seed,
        product_ids=(_FIRST_ID + np.argsort(np.argsort(bits[4]))).astype(np.int64),
        category=category,
        first=first,
        popularity=popularity,
        shown_until=category + np.cumsum(popularity) - np.append(0.0, np.cumsum(popularity))[first][category],
        quality=quality,
        dearness=dearness,
        price_cents=np.maximum(np.round(_PRICE_CENTS[category] * np.exp(dearness) / 10) * 10 - 1, 49).astype(np.int64),
        brand=brand,
    )


def product_table(options: SimulationOptions, catalogue: Catalogue) -> pa.Table:
    """The rows of `products`: one from before the shop opens, and one more where the package or brand name changed."""
    bits: Bits = draw(options.seed, Purpose.CATALOGUE, 7, np.arange(catalogue.count))
    whether, moment = two_uniform(bits)
    changed = np.flatnonzero(whether < _CHANGED_SHARE)
    place = np.concatenate([np.arange(catalogue.count), changed])
    version = np.repeat([0, 1], [catalogue.count, len(changed)])
    known = np.datetime64(options.starts_at - timedelta(days=_KNOWN_DAYS_BEFORE), "us")
    later = np.datetime64(options.starts_at, "us") + (moment[changed] * options.days).astype("timedelta64[D]")
    updated = np.concatenate([np.full(catalogue.count, known), later])
    order = np.lexsort((updated, catalogue.product_ids[place]))
    return _describe(catalogue, place[order], version[order], updated[order])


def _describe(
    catalogue: Catalogue, place: Integers, version: Integers, updated: npt.NDArray[np.datetime64]
) -> pa.Table:
    category, brand = catalogue.category[place], catalogue.brand[place]
    ids = catalogue.product_ids[place]
    kind, size = ids % len(_KINDS), (ids // len(_KINDS) + version) % len(_SIZES)
    names = [f"{_NAMES[number % len(_NAMES)]} {number // len(_NAMES) + 1}" for number in range(_BRANDS)]
    types = [f"{kind} {name}".upper() for name in CATEGORIES for kind in _KINDS]
    type_code = category * len(_KINDS) + kind
    words = pa.array([name.title() for name in types])
    return pa.table(
        {
            "product_id": ids,
            "updated_at": updated,
            "recorded_at": updated,
            "sku": pa.array([f"SK-{number}" for number in ids.tolist()]),
            "title": pa.compute.binary_join_element_wise(pa.array(names).take(brand), words.take(type_code), " "),
            "brand": pa.array(names).take(brand),
            "manufacturer_id": brand // len(_NAMES) + 1,
            "department": pa.array(DEPARTMENTS).take(DEPARTMENT_OF[category]),
            "category": pa.array(CATEGORIES).take(category),
            "product_type": pa.array(types).take(type_code),
            "package_size": pa.array(_SIZES).take(size),
        }
    )


def _popularity(category: Integers, first: Integers, appeal: Floats) -> Floats:
    """Zipf's law by rank of appeal within each category."""
    order = np.lexsort((-appeal, category))
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order)) - first[category]
    weight = (rank + 2.0) ** -_ZIPF
    return weight / np.add.reduceat(weight, first)[category]
