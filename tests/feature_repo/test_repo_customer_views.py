"""Examples of what we know of a customer."""

import pytest

from storekeeper.testing import FeatureRepo

BREAD = {"customer_id": 1, "basket_id": 10, "product_id": 100, "category": "BREAD", "amount_cents": 250}
CHEESE = {"customer_id": 1, "basket_id": 10, "product_id": 200, "category": "CHEESE", "amount_cents": 750}


def test_profile_is_the_latest_known(feature_repo: FeatureRepo) -> None:
    """A change counts from its own instant on, inclusively, but not before it was recorded; it never expires."""
    profile = feature_repo.view("customer_profile").given(
        [
            {"customer_id": 1, "updated_at": "2016-01-01", "recorded_at": "2016-01-01", "age_band": "25-34"},
            {"customer_id": 1, "updated_at": "2017-05-01", "recorded_at": "2017-05-03", "age_band": "35-44"},
        ]
    )
    profile.at("2016-01-01", customer_id=1).expect(age_band="25-34", income_band=None)
    profile.at("2017-05-02T23:59:59.999999", customer_id=1).expect(age_band="25-34")
    profile.at("2017-05-03", customer_id=1).expect(age_band="35-44")
    profile.at("2027-01-01", customer_id=1).expect(age_band="35-44")
    profile.at("2015-12-31", customer_id=1).expect(age_band=None)
    profile.at("2017-05-03", customer_id=2).expect(age_band=None, kids_count=None)


def test_a_correction_of_the_same_day_wins(feature_repo: FeatureRepo) -> None:
    """Of two rows of one instant the one that was recorded last counts, once it was."""
    profile = feature_repo.view("customer_profile").given(
        [
            {"customer_id": 1, "updated_at": "2017-01-01", "recorded_at": "2017-02-01", "kids_count": "2"},
            {"customer_id": 1, "updated_at": "2017-01-01", "recorded_at": "2017-01-01", "kids_count": "1"},
        ]
    )
    profile.at("2017-01-31", customer_id=1).expect(kids_count="1")
    profile.at("2017-02-01", customer_id=1).expect(kids_count="2")


def test_the_purchase_being_scored_never_counts_itself(feature_repo: FeatureRepo) -> None:
    """A line at exactly the row's time is outside of every window; a microsecond later it is inside."""
    activity = feature_repo.view("customer_activity").given([BREAD | {"event_time": "2017-05-01T10:00"}])
    activity.at("2017-05-01T10:00", customer_id=1).expect(lines_1d=0, spend_cents_91d=0, seconds_since_purchase=None)
    activity.at("2017-05-01T10:00:00.000001", customer_id=1).expect(
        lines_1d=1, spend_cents_91d=250, seconds_since_purchase=1e-6
    )


@pytest.mark.parametrize(
    ("days", "last_inside", "first_outside"),
    [
        (1, "2017-05-02T10:59:59.999999", "2017-05-02T11:00"),
        (7, "2017-05-08T10:59:59.999999", "2017-05-08T11:00"),
        (28, "2017-05-29T23:59:59.999999", "2017-05-30"),
        (91, "2017-07-31T23:59:59.999999", "2017-08-01"),
    ],
)
def test_windows_forget_on_the_hop(feature_repo: FeatureRepo, days: int, last_inside: str, first_outside: str) -> None:
    """A line leaves a window with its hour (1 and 7 days) or its day (28 and 91 days)."""
    activity = feature_repo.view("customer_activity").given([BREAD | {"event_time": "2017-05-01T10:30"}])
    activity.at(last_inside, customer_id=1).expect(**{f"lines_{days}d": 1, f"spend_cents_{days}d": 250})
    activity.at(first_outside, customer_id=1).expect(**{f"lines_{days}d": 0, f"spend_cents_{days}d": 0})


def test_baskets_products_and_categories_count_once(feature_repo: FeatureRepo) -> None:
    """Lines are counted each; baskets, products and categories as often as they differ."""
    activity = feature_repo.view("customer_activity").given(
        [
            BREAD | {"event_time": "2017-05-01T10:00"},
            CHEESE | {"event_time": "2017-05-01T10:00"},
            BREAD | {"event_time": "2017-05-03T10:00", "basket_id": 11},
            BREAD | {"event_time": "2017-05-03T10:00", "customer_id": 2, "basket_id": 12},
        ]
    )
    week = activity.at("2017-05-04", customer_id=1)
    week.expect(lines_7d=3, baskets_7d=2, products_7d=2, categories_28d=2, spend_cents_7d=1250)
    week.expect(lines_1d=1, baskets_1d=1, spend_cents_1d=250, seconds_since_purchase=50_400.0)
    week.expect(seconds_as_customer=223_200.0)


def test_averages_skip_lines_without_a_value(feature_repo: FeatureRepo) -> None:
    """A line without price or discount share counts as a line and leaves the averages alone."""
    activity = feature_repo.view("customer_activity").given(
        [
            BREAD | {"event_time": "2017-05-01", "unit_price_cents": 125.0, "discount_share": 0.1},
            BREAD | {"event_time": "2017-05-02", "unit_price_cents": 250.0, "discount_share": 0.4},
            BREAD | {"event_time": "2017-05-03", "amount_cents": None},
        ]
    )
    month = activity.at("2017-05-04", customer_id=1)
    month.expect(lines_28d=3, spend_cents_28d=500, discount_share_28d=0.25, unit_price_cents_91d=187.5)


def test_a_line_reported_late_is_invisible_until_then(feature_repo: FeatureRepo) -> None:
    """What the platform learnt on Thursday was no feature on Wednesday."""
    late = BREAD | {"event_time": "2017-05-01T10:00", "known_time": "2017-05-04"}
    activity = feature_repo.view("customer_activity").given([late])
    activity.at("2017-05-03T23:59:59", customer_id=1).expect(lines_7d=0, seconds_since_purchase=None)
    activity.at("2017-05-04", customer_id=1).expect(lines_7d=1)


def test_a_customer_never_seen(feature_repo: FeatureRepo) -> None:
    """Counts and sums are 0, averages and times null; a line of nobody is nobody's."""
    nobodys = BREAD | {"customer_id": None, "event_time": "2017-05-01"}
    feature_repo.view("customer_activity").given([nobodys]).at("2017-05-02", customer_id=1).expect(
        lines_91d=0, spend_cents_91d=0, baskets_91d=0, discount_share_91d=None, seconds_as_customer=None
    )


def test_offers_received_and_redeemed_are_counted_apart(feature_repo: FeatureRepo) -> None:
    """A mailing is no redemption, and a redemption is no mailing."""
    offers = feature_repo.view("customer_offers").given(
        [
            {"customer_id": 1, "event_time": "2017-03-01", "received_campaign_id": 7},
            {"customer_id": 1, "event_time": "2017-05-01", "received_campaign_id": 8},
            {"customer_id": 1, "event_time": "2017-05-02T12:00", "redeemed_offer_id": 80},
        ]
    )
    offers.at("2017-05-02T12:00", customer_id=1).expect(offers_received_28d=1, offers_redeemed_28d=0)
    offers.at("2017-05-03", customer_id=1).expect(
        offers_received_28d=1, offers_received_91d=2, offers_redeemed_28d=1, offers_redeemed_91d=1
    )
