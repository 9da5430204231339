"""Examples of what we know of a product and a category."""

from storekeeper.testing import FeatureRepo

LINES = [
    {"event_time": "2017-05-01T10:00", "product_id": 5, "category": "MILK", "customer_id": 1, "amount_cents": 300},
    {"event_time": "2017-05-02T10:00", "product_id": 5, "category": "MILK", "customer_id": 1, "amount_cents": 100},
    {"event_time": "2017-05-03T10:00", "product_id": 6, "category": "MILK", "customer_id": 2, "amount_cents": 150},
]


def test_catalogue_keeps_large_numbers(feature_repo: FeatureRepo) -> None:
    """A maker's number is exact beyond 2^53, and null where there is none."""
    catalogue = feature_repo.view("product_catalogue").given(
        [
            {"product_id": 5, "updated_at": "2017-01-01", "brand": "National", "manufacturer_id": 2**60 + 1},
            {"product_id": 5, "updated_at": "2017-06-01", "brand": "Private"},
        ]
    )
    catalogue.at("2017-05-31", product_id=5).expect(brand="National", manufacturer_id=2**60 + 1)
    catalogue.at("2017-06-01", product_id=5).expect(brand="Private", manufacturer_id=None)
    catalogue.at("2016-12-31", product_id=5).expect(brand=None)


def test_popularity_counts_a_products_own_lines(feature_repo: FeatureRepo) -> None:
    """Lines, revenue and buyers are the product's; the line being scored is not among them."""
    popularity = feature_repo.view("product_popularity").given(LINES)
    popularity.at("2017-05-02T10:00", product_id=5).expect(product_lines_7d=1, product_revenue_cents_7d=300)
    popularity.at("2017-05-03T10:00", product_id=5).expect(
        product_lines_7d=2, product_lines_1d=1, product_revenue_cents_7d=400, product_buyers_7d=1
    )
    popularity.at("2017-05-03T10:00", product_id=6).expect(product_lines_91d=0, product_price_cents_28d=None)


def test_price_is_the_mean_of_what_was_paid(feature_repo: FeatureRepo) -> None:
    """The price of a product is the mean of its lines' unit prices, without those that have none."""
    priced = [line | {"unit_price_cents": price} for line, price in zip(LINES, (100.0, None, 150.0), strict=True)]
    popularity = feature_repo.view("product_popularity").given(priced)
    popularity.at("2017-05-04", product_id=5).expect(product_price_cents_28d=100.0, product_lines_28d=2)
    popularity.at("2017-05-04", product_id=6).expect(product_price_cents_28d=150.0)


def test_a_category_sums_over_its_products(feature_repo: FeatureRepo) -> None:
    """A category has the lines of all its products; names match to the letter."""
    category = feature_repo.view("category_popularity").given(LINES)
    category.at("2017-05-04", category="MILK").expect(
        category_lines_7d=3, category_revenue_cents_7d=550, category_buyers_7d=2, category_discount_share_7d=None
    )
    category.at("2017-05-04", category="milk").expect(category_lines_91d=0, category_buyers_28d=0)
