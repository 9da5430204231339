"""Blocks of sessions, with what is looked up about their customers, and the things that pass through sessions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.shop.simulator.chances import WeekChances
from storekeeper.shop.simulator.draws import Bits, Floats, Integers, Purpose, draw
from storekeeper.shop.simulator.people import Traits, tastes, traits_of
from storekeeper.shop.simulator.seasons import WEEK_DAYS
from storekeeper.shop.simulator.sessions import Sessions
from storekeeper.shop.simulator.world import World

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Visitors:
    """A block of sessions of one week, with all that is looked up about them once.

    Attributes
    ----------
    sessions
        In order.
    key
        Random bits of each session.
    traits, kind, taste
        Of each session's customer on that day.
    week
        The chances of their week.
    """

    sessions: Sessions
    key: Bits
    traits: Traits
    kind: npt.NDArray[np.int64]
    taste: npt.NDArray[np.float32]
    week: WeekChances

    @property
    def count(self) -> int:
        """How many sessions."""
        return len(self.sessions)


@dataclass(frozen=True)
class Items:
    """Things of sessions: one row each.

    Attributes
    ----------
    at
        Place of the session in its block, ascending.
    product
        Place in the catalogue.
    time
        Microseconds since 1970.
    chance
        Of what happens next with it, as the simulator decided it.
    """

    at: npt.NDArray[np.int64]
    product: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    chance: Floats

    def only(self, chosen: Mask) -> "Items":
        """Some of them."""
        return Items(self.at[chosen], self.product[chosen], self.time[chosen], self.chance[chosen])


def welcome(world: World, sessions: Sessions) -> Visitors:
    """Look up who comes in a block of sessions, all of one week."""
    who, day = sessions["who"], sessions["day"].astype(np.int64)
    traits = traits_of(world.options, who)
    kind = traits.kind(day)
    return Visitors(
        sessions=sessions,
        key=draw(world.options.seed, Purpose.SLOT, who, day, sessions["nth"]),
        traits=traits,
        kind=kind,
        taste=tastes(world.options, who, kind, world.fondness),
        week=world.week(int(day[0]) // WEEK_DAYS),
    )


def first_of_each(at: Integers, product: Integers, products: int) -> Mask:
    """Which rows are the first of their product in their session; there may be up to 2^20 rows."""
    place = np.arange(len(at))
    ordered = np.sort(((at * products + product) << 20) | place)
    repeats = np.flatnonzero(ordered[1:] >> 20 == ordered[:-1] >> 20) + 1
    first = np.ones(len(at), np.bool_)
    first[ordered[repeats] & ((1 << 20) - 1)] = False
    return first
