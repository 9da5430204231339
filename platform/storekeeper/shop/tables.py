"""Writing and counting the shop's SQL tables."""

from collections.abc import Mapping

import pyarrow as pa
from sqlalchemy import Table, delete, func, insert, select

from storekeeper.database import connect
from storekeeper.errors import DataError, listing
from storekeeper.shop.models import ShopBase

# Enough to amortise a round trip, little enough to hold as Python objects.
_BATCH_ROWS = 20_000


def shop_tables() -> dict[str, Table]:
    """The shop's tables by name."""
    return {table.name: table for table in ShopBase.metadata.sorted_tables}


def replace_tables(url: str, contents: Mapping[str, pa.Table]) -> dict[str, int]:
    """Replace all rows of all the shop's tables in one transaction; tables without content end up empty.

    A database holds one shop, so a load replaces whatever another loader wrote. Returns rows by table.

    Raises
    ------
    SourceError
        If the database can't be reached or used.
    DataError
        If there is content for an unknown table.
    """
    tables = shop_tables()
    if unknown := set(contents) - set(tables):
        raise DataError(f"The shop has no tables {listing(unknown)}. It has {listing(tables)}.")
    with connect(url) as connection:
        for name, table in tables.items():
            connection.execute(delete(table))
            for batch in contents[name].to_batches(_BATCH_ROWS) if name in contents else ():
                if batch.num_rows:
                    connection.execute(insert(table), batch.to_pylist())
    return {name: contents[name].num_rows if name in contents else 0 for name in tables}


def count_tables(url: str) -> dict[str, int]:
    """Rows by table.

    Raises
    ------
    SourceError
        If the database can't be reached, or lacks the tables.
    """
    with connect(url) as connection:
        return {
            name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for name, table in shop_tables().items()
        }
