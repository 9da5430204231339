"""Examples of what comes back, what a campaign is, and whether the next visit is due."""

from storekeeper.testing import FeatureRepo

BACK = {"customer_id": 1, "product_id": 5, "amount_cents": 300}


def test_returns_are_of_the_customer_and_of_the_product(feature_repo: FeatureRepo) -> None:
    """Each view counts its own entity's lines, strictly before the moment asked."""
    events = [
        BACK | {"event_time": "2017-05-01T10:00"},
        BACK | {"event_time": "2017-05-02T10:00", "product_id": 6},
        BACK | {"event_time": "2017-05-02T10:00", "customer_id": 2},
    ]
    at = "2017-05-02T10:00:00.000001"
    feature_repo.view("customer_returns").given(events).at(at, customer_id=1).expect(
        returned_lines_28d=2, returned_cents_91d=600
    )
    product = feature_repo.view("product_returns").given(events)
    product.at(at, product_id=5).expect(product_returned_lines_28d=2, product_returners_91d=2)
    product.at("2017-05-01T10:00", product_id=5).expect(product_returned_lines_28d=0, product_returners_91d=0)


def test_return_shares(feature_repo: FeatureRepo) -> None:
    """Lines that came back of those that were bought; null where nothing was."""
    shares = feature_repo.on_demand("return_shares")
    given = {"returned_lines_91d": 1, "product_returned_lines_91d": 3, "product_lines_91d": 12}
    shares.given(lines_91d=4, **given).expect(customer_return_share=0.25, product_return_share=0.25)
    shares.given(lines_91d=0, **given).expect(customer_return_share=None, product_return_share=0.25)


def test_visits_are_due_after_one_mean_gap(feature_repo: FeatureRepo) -> None:
    """Three baskets over 200 s are two gaps of 100 s; a second basket is needed, and the trend compares daily rates."""
    rhythm = feature_repo.on_demand("customer_rhythm")
    given = {"baskets_28d": 4, "baskets_91d": 13, "seconds_since_purchase": 50.0}
    rhythm.given(baskets_364d=3, seconds_as_customer=250.0, **given).expect(
        visit_gap_seconds=100.0, visit_due=0.5, visit_trend=1.0
    )
    rhythm.given(baskets_364d=1, seconds_as_customer=50.0, **given).expect(visit_gap_seconds=None, visit_due=None)


def test_a_campaign_is_known_from_its_start_on(feature_repo: FeatureRepo) -> None:
    """A mailing at the very start sees the campaign's kind; a microsecond before, nothing is known."""
    campaign = feature_repo.view("campaign_profile").given(
        [{"campaign_id": 7, "starts_at": "2017-05-01T04:00", "campaign_type": "Type A"}]
    )
    campaign.at("2017-05-01T04:00", campaign_id=7).expect(campaign_type="Type A")
    campaign.at("2017-05-01T03:59:59.999999", campaign_id=7).expect(campaign_type=None)
