"""Examples of how a category's sales go."""

import pytest

from storekeeper.testing import FeatureRepo

WINDOWS = {f"category_units_{days}d": 0 for days in (1, 3, 7, 14, 21, 28, 56, 91)}
MONEY = {
    "category_revenue_cents_7d": 0,
    "category_revenue_cents_91d": 0,
    "category_discount_share_7d": None,
    "category_discount_share_28d": None,
}


def given(**changes: object) -> dict[str, object]:
    """What the shape is made from, with changes."""
    return {"request_time": "2017-05-01", **WINDOWS, **MONEY, **changes}


def test_units_are_summed(feature_repo: FeatureRepo) -> None:
    """Units of all the category's lines count; those at the very time of asking don't."""
    lines = [
        {"event_time": "2017-05-01T00:00", "category": "MILK", "quantity": 4},
        {"event_time": "2017-05-07T10:30", "category": "MILK", "quantity": 2},
        {"event_time": "2017-05-07T10:30", "category": "SOAP", "quantity": 7},
        {"event_time": "2017-05-08T00:00", "category": "MILK", "quantity": 9},
    ]
    sales = feature_repo.view("category_sales").given(lines)
    sales.at("2017-05-08T00:00", category="MILK").expect(
        category_units_1d=2, category_units_7d=6, category_units_14d=6, category_units_91d=6
    )
    sales.at("2017-05-08T00:00", category="TEA").expect(category_units_7d=0)


@pytest.mark.parametrize("hour", ["00:00", "17:00"])
def test_weeks_are_weeks_at_any_hour(feature_repo: FeatureRepo, hour: str) -> None:
    """Windows of up to four weeks begin by the hour, so that the week before the last is its difference."""
    lines = [
        {"event_time": f"2017-05-{day:02}T{hour}", "category": "MILK", "quantity": units}
        for day, units in ((1, 100), (8, 10), (14, 1))
    ]
    sales = feature_repo.view("category_sales").given(lines)
    sales.at(f"2017-05-15T{hour}", category="MILK").expect(category_units_7d=11, category_units_14d=111)


def test_shares_are_of_a_week_at_the_level(feature_repo: FeatureRepo) -> None:
    """The level is the mean of a month's and a quarter's weekly units; weeks are differences, by the level."""
    units = dict(zip(WINDOWS, (2, 6, 12, 22, 40, 48, 80, 104), strict=True))
    feature_repo.on_demand("sales_shape").given(**given(**units)).expect(
        sales_level=10.0,
        sales_share_1d=1.4,
        sales_share_3d=1.4,
        sales_share_week_1=1.2,
        sales_share_week_2=1.0,
        sales_share_week_3=1.8,
        sales_share_week_4=0.8,
        sales_share_28d=1.2,
        sales_share_56d=1.0,
        sales_share_91d=0.8,
    )


def test_a_category_that_hardly_sells(feature_repo: FeatureRepo) -> None:
    """A level below a quarter of a unit counts as one, so that no share is boundless; without sales no price is."""
    shape = feature_repo.on_demand("sales_shape")
    few = given(category_units_28d=1, category_units_91d=1, category_units_56d=1)
    shape.given(**few).expect(sales_level=0.125 + 1 / 26, sales_share_28d=1.0, sales_price_ratio=None)


def test_price_and_discount_against_before(feature_repo: FeatureRepo) -> None:
    """What a unit cost last week is held against the quarter, its discount against the month."""
    priced = given(
        category_units_7d=10,
        category_units_91d=100,
        category_revenue_cents_7d=900,
        category_revenue_cents_91d=18_000,
        category_discount_share_7d=0.5,
        category_discount_share_28d=0.125,
    )
    feature_repo.on_demand("sales_shape").given(**priced).expect(sales_price_ratio=0.5, sales_discount_change=0.375)


@pytest.mark.parametrize(
    ("moment", "ahead", "before"), [("2017-05-01", 7, 0), ("2017-05-08T13:00", 3, 7), ("2017-05-29", 4, 0)]
)
def test_the_start_of_a_month(feature_repo: FeatureRepo, moment: str, ahead: int, before: int) -> None:
    """Of the seven days to come, and of those past, the share that is among the first ten of a month."""
    shape = feature_repo.on_demand("sales_shape").given(**given(request_time=moment))
    shape.expect(month_start_share=ahead / 7, month_start_share_before=before / 7)
