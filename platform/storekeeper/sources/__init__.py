"""Where features come from: Feast sources over DuckDB and SQL, and reading them to Arrow."""

from storekeeper.sources.access import home_of
from storekeeper.sources.declared import DuckDBSource, SQLSource
from storekeeper.sources.fingerprint import source_fingerprint
from storekeeper.sources.opened import OpenSource, OpenSources
from storekeeper.sources.read import check_source, read_source, source_schema, stored_schema
from storekeeper.sources.request import ReadRequest

__all__ = [
    "DuckDBSource",
    "OpenSource",
    "OpenSources",
    "ReadRequest",
    "SQLSource",
    "check_source",
    "home_of",
    "read_source",
    "source_fingerprint",
    "source_schema",
    "stored_schema",
]
