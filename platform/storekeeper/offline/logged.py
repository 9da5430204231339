"""Logged features: what a feature service served, kept where Feast's logging configuration says."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from feast.data_source import DataSource
from feast.feature_logging import LOG_TIMESTAMP_FIELD, LoggingConfig, LoggingDestination, LoggingSource
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.infra.registry.base_registry import BaseRegistry
from feast.protos.feast.core.FeatureService_pb2 import LoggingConfig as LoggingConfigProto
from feast.repo_config import RepoConfig

from storekeeper.errors import SourceError, UsageError, listing
from storekeeper.history.columns import times_us
from storekeeper.settings import expand_references
from storekeeper.sources import DuckDBSource, home_of, stored_schema
from storekeeper.sources.duckdb_writer import insert_duckdb
from storekeeper.sources.fitting import DECLARE_ANOTHER, fit_rows
from storekeeper.sources.parts import append_parts, partition_keys
from storekeeper.sources.writing import writable_place

_TIMESTAMP = pa.timestamp("us", tz="UTC")


class DuckDBLoggingDestination(LoggingDestination):
    """A table in a DuckDB file, made with the first logs.

    Parameters
    ----------
    database
        Path of the file, relative to the project root or absolute.
    table
        The table's name.
    """

    # Feast finds the class by this name when it reads the registry; naming the offline store imports it.
    _proto_kind = "storekeeper.offline.logged.DuckDBLoggingDestination"

    def __init__(self, *, database: str, table: str) -> None:
        self.database = database
        self.table = table

    @classmethod
    def from_proto(cls, config_proto: LoggingConfigProto) -> "DuckDBLoggingDestination":
        """Rebuild a destination from the registry."""
        options = config_proto.custom_destination.config
        return cls(database=options["database"], table=options["table"])

    def to_proto(self) -> LoggingConfigProto:
        """What the registry keeps: the path as declared, references unresolved."""
        options = {"database": self.database, "table": self.table}
        custom = LoggingConfigProto.CustomDestination(kind=self._proto_kind, config=options)
        return LoggingConfigProto(custom_destination=custom)

    def to_data_source(self) -> DataSource:
        """The table as a source."""
        return DuckDBSource(
            name=f"{self.database}:{self.table}", database=self.database, table=self.table,
            timestamp_field=LOG_TIMESTAMP_FIELD,
        )  # fmt: skip


def write_logs(
    config: RepoConfig,
    data: pa.Table | Path,
    source: LoggingSource,
    logging_config: LoggingConfig,
    registry: BaseRegistry,
) -> None:
    """Append logs to their destination, which is made if it isn't there; all of them or none.

    Parameters
    ----------
    data
        Columns of the source's schema in any order, or a Parquet file or folder with them. Timestamps keep their
        microseconds.

    Raises
    ------
    DataError
        Columns other than the feature service's, or than those that the destination holds; a value of another type; a
        log without its time.
    UsageError
        A destination of another kind, or a partition column that a folder's name can't hold.
    SourceError
        If the logs can't be read, or the destination not be written to.
    """
    schema = pa.schema([(field.name, _kept(field.type)) for field in source.get_schema(registry)])
    logs = fit_rows(_read(data), schema, "the logs of the feature service")
    timestamp = source.get_log_timestamp_column()
    times_us(timestamp, logs.column(timestamp))
    destination = logging_config.destination
    if isinstance(destination, DuckDBLoggingDestination):
        database = home_of(config) / expand_references(destination.database)
        database.parent.mkdir(parents=True, exist_ok=True)
        insert_duckdb(f"log table '{destination.table}'", database, destination.table, logs, create=True)
    elif isinstance(destination, FileLoggingDestination):
        _write_parts(config, logs, destination)
    else:
        raise UsageError(
            f"Logs go to a {FileLoggingDestination.__name__} or a {DuckDBLoggingDestination.__name__}. Received: "
            f"{type(destination).__name__}. Correct the feature service's logging_config."
        )


def _kept(type_: pa.DataType) -> pa.DataType:
    """Feast declares timestamps by the second; logs keep them as they were served."""
    if pa.types.is_list(type_):
        return pa.list_(_kept(type_.value_type))
    return _TIMESTAMP if pa.types.is_timestamp(type_) else type_


def _read(data: pa.Table | Path) -> pa.Table:
    if isinstance(data, pa.Table):
        return data
    try:
        return pq.read_table(data)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"The logs in '{data}' can't be read: {error}. Expected Parquet.") from error


def _write_parts(config: RepoConfig, logs: pa.Table, destination: FileLoggingDestination) -> None:
    folder = writable_place(destination.to_data_source(), config)
    keys = tuple(destination.partition_by or ())
    allowed = [field.name for field in logs.schema if pa.types.is_date(field.type) or pa.types.is_integer(field.type)]
    if unfit := [key for key in keys if key not in allowed]:
        raise UsageError(
            f"Logs can't be partitioned by {listing(unfit)}: a folder's name holds dates and integers. There are: "
            f"{listing(allowed)}. Correct partition_by of the feature service's logging destination."
        )
    if any(folder.rglob("*.parquet")):
        if (found := partition_keys(folder)) != keys:
            raise UsageError(
                f"'{folder}' is partitioned by {listing(found)}, and its logging destination by {listing(keys)}. "
                f"Declare another path."
            )
        schema = stored_schema(destination.to_data_source(), config)
        logs = fit_rows(logs, schema, f"log folder '{destination.path}'", DECLARE_ANOTHER)
    append_parts(folder, logs, keys)
