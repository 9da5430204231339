"""A shop of a few rows in the form of The Complete Journey's tables."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from storekeeper.clock import Clock
from storekeeper.settings import Settings

Tables = dict[str, pd.DataFrame]


def purchase(**changes: object) -> dict[str, object]:
    """One good purchase line, with changes."""
    return {
        "household_id": 1,
        "store_id": 330,
        "basket_id": 31198570044,
        "product_id": 10,
        "quantity": 2,
        "sales_value": 3.49,
        "retail_disc": 0.5,
        "coupon_disc": 0.25,
        "coupon_match_disc": 0.05,
        "week": 1,
        "transaction_timestamp": pd.Timestamp("2017-01-01 11:53:26"),
        **changes,
    }


def product(**changes: object) -> dict[str, object]:
    """One good catalogue row, with changes."""
    return {
        "product_id": 10,
        "manufacturer_id": 69,
        "department": "GROCERY",
        "brand": "Private",
        "product_category": "SOUP",
        "product_type": "CONDENSED SOUP",
        "package_size": "10 OZ",
        **changes,
    }


def small_shop() -> Tables:
    """Every source with a few good rows."""
    return {
        "products": pd.DataFrame(
            [product(), product(product_id=20, department="FUEL", product_type="GASOLINE-REG UNLEADED")]
        ),
        "demographics": pd.DataFrame(
            {
                "household_id": [1],
                "age": ["65+"],
                "income": ["35-49K"],
                "home_ownership": ["None"],
                "marital_status": [None],
                "household_size": ["2"],
                "household_comp": ["2 Adults No Kids"],
                "kids_count": ["0"],
            }
        ),
        "campaign_descriptions": pd.DataFrame(
            {
                "campaign_id": [8, 9],
                "campaign_type": ["Type A", "Type B"],
                "start_date": pd.to_datetime(["2017-01-08", "2017-05-31"]),
                "end_date": pd.to_datetime(["2017-02-25", "2017-07-02"]),
            }
        ),
        "campaigns": pd.DataFrame({"campaign_id": [8, 9], "household_id": [1, 2]}),
        "coupons": pd.DataFrame(
            {"coupon_upc": [5_100_000_001, 5_100_000_001], "product_id": [10, 20], "campaign_id": [8, 8]}
        ),
        "coupon_redemptions": pd.DataFrame(
            {
                "household_id": [1, 2],
                "coupon_upc": [5_100_000_001, 5_100_000_001],
                "campaign_id": [8, 9],
                "redemption_date": pd.to_datetime(["2017-01-10", "2017-06-02"]),
            }
        ),
        "transactions": pd.DataFrame([purchase(), purchase(household_id=2, basket_id=31198570045)]),
    }


@pytest.fixture
def tables() -> Tables:
    return small_shop()


@pytest.fixture
def make_purchase() -> Callable[..., dict[str, object]]:
    return purchase


@pytest.fixture
def make_product() -> Callable[..., dict[str, object]]:
    return product


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=f"sqlite:///{tmp_path}/data/shop.db",
        clock=Clock(fixed=datetime(2017, 12, 25, tzinfo=UTC)),
    )
