"""Who shops: hidden segments, tastes, price sensitivity, activity and hazard, and the profile that a shop can see.

A customer's kind is a segment, a price sensitivity and whether there are children: everything that, beside the
product, decides how likely a click, a cart, a purchase or a return is. The profile shows it imperfectly: the age band
follows the segment and the income band the price sensitivity, both with exceptions; the number of children is exact.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.shop.simulator.catalogue import CATEGORIES
from storekeeper.shop.simulator.draws import (
    Floats,
    Integers,
    Purpose,
    bell,
    draw,
    four_uniform,
    pick,
    two_uniform,
)
from storekeeper.shop.simulator.options import SimulationOptions

# By segment: students, young workers, families, professionals, collectors, pensioners.
SEGMENT_SHARES = (0.18, 0.20, 0.22, 0.16, 0.08, 0.16)
_VISITS_A_DAY = np.array([0.07, 0.09, 0.11, 0.06, 0.15, 0.05])
_HAZARD_A_DAY = np.array([0.0110, 0.0070, 0.0035, 0.0045, 0.0020, 0.0030])
_SENSITIVITY_SHARES = np.array(
    [
        [0.10, 0.30, 0.60],
        [0.25, 0.50, 0.25],
        [0.20, 0.40, 0.40],
        [0.65, 0.25, 0.10],
        [0.55, 0.35, 0.10],
        [0.30, 0.40, 0.30],
    ]
)
SENSITIVITY = np.array([0.3, 1.0, 2.0])
SEGMENTS, SENSITIVITIES, STAGES = 6, 3, 2
KINDS = SEGMENTS * SENSITIVITIES * STAGES
_SHARE_WITH_CHILDREN = np.array([0.03, 0.15, 0.75, 0.35, 0.25, 0.05])
_FROM_THE_START = 0.65
_SHARE_CHANGING = 0.2
_ACTIVITY_SPREAD = 0.7
_LEAST_VISITS, _MOST_VISITS = 0.01, 0.8
_NEVER = np.iinfo(np.int32).max
_TASTE_SPREAD = 1.2
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Lives:
    """What is held for every customer, by number from 0; everything else is looked up when needed.

    Attributes
    ----------
    joins, leaves
        First day with an account and first day on which nothing is done any more, int32; days count from the shop's
        first. Leaving is silent.
    visits
        Expected sessions on an average day, float32.
    """

    joins: npt.NDArray[np.int32]
    leaves: npt.NDArray[np.int32]
    visits: npt.NDArray[np.float32]

    @property
    def count(self) -> int:
        """How many customers."""
        return len(self.joins)


@dataclass(frozen=True)
class Traits:
    """What a customer is, one value each.

    Attributes
    ----------
    segment, sensitivity
        Places in `SEGMENT_SHARES` and `SENSITIVITY`.
    changes_on
        The day on which children come or leave; far away where they never do.
    starts_with_children
        Whether there are any before that day.
    hazard
        Chance to leave for good, a day.
    click_factor, checkout_factor, return_factor
        By what this person's chances differ from those of the kind; at most 1.2, 1 and 1.5.
    """

    segment: npt.NDArray[np.int64]
    sensitivity: npt.NDArray[np.int64]
    changes_on: npt.NDArray[np.int64]
    starts_with_children: npt.NDArray[np.bool_]
    hazard: Floats
    click_factor: Floats
    checkout_factor: Floats
    return_factor: Floats

    def kind(self, day: Integers | int) -> npt.NDArray[np.int64]:
        """The kind on a day: `(segment * 3 + sensitivity) * 2 + children`."""
        children = self.starts_with_children ^ (np.asarray(day) >= self.changes_on)
        return (self.segment * SENSITIVITIES + self.sensitivity) * STAGES + children


def traits_of(options: SimulationOptions, who: Integers) -> Traits:
    """What these customers, by number, are."""
    seed = options.seed
    segment_chance, sensitivity_chance = two_uniform(draw(seed, Purpose.SEGMENT, who))
    segment = pick(SEGMENT_SHARES, segment_chance)
    edges = np.cumsum(_SENSITIVITY_SHARES, axis=1)[:, :-1]
    sensitivity = (sensitivity_chance[:, None] >= edges[segment]).sum(axis=1)
    changing, moment, children, _ = four_uniform(draw(seed, Purpose.CHANGES, who))
    day = (moment * options.days).astype(np.int64)
    click, checkout, returning, _ = four_uniform(draw(seed, Purpose.TRAITS, who))
    return Traits(
        segment=segment,
        sensitivity=sensitivity,
        changes_on=np.where(changing < _SHARE_CHANGING, day, _NEVER),
        starts_with_children=children < _SHARE_WITH_CHILDREN[segment],
        hazard=_HAZARD_A_DAY[segment],
        click_factor=0.8 + 0.4 * click,
        checkout_factor=0.8 + 0.2 * checkout,
        return_factor=0.7 + 0.8 * returning,
    )


def live(options: SimulationOptions) -> Lives:
    """When each customer joins and leaves, and how often they visit; block by block, so in little memory."""
    count = options.customers
    lives = Lives(np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, np.float32))
    for begin in range(0, count, _BLOCK):
        who = np.arange(begin, min(begin + _BLOCK, count))
        segment = pick(SEGMENT_SHARES, two_uniform(draw(options.seed, Purpose.SEGMENT, who))[0])
        joining, leaving = two_uniform(draw(options.seed, Purpose.LIFE, who))
        late = (joining - _FROM_THE_START) / (1 - _FROM_THE_START)
        joins = np.where(late < 0, 0, late * options.days).astype(np.int32)
        # The number of days until the first on which a coin of the hazard's chance falls.
        days = 1 + np.floor(np.log1p(-leaving) / np.log1p(-_HAZARD_A_DAY[segment]))
        spread = np.exp(_ACTIVITY_SPREAD * bell(draw(options.seed, Purpose.ACTIVITY, who)))
        lives.joins[who], lives.leaves[who] = joins, joins + days.astype(np.int32)
        lives.visits[who] = np.clip(_VISITS_A_DAY[segment] * spread, _LEAST_VISITS, _MOST_VISITS)
    return lives


def affinities(options: SimulationOptions) -> Floats:
    """How fond each kind is of each category, about normal; shape (kinds, categories)."""
    kinds = np.arange(KINDS)
    segment, sensitivity, children = kinds // (SENSITIVITIES * STAGES), kinds // STAGES % SENSITIVITIES, kinds % STAGES
    categories = np.arange(len(CATEGORIES))

    def hidden(trait: int, level: Integers) -> Floats:
        return bell(draw(options.seed, Purpose.TASTE, trait, level[:, None], categories[None, :]))

    everybody = hidden(3, np.zeros(KINDS, np.int64))
    return 0.6 * everybody + 0.65 * hidden(0, segment) + 0.2 * hidden(1, sensitivity) + 0.35 * hidden(2, children)


def tastes(options: SimulationOptions, who: Integers, kind: Integers, fondness: Floats) -> npt.NDArray[np.float32]:
    """The shares in which customers look at the categories, float32, shape (customers, categories); rows sum to 1.

    They follow the kind's fondness, and differ from person to person for good.
    """
    parts = len(CATEGORIES) // 4
    bits = draw(options.seed, Purpose.TASTE, 4, who[:, None], np.arange(parts)[None, :])
    personal = np.concatenate(four_uniform(bits), axis=1).astype(np.float32)
    weight = np.exp(fondness.astype(np.float32)[kind] + np.float32(_TASTE_SPREAD) * (personal - np.float32(0.5)))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float32)
