"""The parts of the simulator: chance by name, the calendar, the order of deliveries, and silence."""

from datetime import date

import numpy as np
import pytest

from storekeeper.errors import UsageError
from storekeeper.shop.simulator import SimulationOptions
from storekeeper.shop.simulator.deliveries import Pool, blank, deliver, part_repeats
from storekeeper.shop.simulator.draws import Purpose, bell, draw, four_uniform, poisson_edges, two_uniform, uniform
from storekeeper.shop.simulator.seasons import day_factors, hour_of_chance, share_of_day
from storekeeper.shop.simulator.silence import silence

MANY = np.arange(200_000)


def test_draws_depend_on_seed_purpose_and_whom_alone() -> None:
    """Each changes the numbers; the company in which one is drawn does not."""
    drawn = draw(1, Purpose.VISIT, MANY, 3)
    assert np.array_equal(draw(1, Purpose.VISIT, MANY[500:], 3), drawn[500:])
    others = [draw(2, Purpose.VISIT, MANY, 3), draw(1, Purpose.LIFE, MANY, 3), draw(1, Purpose.VISIT, MANY, 4)]
    for other in others:
        assert not np.any(other == drawn)
        assert abs(np.corrcoef(uniform(drawn), uniform(other))[0, 1]) < 0.01


def test_draws_are_evenly_spread() -> None:
    """Uniform numbers fill their twentieths evenly, halves and quarters of the bits too, without correlation."""
    bits = draw(1, Purpose.TASTE, MANY)
    numbers = [uniform(bits), *two_uniform(bits), *four_uniform(bits)]
    for chance in numbers:
        counts = np.histogram(chance, bins=20, range=(0, 1))[0]
        expected = len(MANY) / 20
        assert ((counts - expected) ** 2 / expected).sum() < 50
    assert abs(np.corrcoef(np.stack(numbers[3:]))[np.triu_indices(4, 1)]).max() < 0.01
    assert bell(bits).std() == pytest.approx(1, abs=0.01)


def test_poisson_counts_have_their_mean() -> None:
    """Counts drawn by the edges have mean and variance of the distribution."""
    counts = np.searchsorted(poisson_edges(2.2, 12), uniform(draw(1, Purpose.SLOT, MANY)), side="right")
    assert counts.mean() == pytest.approx(2.2, abs=0.02)
    assert counts.var() == pytest.approx(2.2, abs=0.05)


def test_shops_have_seasons() -> None:
    """Weekends and December are busy, and so are evenings on workdays."""
    days = day_factors(date(2024, 1, 1), np.arange(366))
    monthly = [days[first : first + 28].mean() for first in range(0, 336, 28)]
    assert np.argmax(monthly) == 11
    weekly = days[:364].reshape(-1, 7).mean(axis=0)
    assert weekly[5:].min() > weekly[:5].max()
    hours = np.histogram(hour_of_chance(1, uniform(draw(1, Purpose.SESSION, MANY))), bins=24, range=(0, 1))[0]
    assert np.argmax(hours) == 20
    assert hours[2:5].sum() < hours[20] / 5


def test_the_share_of_a_day_is_what_has_begun_by_then() -> None:
    """It is the distribution function of the moments at which sessions begin, on workdays and weekends."""
    chance = np.linspace(0, 1, 50)
    for weekday in (0, 6):
        assert np.allclose(share_of_day(np.full(50, weekday), hour_of_chance(weekday, chance)), chance)


def test_deliveries_come_out_in_order_whenever_they_came_in() -> None:
    """In one piece or many, by time, then sender's id, then arrival; nothing is lost or doubled."""
    events = blank(5_000)
    events["key"] = draw(1, Purpose.DELIVERY, np.arange(5_000))
    events["time"] = np.arange(5_000) // 3 * 1_000
    deliveries = deliver(events)
    at_once, bit_by_bit = Pool(), Pool()
    at_once.add(deliveries)
    pieces = []
    order = np.argsort(deliveries["time"], kind="stable")
    for part in np.array_split(order, 20):
        bit_by_bit.add(deliveries[part[::-1]])
        pieces.append(bit_by_bit.take(int(deliveries["time"][part[-1]])))
    whole = at_once.take(10**9)
    expected = deliveries[np.lexsort((deliveries["known"], deliveries["key"], deliveries["time"]))]
    assert whole.tobytes() == expected.tobytes()
    assert np.concatenate([*pieces, bit_by_bit.take(10**9)]).tobytes() == expected.tobytes()


def test_repeats_are_told_from_events_at_the_same_moment() -> None:
    """Only a second delivery of the same event is parted, and its first is named."""
    events = blank(1_000)
    events["key"] = draw(1, Purpose.DELIVERY, np.arange(1_000))
    pool = Pool()
    pool.add(np.concatenate([events, events[10:30]]))
    kept, repeats, first = part_repeats(pool.take(1))
    assert len(kept) == 1_000
    assert len(repeats) == 20
    assert np.array_equal(kept["key"][first], repeats["key"])


def test_silence_is_what_a_simulation_of_it_shows() -> None:
    """The recursion agrees with lives played out day by day, and with the exponential where nobody leaves."""
    rng = np.random.default_rng(3)
    rates = [0.05, 0.2, 0.1, 0.3]
    lives = 200_000
    quiet, there = rng.poisson(0.1, lives) == 0, np.ones(lives, bool)
    for rate in rates:
        there &= rng.random(lives) >= 0.15
        quiet &= ~there | (rng.poisson(rate, lives) == 0)
    told = silence(np.array([0.15]), np.array([0.1]), (np.array([rate]) for rate in rates))
    assert told[0] == pytest.approx(quiet.mean(), abs=0.005)
    stay = silence(np.array([0.0]), np.array([0.1]), (np.array([rate]) for rate in rates))
    assert stay[0] == pytest.approx(np.exp(-0.1 - sum(rates)))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"customers": 0}, "--customers of a simulated shop must be 1 to 10,000,000. Received: 0"),
        ({"days": -3}, "--days .* Received: -3"),
        ({"days": 10_000}, "--days of a simulated shop must be 1 to 3,660"),
        ({"seed": -1}, "--seed .* Received: -1"),
        ({"products": 5}, "--products of a simulated shop must be 100 to"),
        (
            {"start": "yesterday"},
            "--start of a simulated shop must be a date such as 2024-01-01. Received: 'yesterday'",
        ),
        ({"start": "0300-01-01"}, "--start .* years 1980 to 2200. Received: 0300-01-01"),
        ({"colour": "red"}, "no options 'colour'. It has 'customers', 'days'"),
    ],
)
def test_impossible_options_are_refused(given: dict[str, str | int], told: str) -> None:
    """The message names the option, what it may be, and what came."""
    with pytest.raises(UsageError, match=told):
        SimulationOptions.parse(given)


def test_options_identify_a_shop() -> None:
    """The fingerprint changes with each of them."""
    options = [SimulationOptions.parse(given) for given in ({}, {"seed": 2}, {"start": "2023-01-01"}, {"days": 7})]
    assert len({option.fingerprint for option in options}) == 4
    assert options[0] == SimulationOptions()
