"""What we know of a campaign."""

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import String

from entities import campaign
from sources import campaigns

campaign_profile = FeatureView(
    name="campaign_profile",
    entities=[campaign],
    ttl=timedelta(0),
    schema=[Field(name="campaign_type", dtype=String)],
    source=campaigns,
    description="What kind of campaign it is",
)
