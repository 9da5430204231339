"""Feast data sources over DuckDB files and SQL databases, as a feature repo declares them.

A declaration holds paths and `${VARIABLE}` references only: what a variable holds, such as a password, is looked up
when the source is read and never reaches the registry.
"""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from feast.data_source import DataSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.repo_config import RepoConfig
from feast.type_map import pa_to_feast_value_type
from feast.value_type import ValueType

from storekeeper.errors import DefinitionError
from storekeeper.settings import expand_references, rooted_url
from storekeeper.sources.access import check_times, home_of
from storekeeper.sources.duckdb_reader import query_relation
from storekeeper.sources.duckdb_relation import DuckDBRelation
from storekeeper.sources.open_sql import OpenSQL
from storekeeper.sources.relation import Relation
from storekeeper.sources.sql_relation import SQLRelation
from storekeeper.sources.stored_url import refuse_secrets

if TYPE_CHECKING:
    from storekeeper.sources.opened import OpenSources


class TabularSource(DataSource):
    """A table or query somewhere; the base of this package's sources.

    Parameters
    ----------
    name
        Unique within the project.
    location
        Where the table lives: a DuckDB file or a SQLAlchemy URL.
    table, query
        Exactly one of them: a table or view, or a SELECT statement.
    timestamp_field
        Column with the event time.
    created_timestamp_column
        Column with the knowledge time: when the platform could first know the row.
    field_mapping
        Source column -> name in feature views.
    """

    location_key = "location"

    def __init__(
        self,
        *,
        name: str,
        location: str,
        table: str | None = None,
        query: str | None = None,
        timestamp_field: str | None = None,
        created_timestamp_column: str | None = None,
        field_mapping: dict[str, str] | None = None,
        description: str = "",
        tags: dict[str, str] | None = None,
        owner: str = "",
    ) -> None:
        if (table is None) == (query is None):
            raise DefinitionError(
                f"Source '{name}' needs either a table or a query. Received: table={table!r}, query={query!r}."
            )
        super().__init__(
            name=name,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping,
            description=description,
            tags=tags,
            owner=owner,
        )
        self.location = location
        self.table = table
        self.query = query

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, TabularSource)
            and super().__eq__(other)
            and (self.location, self.table, self.query) == (other.location, other.table, other.query)
        )

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.name, self.location, self.table, self.query))

    @classmethod
    def from_proto(cls, data_source: DataSourceProto) -> "TabularSource":
        """Rebuild a source from the registry."""
        options = json.loads(data_source.custom_options.configuration)
        return cls(
            name=data_source.name,
            table=options["table"],
            query=options["query"],
            timestamp_field=data_source.timestamp_field or None,
            created_timestamp_column=data_source.created_timestamp_column or None,
            field_mapping=dict(data_source.field_mapping),
            description=data_source.description,
            tags=dict(data_source.tags),
            owner=data_source.owner,
            **{cls.location_key: options["location"]},
        )

    def _to_proto_impl(self) -> DataSourceProto:
        options = {"location": self.location, "table": self.table, "query": self.query}
        return DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type=f"{type(self).__module__}.{type(self).__name__}",
            field_mapping=self.field_mapping,
            custom_options=DataSourceProto.CustomSourceOptions(configuration=json.dumps(options).encode()),
            timestamp_field=self.timestamp_field,
            created_timestamp_column=self.created_timestamp_column,
            description=self.description,
            tags=self.tags,
            owner=self.owner,
        )

    def validate(self, config: RepoConfig) -> None:
        """Check that the table can be read and has the timestamp columns."""
        check_times(self, self._schema(config))

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Column names and Arrow types, as text."""
        return [(field.name, str(field.type)) for field in self._schema(config)]

    def _schema(self, config: RepoConfig) -> pa.Schema:
        from storekeeper.sources.opened import OpenSources

        with OpenSources(config) as sources:
            return sources.open(self).schema

    def relation(self, config: RepoConfig, sources: "OpenSources") -> Relation:
        """Open the source on one of the connections of `sources`."""
        raise NotImplementedError(f"{type(self).__name__} doesn't say how it is read.")

    def get_table_query_string(self) -> str:
        """What stands after FROM."""
        return f'"{self.table}"' if self.table else f"({self.query})"

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        """Sources speak Arrow."""
        return arrow_to_value_type


def arrow_to_value_type(arrow_type: str) -> ValueType:
    """Feast's type for an Arrow type's text, such as `int64` or `timestamp[us, tz=UTC]`."""
    plain = arrow_type.replace("large_string", "string")
    if plain.startswith(("timestamp", "date")):
        return ValueType.UNIX_TIMESTAMP
    return pa_to_feast_value_type({"int16": "int32", "int8": "int32"}.get(plain, plain))


class DuckDBSource(TabularSource):
    """A table, view or query in a DuckDB file.

    Of DuckDB's numbers, whole ones wider than 64 bits (HUGEINT, which a `sum` of integers is, and DECIMAL without
    decimals) are int64, and an error where a value doesn't fit; other DECIMALs are float64.

    Parameters
    ----------
    database
        Path of the file, relative to the project root or absolute.
    others
        As for `TabularSource`.

    Examples
    --------
    >>> DuckDBSource(name="purchases", database="data/behaviour.duckdb", table="events",
    ...              timestamp_field="event_time").location
    'data/behaviour.duckdb'
    """

    location_key = "database"

    def __init__(self, *, name: str, database: str, **others: Any) -> None:
        super().__init__(name=name, location=database, **others)

    def relation(self, config: RepoConfig, sources: "OpenSources") -> Relation:
        """Open the file."""
        connection = sources.duckdb(home_of(config) / expand_references(self.location))
        if self.table:
            return DuckDBRelation.of_table(connection, self.table)
        return DuckDBRelation(connection, query_relation(str(self.query)), None)


class SQLSource(TabularSource):
    """A table, view or query in any database that SQLAlchemy reaches.

    Tested with SQLite and PostgreSQL (psycopg). Of PostgreSQL's types, numerics are float64, arrays lists, and what
    Arrow has no type for, such as UUIDs and JSON, is text. SQLite declares types for the columns of tables only: those
    of queries, and what views compute, are of the type of their values, and declared times may be text.

    Parameters
    ----------
    url
        SQLAlchemy URL; `${NAME}` and `${NAME:-default}` are looked up in the environment when the source is read.
        Relative SQLite paths start at the project root.
    others
        As for `TabularSource`.

    Raises
    ------
    DefinitionError
        If the URL spells out a password, or an option other than those known to be harmless: declarations are stored
        in the registry.
    """

    location_key = "url"

    def __init__(self, *, name: str, url: str, **others: Any) -> None:
        refuse_secrets(name, url)
        super().__init__(name=name, location=url, **others)

    def relation(self, config: RepoConfig, sources: "OpenSources") -> Relation:
        """Connect to the database."""
        times = frozenset(filter(None, (self.timestamp_field, self.created_timestamp_column)))
        url = rooted_url(expand_references(self.location), home_of(config))
        return OpenSQL(sources.sql(url, self.name), SQLRelation(self.name, self.table, self.query, times))
