"""When people shop: hours of the day, days of the week, seasons of the year."""

from datetime import date

import numpy as np

from storekeeper.shop.simulator.draws import Floats, Integers

DAY_US = 86_400_000_000
WEEK_DAYS = 7

# From Monday, and from midnight; what counts is their proportion.
_WEEKDAYS = np.array([0.92, 0.88, 0.90, 0.95, 1.05, 1.22, 1.18])
_WORKDAY_HOURS = np.array([9, 5, 3, 2, 2, 4, 10, 20, 28, 32, 36, 42, 52, 46, 38, 36, 38, 46, 60, 76, 86, 78, 52, 12.0])
_WEEKEND_HOURS = np.array([14, 9, 5, 3, 2, 2, 5, 11, 24, 42, 60, 68, 66, 62, 60, 60, 62, 62, 60, 62, 62, 56, 40, 11.0])
# The last session begins half an hour before midnight, so that each ends on its day.
_EDGES = np.array([*range(24), 23.5]) / 24
_SATURDAY = 5
_WINTER_PEAK_DAY = 350
_PRESENTS_FIRST_DAY, _PRESENTS_LAST_DAY, _PRESENTS = 328, 357, 0.35


def day_factors(start: date, days: Integers) -> Floats:
    """How busy each day is, about 1 on average; days count from the shop's first."""
    dates = np.datetime64(start, "D") + np.asarray(days)
    year_day = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    season = 1 + 0.22 * np.cos(2 * np.pi * (year_day - _WINTER_PEAK_DAY) / 365.25)
    presents = np.where((year_day >= _PRESENTS_FIRST_DAY) & (year_day <= _PRESENTS_LAST_DAY), _PRESENTS, 0.0)
    return np.asarray(_WEEKDAYS[weekdays(start, days)] * (season + presents))


def weekdays(start: date, days: Integers) -> Integers:
    """The weekday of each day that counts from the shop's first; Monday is 0."""
    return np.asarray((np.asarray(days) + start.weekday()) % WEEK_DAYS)


def hour_of_chance(weekday: int, chance: Floats) -> Floats:
    """Fractions of a day at which sessions begin, from uniform numbers."""
    return np.interp(chance, _shares(weekday), _EDGES)


def share_of_day(weekday: Integers, fraction: Floats) -> Floats:
    """Which share of a day's sessions has begun by a fraction of that day."""
    workday = np.interp(fraction, _EDGES, _shares(0))
    weekend = np.interp(fraction, _EDGES, _shares(_SATURDAY))
    return np.where(np.asarray(weekday) >= _SATURDAY, weekend, workday)


def _shares(weekday: int) -> Floats:
    hours = _WEEKEND_HOURS if weekday >= _SATURDAY else _WORKDAY_HOURS
    return np.concatenate([[0.0], np.cumsum(hours) / hours.sum()])
