"""The profile that the shop sees of a customer: one row when they join, one more for each change."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storekeeper.shop.simulator.draws import Floats, Integers, Purpose, draw, four_uniform
from storekeeper.shop.simulator.options import SimulationOptions
from storekeeper.shop.simulator.people import SEGMENTS, SENSITIVITIES, Lives, Traits, traits_of
from storekeeper.shop.simulator.seasons import DAY_US
from storekeeper.shop.simulator.words import spell

_AGE_BANDS = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
_AGE_SHARES = np.full((SEGMENTS, len(_AGE_BANDS)), 0.012)
_AGE_SHARES[np.arange(SEGMENTS), (0, 1, 2, 3, 4, 5)] = 0.94
_INCOME_BANDS = ("100K+", "50-99K", "UNDER 50K")
_INCOME_SHARES = np.full((SENSITIVITIES, len(_INCOME_BANDS)), 0.03)
_INCOME_SHARES[np.arange(SENSITIVITIES), np.arange(SENSITIVITIES)] = 0.94
_HOMES = ("RENTER", "HOMEOWNER")
_OWNER_SHARES = np.array([0.05, 0.25, 0.65, 0.7, 0.6, 0.75])
_MARITAL = ("UNMARRIED", "MARRIED")
_MARRIED_SHARES = np.array([0.05, 0.35, 0.8, 0.6, 0.5, 0.65])
_SIZES = ("1", "2", "3", "4", "5+")
_HOUSEHOLDS = ("1 ADULT NO KIDS", "1 ADULT KIDS", "2 ADULTS NO KIDS", "2 ADULTS KIDS")
_KIDS = ("0", "1", "2", "3+")
_UNKNOWN_SHARE = 0.02
_MOVING_SHARE = 0.15
_LATE_SHARE, _LATE_DAYS = 0.1, 14
_LONGEST_BEFORE_DAYS = 700
_BLOCK = 1 << 18


def customer_table(options: SimulationOptions, lives: Lives) -> pa.Table:
    """The rows of `customers`, ordered by customer and time.

    `updated_at` is when a change happened, `recorded_at` when the shop learnt of it: a tenth up to two weeks late.
    Those who were customers before the shop was watched joined up to two years earlier.
    """
    blocks = range(0, options.customers, _BLOCK)
    return pa.concat_tables(
        _rows(options, lives, np.arange(begin, min(begin + _BLOCK, options.customers))) for begin in blocks
    )


def _rows(options: SimulationOptions, lives: Lives, who: Integers) -> pa.Table:
    traits = traits_of(options, who)
    joined, moved, lateness, _ = four_uniform(draw(options.seed, Purpose.PROFILE, 0, who))
    first = _instants(options, np.where(lives.joins[who] > 0, lives.joins[who], -1.0 - joined * _LONGEST_BEFORE_DAYS))
    moves_on = np.where(moved < _MOVING_SHARE, moved / _MOVING_SHARE * options.days, np.inf)
    children_on = np.where(traits.changes_on < options.days, traits.changes_on, np.inf)
    changes = np.stack([moves_on, children_on])
    # Nothing is learnt of a change before joining, or after leaving.
    seen = (changes > lives.joins[who]) & (changes < np.minimum(lives.leaves[who], options.days))
    row = np.concatenate([np.arange(len(who)), np.nonzero(seen)[1]])
    at = np.concatenate([first, _instants(options, changes[seen])])
    order = np.lexsort((at, row))
    row, at = row[order], at[order]
    days = (at - np.datetime64(options.starts_at, "us")).astype(np.int64) / DAY_US
    late = np.where(lateness < _LATE_SHARE, lateness / _LATE_SHARE * _LATE_DAYS * DAY_US, 0).astype("timedelta64[us]")
    recorded = at + np.where(days < 0, np.timedelta64(0, "us"), late[row])
    profile = _profile(options, who, traits, row, days >= moves_on[row], np.floor(days).astype(np.int64))
    return pa.table({"customer_id": who[row] + 1, "updated_at": at, "recorded_at": recorded, **profile})


def _profile(
    options: SimulationOptions,
    who: Integers,
    traits: Traits,
    row: Integers,
    moved: npt.NDArray[np.bool_],
    day: npt.NDArray[np.int64],
) -> dict[str, pa.Array]:
    """What the shop sees; `row` says whose it is."""
    age, income, home, unknown = four_uniform(draw(options.seed, Purpose.PROFILE, 1, who))
    married, kids, _, _ = four_uniform(draw(options.seed, Purpose.PROFILE, 2, who))
    segment = traits.segment
    children = traits.starts_with_children[row] ^ (day >= traits.changes_on[row])
    is_married = (married < _MARRIED_SHARES[segment])[row]
    count = np.where(children, 1 + np.minimum(kids * 3, 2).astype(np.int64)[row], 0)
    size = 1 + is_married + count
    income_band = pick_by_row(_INCOME_SHARES, traits.sensitivity, income)[row]
    return {
        "age_band": spell(_AGE_BANDS, pick_by_row(_AGE_SHARES, segment, age)[row]),
        "income_band": spell(_INCOME_BANDS, income_band, hidden=(unknown < _UNKNOWN_SHARE)[row]),
        "home_ownership": spell(_HOMES, ((home < _OWNER_SHARES[segment])[row] ^ moved).astype(np.int64)),
        "marital_status": spell(_MARITAL, is_married.astype(np.int64)),
        "household_size": spell(_SIZES, np.minimum(size, len(_SIZES)) - 1),
        "household_composition": spell(_HOUSEHOLDS, 2 * is_married + children),
        "kids_count": spell(_KIDS, count),
    }


def pick_by_row(shares: Floats, row: Integers, chance: Floats) -> npt.NDArray[np.int64]:
    """Which part of each row's whole a number in [0, 1) falls into."""
    edges = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    return np.asarray((chance[:, None] >= edges[row]).sum(axis=1))


def _instants(options: SimulationOptions, days: Floats) -> npt.NDArray[np.datetime64]:
    return np.datetime64(options.starts_at, "us") + (days * DAY_US).astype("timedelta64[us]")
