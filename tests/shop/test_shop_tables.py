"""The shop's SQL tables are replaced in one transaction."""

from datetime import datetime

import pyarrow as pa
import pytest
from sqlalchemy.exc import IntegrityError

from storekeeper.database import upgrade
from storekeeper.errors import DataError, SourceError
from storekeeper.settings import Settings
from storekeeper.shop.tables import count_tables, replace_tables

OFFERS = pa.table({"campaign_id": [1, 1], "offer_id": [2, 2], "product_id": [3, 4]})
CAMPAIGNS = pa.table(
    {
        "campaign_id": [1],
        "campaign_type": ["Type A"],
        "starts_at": [datetime(2017, 1, 1)],  # noqa: DTZ001
        "ends_at": [datetime(2017, 2, 1)],  # noqa: DTZ001
    }
)


def test_content_replaces_what_was_there(settings: Settings) -> None:
    """New rows take the place of all old ones; a table without content ends up empty."""
    upgrade(settings.database_url)
    empty = {"customers": 0, "products": 0, "campaigns": 0, "offers": 0}
    assert replace_tables(settings.database_url, {"offers": OFFERS}) == empty | {"offers": 2}
    assert replace_tables(settings.database_url, {"campaigns": CAMPAIGNS, "offers": OFFERS.slice(1)}) == {
        **empty,
        "campaigns": 1,
        "offers": 1,
    }
    replace_tables(settings.database_url, {"campaigns": CAMPAIGNS})
    assert count_tables(settings.database_url) == empty | {"campaigns": 1}


def test_a_failure_changes_nothing(settings: Settings) -> None:
    """Rows that break a key roll all tables back."""
    upgrade(settings.database_url)
    replace_tables(settings.database_url, {"offers": OFFERS})
    broken = {"campaigns": CAMPAIGNS, "offers": pa.concat_tables([OFFERS, OFFERS])}
    with pytest.raises(IntegrityError):
        replace_tables(settings.database_url, broken)
    assert count_tables(settings.database_url) == {"customers": 0, "products": 0, "campaigns": 0, "offers": 2}


def test_an_unknown_table_is_named(settings: Settings) -> None:
    """The error lists the tables that exist."""
    with pytest.raises(DataError, match=r"no tables 'orders'. It has 'campaigns', 'customers', 'offers', 'products'\."):
        replace_tables(settings.database_url, {"orders": OFFERS})


def test_a_database_without_the_tables_is_a_clear_error(settings: Settings) -> None:
    """Counting before any migration says how to create the tables."""
    settings.data_dir.mkdir()
    with pytest.raises(SourceError, match="alembic upgrade head"):
        count_tables(settings.database_url)
