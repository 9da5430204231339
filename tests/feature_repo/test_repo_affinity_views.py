"""Examples of how a customer and a category get on."""

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
