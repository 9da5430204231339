"""Examples of what only the request knows."""

import pytest

from storekeeper.testing import FeatureRepo


@pytest.mark.parametrize(
    ("moment", "hour", "weekday"),
    [("2017-05-01T00:00", 0, 0), ("2017-05-07T23:59:59", 23, 6), ("2017-05-01T01:30+02:00", 23, 6)],
)
def test_hour_and_weekday_are_of_utc(feature_repo: FeatureRepo, moment: str, hour: int, weekday: int) -> None:
    """Monday is 0, and the zone of the request's time doesn't matter."""
    context = feature_repo.on_demand("shopping_context").given(request_time=moment, price=1.0)
    context.expect(request_hour=hour, request_weekday=weekday)


def test_no_time_has_no_hour(feature_repo: FeatureRepo) -> None:
    """A request without a time has neither hour nor weekday, and its ratio all the same."""
    context = feature_repo.on_demand("shopping_context").given(request_time=None, price=3.0, unit_price_cents_91d=2.0)
    context.expect(request_hour=None, request_weekday=None, price_ratio=1.5)


@pytest.mark.parametrize(
    ("price", "average", "ratio"), [(300.0, 150.0, 2.0), (300.0, None, None), (None, 150.0, None), (300.0, 0.0, None)]
)
def test_price_ratio(feature_repo: FeatureRepo, price: float, average: float, ratio: float) -> None:
    """The price is held against what the customer paid on average, where there is such an average."""
    context = feature_repo.on_demand("shopping_context")
    context.given(request_time="2017-05-01", price=price, unit_price_cents_91d=average).expect(price_ratio=ratio)


def test_price_ratio_uses_the_average_of_91_days(feature_repo: FeatureRepo) -> None:
    """The average is the customer's own, over lines before the request."""
    lines = [
        {"customer_id": 1, "event_time": "2017-04-01", "unit_price_cents": 100.0},
        {"customer_id": 1, "event_time": "2017-05-01", "unit_price_cents": 900.0},
        {"customer_id": 2, "event_time": "2017-04-01", "unit_price_cents": 800.0},
    ]
    behind = feature_repo.view("customer_activity").given(lines).at("2017-05-01", customer_id=1)
    context = feature_repo.on_demand("shopping_context")
    context.given(request_time="2017-05-01", price=50.0, **behind.values("unit_price_cents_91d")).expect(
        price_ratio=0.5
    )
