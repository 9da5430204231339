"""Examples of how a customer and a category get on."""

import pytest

from storekeeper.testing import FeatureRepo

LINE = {"customer_id": 1, "category": "MILK", "basket_id": 10, "product_id": 5, "amount_cents": 300}


def test_affinity_is_of_the_pair(feature_repo: FeatureRepo) -> None:
    """Neither another customer's lines in the category count, nor the customer's lines in another."""
    affinity = feature_repo.view("customer_category_affinity").given(
        [
            LINE | {"event_time": "2017-05-01T10:00", "discount_share": 0.5},
            LINE | {"event_time": "2017-05-02T10:00", "basket_id": 11, "product_id": 6},
            LINE | {"event_time": "2017-05-02T10:00", "customer_id": 2},
            LINE | {"event_time": "2017-05-02T10:00", "category": "BREAD"},
            LINE | {"event_time": "2017-05-02T10:00", "category": None},
        ]
    )
    pair = affinity.at("2017-05-03T10:00", customer_id=1, category="MILK")
    pair.expect(affinity_lines_1d=1, affinity_lines_7d=2, affinity_baskets_28d=2, affinity_products_91d=2)
    pair.expect(affinity_spend_cents_7d=600, affinity_discount_share_91d=0.5)
    pair.expect(affinity_seconds_since_last=86_400.0, affinity_seconds_since_first=172_800.0)


def test_the_pairs_own_line_comes_after_its_row(feature_repo: FeatureRepo) -> None:
    """At exactly the time of a pair's first line, the pair has no history."""
    affinity = feature_repo.view("customer_category_affinity").given([LINE | {"event_time": "2017-05-01T10:00"}])
    affinity.at("2017-05-01T10:00", customer_id=1, category="MILK").expect(
        affinity_lines_91d=0, affinity_spend_cents_91d=0, affinity_seconds_since_last=None
    )


def test_recency_lasts_a_year(feature_repo: FeatureRepo) -> None:
    """After 364 days, to the day, a pair's last line is forgotten."""
    affinity = feature_repo.view("customer_category_affinity").given([LINE | {"event_time": "2017-01-01T12:00"}])
    affinity.at("2017-12-31T23:00", customer_id=1, category="MILK").expect(affinity_seconds_since_last=31_489_200.0)
    affinity.at("2018-01-01", customer_id=1, category="MILK").expect(affinity_seconds_since_last=None)


def test_baskets_of_a_year(feature_repo: FeatureRepo) -> None:
    """A basket leaves the half-year's count after 182 days and the year's after 364."""
    line = LINE | {"event_time": "2017-01-01T12:00"}
    affinity = feature_repo.view("customer_category_affinity").given([line])
    affinity.at("2017-07-02", customer_id=1, category="MILK").expect(affinity_baskets_182d=1, affinity_baskets_364d=1)
    affinity.at("2017-07-03", customer_id=1, category="MILK").expect(affinity_baskets_182d=0, affinity_baskets_364d=1)
    affinity.at("2018-01-01", customer_id=1, category="MILK").expect(affinity_baskets_364d=0)


@pytest.mark.parametrize(
    ("baskets", "last", "first", "gap", "due"),
    [(3, 30.0, 230.0, 100.0, 0.3), (1, 30.0, 30.0, None, None), (0, None, None, None, None), (2, 9.0, 9.0, 0.0, None)],
)
def test_rhythm(feature_repo: FeatureRepo, baskets: int, last: float, first: float, gap: float, due: float) -> None:
    """The mean gap needs two baskets; what is due needs a gap that isn't zero."""
    rhythm = feature_repo.on_demand("affinity_rhythm").given(
        affinity_baskets_364d=baskets,
        affinity_seconds_since_last=last,
        affinity_seconds_since_first=first,
        baskets_364d=12,
    )
    rhythm.expect(affinity_gap_seconds=gap, affinity_due=due, affinity_basket_share=baskets / 12)


def test_share_of_no_baskets(feature_repo: FeatureRepo) -> None:
    """A customer without baskets has no shares."""
    feature_repo.on_demand("affinity_rhythm").given(
        affinity_baskets_364d=0,
        affinity_seconds_since_last=None,
        affinity_seconds_since_first=None,
        baskets_364d=0,
    ).expect(affinity_gap_seconds=None, affinity_due=None, affinity_basket_share=None)
