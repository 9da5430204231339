"""Names of the behaviour log: its tables, columns, types and event types, in this one place."""

EVENTS = "events"
REJECTS = "rejects"
LOADS = "loads"

EVENT_ID = "event_id"
EVENT_TYPE = "event_type"
EVENT_TIME = "event_time"
KNOWN_TIME = "known_time"
CUSTOMER_ID = "customer_id"
PRODUCT_ID = "product_id"
CATEGORY = "category"
DEPARTMENT = "department"
BASKET_ID = "basket_id"
SESSION_ID = "session_id"
STORE_ID = "store_id"
CAMPAIGN_ID = "campaign_id"
OFFER_ID = "offer_id"
QUANTITY = "quantity"
AMOUNT_CENTS = "amount_cents"
DISCOUNT_CENTS = "discount_cents"
COUPON_CENTS = "coupon_cents"
RATING = "rating"
REVIEW_TEXT = "review_text"

PURCHASE = "purchase"
OFFER_RECEIVED = "offer_received"
OFFER_REDEEMED = "offer_redeemed"
IMPRESSION = "impression"
CLICK = "click"
VIEW = "view"
CART_ADD = "cart_add"
CART_REMOVE = "cart_remove"
RETURN = "return"
RATING_GIVEN = "rating"

# The place in this tuple goes into event ids: add new types at the end.
EVENT_TYPES = (
    PURCHASE,
    OFFER_RECEIVED,
    OFFER_REDEEMED,
    IMPRESSION,
    CLICK,
    VIEW,
    CART_ADD,
    CART_REMOVE,
    RETURN,
    RATING_GIVEN,
)

REQUIRED_EVENT_COLUMNS = (EVENT_ID, EVENT_TYPE, EVENT_TIME, KNOWN_TIME)

# Times are UTC with microseconds. Amounts are integer cents for the whole line: what was paid, what the store
# took off, and what coupons took off; neither discount is ever negative.
EVENT_COLUMNS = {
    EVENT_ID: "BIGINT",
    EVENT_TYPE: "VARCHAR",
    EVENT_TIME: "TIMESTAMP",
    KNOWN_TIME: "TIMESTAMP",
    CUSTOMER_ID: "BIGINT",
    PRODUCT_ID: "BIGINT",
    CATEGORY: "VARCHAR",
    DEPARTMENT: "VARCHAR",
    BASKET_ID: "BIGINT",
    SESSION_ID: "BIGINT",
    STORE_ID: "BIGINT",
    CAMPAIGN_ID: "BIGINT",
    OFFER_ID: "BIGINT",
    QUANTITY: "BIGINT",
    AMOUNT_CENTS: "BIGINT",
    DISCOUNT_CENTS: "BIGINT",
    COUPON_CENTS: "BIGINT",
    RATING: "DOUBLE",
    REVIEW_TEXT: "VARCHAR",
}

REJECT_COLUMNS = {
    "loaded_at": "TIMESTAMP",
    "loader": "VARCHAR",
    "source": "VARCHAR",
    "reason": "VARCHAR",
    "row": "JSON",
}

LOAD_COLUMNS = {
    "loader": "VARCHAR",
    "source_fingerprint": "VARCHAR",
    "finished_at": "TIMESTAMP",
    "report": "JSON",
}
