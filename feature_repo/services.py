"""One feature service a task: the only door through which a model reads features."""

from feast import FeatureService

from affinity_views import affinity_rhythm, customer_category_affinity
from campaign_views import campaign_profile
from context_views import shopping_context
from customer_views import customer_activity, customer_offers, customer_profile
from history_views import behaviour_history
from product_views import category_popularity, product_catalogue, product_popularity
from return_views import customer_returns, product_returns, return_shares
from rhythm_views import customer_rhythm
from sales_views import category_sales, sales_shape

purchase = FeatureService(
    name="purchase",
    features=[
        customer_profile,
        customer_activity,
        customer_offers,
        category_popularity,
        customer_category_affinity,
        affinity_rhythm,
        shopping_context,
    ],
    description="Will the customer buy in the category within 7 days?",
)

click = FeatureService(
    name="click",
    features=[
        customer_profile,
        customer_activity,
        customer_offers,
        customer_rhythm,
        campaign_profile,
        product_catalogue,
        product_popularity,
    ],
    description="Will the customer take up what is shown or mailed?",
)

returns = FeatureService(
    name="return",
    features=[
        customer_profile,
        customer_activity,
        product_catalogue,
        product_popularity,
        customer_returns,
        product_returns,
        return_shares,
        shopping_context,
    ],
    description="Will the order line come back?",
)

next_item = FeatureService(
    name="next_item",
    features=[customer_profile, behaviour_history],
    description="What goes into the cart next?",
)

churn = FeatureService(
    name="churn",
    features=[customer_profile, customer_activity, customer_offers, customer_rhythm],
    description="Will the customer stay away?",
)

# What trees read: sizes enter by the level alone, so that small categories teach what large ones do.
sales = FeatureService(
    name="sales",
    features=[category_sales[["category_units_7d", "category_units_28d"]], sales_shape],
    description="How much will the category sell?",
)
