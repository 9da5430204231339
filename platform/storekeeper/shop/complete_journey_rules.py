"""What The Complete Journey's tables must look like, and the rules that its rows must keep."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from storekeeper.shop.cleaning import (
    RepeatRule,
    RowRule,
    Rule,
    amount_within,
    instant,
    no_repeats,
    optional_whole,
    positive_quantity,
    required_whole,
    timestamp_within,
    whole,
)

# Naive, as everything inside SQL is: UTC.
EARLIEST = datetime(2016, 1, 1)  # noqa: DTZ001
LATEST = datetime(2019, 1, 1)  # noqa: DTZ001
# The dearest line of the data costs 840 and the largest that is not fuel has 144 units.
MOST_LINE_CENTS = 1_000_000
MOST_QUANTITY = 1_000

FUEL_PRODUCTS = "fuel_products"
KNOWN_CAMPAIGNS = "known_campaigns"

# In the order in which they are cleaned: later ones look at earlier ones.
SOURCES: Mapping[str, tuple[str, ...]] = {
    "products": (
        "product_id",
        "manufacturer_id",
        "department",
        "brand",
        "product_category",
        "product_type",
        "package_size",
    ),
    "demographics": (
        "household_id",
        "age",
        "income",
        "home_ownership",
        "marital_status",
        "household_size",
        "household_comp",
        "kids_count",
    ),
    "campaign_descriptions": ("campaign_id", "campaign_type", "start_date", "end_date"),
    "campaigns": ("campaign_id", "household_id"),
    "coupons": ("coupon_upc", "product_id", "campaign_id"),
    "coupon_redemptions": ("household_id", "coupon_upc", "campaign_id", "redemption_date"),
    "transactions": (
        "household_id",
        "store_id",
        "basket_id",
        "product_id",
        "quantity",
        "sales_value",
        "retail_disc",
        "coupon_disc",
        "coupon_match_disc",
        "transaction_timestamp",
    ),
}

RULES: Mapping[str, Sequence[Rule]] = {
    "products": [
        *required_whole("product_id"),
        *optional_whole("manufacturer_id"),
        *no_repeats("product_id"),
    ],
    "demographics": [*required_whole("household_id"), *no_repeats("household_id")],
    "campaign_descriptions": [
        *required_whole("campaign_id"),
        *timestamp_within("start_date", EARLIEST, LATEST),
        *timestamp_within("end_date", EARLIEST, LATEST),
        RowRule("end_date is before start_date", f"({instant('end_date')}) < ({instant('start_date')})"),
        *no_repeats("campaign_id"),
    ],
    "campaigns": [
        *required_whole("campaign_id", "household_id"),
        RowRule(
            "campaign_id has no description, so no date",
            f"({whole('campaign_id')}) NOT IN (SELECT campaign_id FROM {KNOWN_CAMPAIGNS})",  # noqa: S608
        ),
        RepeatRule("exact duplicate"),
    ],
    "coupons": [*required_whole("campaign_id", "coupon_upc", "product_id"), RepeatRule("exact duplicate")],
    "coupon_redemptions": [
        *required_whole("household_id", "coupon_upc", "campaign_id"),
        *timestamp_within("redemption_date", EARLIEST, LATEST),
        RepeatRule("exact duplicate"),
    ],
    "transactions": [
        *required_whole("household_id", "basket_id", "product_id", "store_id"),
        *timestamp_within("transaction_timestamp", EARLIEST, LATEST),
        *positive_quantity(
            "quantity",
            MOST_QUANTITY,
            unless=f"({whole('product_id')}) IN (SELECT product_id FROM {FUEL_PRODUCTS})",  # noqa: S608
        ),
        *amount_within("sales_value", MOST_LINE_CENTS),
        *amount_within("retail_disc", MOST_LINE_CENTS, required=False),
        *amount_within("coupon_disc", MOST_LINE_CENTS, required=False),
        *amount_within("coupon_match_disc", MOST_LINE_CENTS, required=False),
        *no_repeats("household_id", "store_id", "basket_id", "product_id", "transaction_timestamp"),
    ],
}
