"""The door of a format: what gives the batches of a file or pipe."""

from collections.abc import Iterator
from contextlib import contextmanager

from storekeeper.ingest.batch import Batch
from storekeeper.ingest.csv_events import column_types, csv_batches
from storekeeper.ingest.files import Format, chunks, opened
from storekeeper.ingest.json_events import json_batches, split_lines
from storekeeper.ingest.pusher import EventPusher
from storekeeper.ingest.stopping import Stop
from storekeeper.ingest.tables import arrow_batches, parquet_batches


@contextmanager
def reading(name: str, format_: Format, size: int, pusher: EventPusher, stop: Stop) -> Iterator[Iterator[Batch]]:
    """The batches of a file, or of standard input.

    Parameters
    ----------
    size
        Events that a batch holds at most.
    pusher
        Where they will go: its columns tell what the texts of a CSV mean.
    stop
        Ends newline JSON after what has come so far; of other formats, whoever takes the batches stops.

    Raises
    ------
    SourceError
        If the file can't be opened.
    """
    with opened(name) as file:
        if format_ == "ndjson":
            yield json_batches(split_lines(chunks(file, stop)), size)
        elif format_ == "arrow":
            yield arrow_batches(file, name, size)
        elif format_ == "parquet":
            yield parquet_batches(file, name, size)
        else:
            yield csv_batches(file, name, column_types(pusher.store, pusher.source), size)
