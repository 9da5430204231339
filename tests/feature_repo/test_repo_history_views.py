"""Examples of what a customer bought, in order."""

from datetime import UTC, datetime, timedelta

from storekeeper.testing import FeatureRepo


def test_history_is_newest_last(feature_repo: FeatureRepo) -> None:
    """Lines come in the order of their times, those of one instant in the source's; nulls are left out."""
    history = feature_repo.view("behaviour_history").given(
        [
            {"customer_id": 1, "event_time": "2017-05-02", "product_id": 6, "category": "BREAD"},
            {"customer_id": 1, "event_time": "2017-05-01", "product_id": 5, "category": "MILK"},
            {"customer_id": 1, "event_time": "2017-05-02", "product_id": 7},
            {"customer_id": 1, "event_time": "2017-05-03", "product_id": 8, "category": "SOAP"},
        ]
    )
    history.at("2017-05-03", customer_id=1).expect(last_products=[5, 6, 7], last_categories=["MILK", "BREAD"])
    history.at("2017-05-03", customer_id=2).expect(last_products=[], last_categories=[])


def test_history_holds_fifty(feature_repo: FeatureRepo) -> None:
    """Of sixty products the last fifty are kept."""
    start = datetime(2017, 5, 1, tzinfo=UTC)
    lines = [
        {"customer_id": 1, "event_time": start + timedelta(minutes=number), "product_id": number}
        for number in range(60)
    ]
    example = feature_repo.view("behaviour_history").given(lines).at("2017-05-02", customer_id=1)
    example.expect(last_products=list(range(10, 60)))
