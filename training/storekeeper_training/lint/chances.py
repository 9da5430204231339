"""Where the true chances of a simulated shop are read, which are the answer itself."""

from collections.abc import Iterable

import duckdb
from feast.data_source import DataSource
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan
from storekeeper.shop.simulator.writing import TRUTH_COLUMNS
from storekeeper.sources import DuckDBSource, source_schema
from storekeeper.sources.duckdb_reader import open_duckdb, quote
from storekeeper_training.lint.tables_read import database_of, statement, tables_read


def sources_of_chances(plans: Iterable[ViewPlan], config: RepoConfig) -> tuple[str, ...]:
    """Names of the sources behind some views that read the simulator's table `truth`, or a copy of it.

    Raises
    ------
    SourceError
        If a source can't be read.
    """
    sources = {plan.source.name: plan.source for plan in plans}
    return tuple(name for name, source in sources.items() if _holds_chances(source, config))


def chance_tables(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Tables of a database that have the columns of `truth`, whatever they are called, as `tables_read` names them."""
    rows = connection.execute(
        "SELECT schema_name, table_name, list(lower(column_name)) FROM duckdb_columns() WHERE NOT internal GROUP BY ALL"
    ).fetchall()
    return frozenset(f"{quote(s)}.{quote(table)}" for s, table, columns in rows if set(TRUTH_COLUMNS) <= set(columns))


def _holds_chances(source: DataSource, config: RepoConfig) -> bool:
    if set(TRUTH_COLUMNS) <= {name.lower() for name in source_schema(source, config).names}:
        return True
    if not isinstance(source, DuckDBSource):
        return False
    with open_duckdb(database_of(source, config)) as connection:
        known = chance_tables(connection)
        return bool(known and tables_read(connection, statement(source)) & known)
