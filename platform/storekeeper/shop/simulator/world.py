"""The shop as it is before anybody does anything: what all parts of the simulation look things up in."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from storekeeper.shop.simulator.campaigns import Offers, make_offers
from storekeeper.shop.simulator.catalogue import Catalogue, make_catalogue
from storekeeper.shop.simulator.chances import WeekChances, week_chances
from storekeeper.shop.simulator.draws import Floats
from storekeeper.shop.simulator.options import SimulationOptions
from storekeeper.shop.simulator.people import Lives, affinities, live

_WEEKS_KEPT = 6


@dataclass(frozen=True)
class World:
    """A shop.

    Attributes
    ----------
    options
        What was asked for.
    catalogue
        What is sold.
    fondness
        `people.affinities`.
    lives
        Who shops.
    """

    options: SimulationOptions
    catalogue: Catalogue
    fondness: Floats
    lives: Lives
    _weeks: dict[int, WeekChances] = field(default_factory=dict, repr=False)
    _offers: dict[int, Offers] = field(default_factory=dict, repr=False)

    @property
    def origin_us(self) -> int:
        """The shop's first instant in microseconds since 1970."""
        return int(np.datetime64(self.options.starts_at, "us").astype(np.int64))

    def week(self, number: int) -> WeekChances:
        """The chances of a week, from 0. The last few asked for are kept, as weeks pass in order."""
        if number not in self._weeks:
            self._weeks[number] = week_chances(self.catalogue, self.fondness, number)
            for old in [known for known in self._weeks if known <= number - _WEEKS_KEPT]:
                del self._weeks[old]
        return self._weeks[number]

    def offers(self, campaign: int) -> Offers:
        """The coupons of a campaign, from 0."""
        if campaign not in self._offers:
            self._offers[campaign] = make_offers(self.options.seed, self.catalogue, self.fondness, campaign)
        return self._offers[campaign]


@dataclass(frozen=True)
class Memory:
    """What has happened to each customer so far, as far as it bears on what comes; updated in place.

    Attributes
    ----------
    last_day
        Day of the last session, int32; far back where there was none.
    offer
        Which offer of the running campaign was mailed to them, int8; -1 if none.
    """

    last_day: npt.NDArray[np.int32]
    offer: npt.NDArray[np.int8]


def make_world(options: SimulationOptions) -> World:
    """The shop that the options describe."""
    return World(options, make_catalogue(options), affinities(options), live(options))


def empty_memory(customers: int) -> Memory:
    """The memory of a first morning."""
    return Memory(np.full(customers, -1_000_000, np.int32), np.full(customers, -1, np.int8))
