"""Which column of a history tells its events apart, as a source declares it."""

from feast.data_source import DataSource

#: The tag by which a batch source names the column with its events' ids, as the source itself names it.
EVENT_ID_TAG = "event_id"


def event_id_column(source: DataSource) -> str | None:
    """The column of event ids, under its mapped name; None where a source declares none.

    Examples
    --------
    >>> from storekeeper.sources import DuckDBSource
    >>> log = DuckDBSource(name="log", database="data/log.duckdb", table="log", timestamp_field="at",
    ...                    tags={"event_id": "number"}, field_mapping={"number": "id"})
    >>> event_id_column(log)
    'id'
    """
    declared = source.tags.get(EVENT_ID_TAG)
    return str(source.field_mapping.get(declared, declared)) if declared else None
