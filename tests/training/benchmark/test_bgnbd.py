"""BG/NBD is the published model: its likelihood, its parameters, its expectation."""

import numpy as np
import pandas as pd
import pytest

from public_data import public_data
from storekeeper.errors import DataError
from storekeeper_training.benchmark.bgnbd import BgNbd, Histories, fit_bgnbd

PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
LOG_LIKELIHOOD = -9582.43
CUSTOMERS = 2357


@pytest.fixture(scope="module")
def sample() -> Histories:
    """CDNOW's sample of one in ten, in weeks until 1997-09-30, as the paper has it."""
    lines = pd.read_parquet(public_data("cdnow", "sample.parquet") / "sample.parquet")
    day = pd.to_datetime(lines["c2"].astype(int).astype(str))
    end = pd.Timestamp("1997-09-30")
    days = pd.DataFrame({"who": lines["c0"], "day": day})
    kept = days[days["day"] <= end].drop_duplicates().groupby("who")["day"].agg(["min", "max", "size"])
    recency, age = ((late - kept["min"]).dt.days.to_numpy() / 7 for late in (kept["max"], end))
    return Histories(kept["size"].to_numpy() - 1.0, recency, age)


def test_the_published_likelihood_is_reached(sample: Histories) -> None:
    """Fader, Hardie and Lee (2005), table 2: the log likelihood at their parameters, on all 2,357 customers."""
    assert len(sample.age) == CUSTOMERS
    assert PUBLISHED.log_likelihood(sample) == pytest.approx(LOG_LIKELIHOOD, abs=0.01)


def test_the_fit_finds_the_published_parameters(sample: Histories) -> None:
    """The maximum is where the paper has it."""
    found = fit_bgnbd(sample)
    assert (found.r, found.alpha, found.a, found.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), rel=0.01)
    assert found.log_likelihood(sample) >= LOG_LIKELIHOOD - 0.01


def test_the_expectation_is_that_of_simulated_customers() -> None:
    """Customers drawn by the model's own story buy as often as it expects of those with the same history."""
    rng = np.random.default_rng(0)
    model, count, age, horizon = BgNbd(1.2, 6.0, 1.5, 3.0), 200_000, 20.0, 13.0
    rate, chance = rng.gamma(model.r, 1 / model.alpha, count), rng.beta(model.a, model.b, count)
    at, alive = np.zeros(count), np.ones(count, bool)
    repeats, recency, later = np.zeros(count), np.zeros(count), np.zeros(count)
    while (alive & (at < age + horizon)).any():
        at += rng.exponential(1 / rate)
        before, after = alive & (at <= age), alive & (at > age) & (at <= age + horizon)
        repeats[before] += 1
        recency[before] = at[before]
        later[after] += 1
        alive &= rng.random(count) >= chance
    expected = model.expected_purchases(Histories(repeats, recency, np.full(count, age)), horizon)
    for times in (0, 1, 3):
        group = repeats == times
        assert expected[group].mean() == pytest.approx(later[group].mean(), rel=0.05)


def test_histories_that_cannot_be_are_refused() -> None:
    """A last purchase after the end of what was seen is an error of units or order."""
    with pytest.raises(DataError, match="recency <= age"):
        Histories(np.array([1.0]), np.array([3.0]), np.array([2.0]))
