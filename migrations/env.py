"""Alembic's entry: runs the migrations on the connection that `storekeeper.database` hands in, or on the settings'."""

from typing import Literal

from alembic import context
from sqlalchemy import Connection

from storekeeper.database import VERSION_TABLE, UtcDateTime, connect, make_database_folder
from storekeeper.ledger.models import LedgerBase
from storekeeper.settings import Settings
from storekeeper.shop.models import ShopBase

METADATA = [ShopBase.metadata, LedgerBase.metadata]
OURS = {table.name for metadata in METADATA for table in metadata.sorted_tables}


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether autogenerate looks at a name: a database may hold tables of others."""
    return kind != "table" or name in OURS


def render_type(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write our own column types into new migrations as the plain types that they are in the database."""
    return "sa.DateTime()" if kind == "type" and isinstance(item, UtcDateTime) else False


def migrate(connection: Connection) -> None:
    """Run the migrations on an open connection."""
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        include_name=is_ours,
        render_item=render_type,
        render_as_batch=True,
        version_table=VERSION_TABLE,
    )
    with context.begin_transaction():
        context.run_migrations()


def print_sql() -> None:
    """Print the SQL (`alembic upgrade head --sql`) for a dialect given by `-x dialect=postgresql`, else SQLite's."""
    dialect = context.get_x_argument(as_dictionary=True).get("dialect", "sqlite")
    context.configure(
        dialect_name=str(dialect), target_metadata=METADATA, literal_binds=True, version_table=VERSION_TABLE
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    print_sql()
elif (given := context.config.attributes.get("connection")) is not None:
    migrate(given)
else:
    url = Settings.load().database_url
    make_database_folder(url)
    with connect(url) as opened:
        migrate(opened)
