"""What a source has that state may lack: rows that happened, or became known, since the state was made."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from storekeeper.definitions import ViewPlan
from storekeeper.history.keys import EntityIndex
from storekeeper.materialise.source_parts import Reader
from storekeeper.online.backends import PushedRow
from storekeeper.online.entity_keys import keys_from_bytes
from storekeeper.sources import ReadRequest


def changed_rows(plan: ViewPlan, columns: tuple[str, ...], since: datetime, until: datetime) -> list[ReadRequest]:
    """Requests that together read every row that happened or became known since an instant; some rows twice.

    Rows that are equal in both times are in the answer to the same requests, and so in the source's order.
    """
    happened = ReadRequest(columns, plan.source_timestamp, since, until)
    if not plan.known_time:
        return [happened]
    with_known = tuple(dict.fromkeys([*columns, plan.known_time]))
    known = plan.source.created_timestamp_column
    return [happened, replace(happened, columns=with_known, timestamp=known, end=None, timeless=True)]


def touched_entities(
    reader: Reader, requests: Sequence[ReadRequest], plan: ViewPlan, pushed: Sequence[PushedRow]
) -> EntityIndex:
    """Entities of changed rows, and of pushed ones: these are looked for among all rows of the source."""
    keys = list(plan.keys)
    found: list[pa.Table] = []
    with closing(reader.batches(requests, None)) as batches:
        for batch in batches:
            rows = pa.Table.from_batches([batch]).select(keys)
            found.append(rows.group_by(keys).aggregate([]).select(keys))
    types = {name: found[0].schema.field(name).type for name in keys}
    found.append(keys_from_bytes(sorted({row.key for row in pushed}), types))
    return EntityIndex.of(pa.concat_tables(found, promote_options="permissive"), keys)


def has_rows(reader: Reader, requests: Sequence[ReadRequest]) -> bool:
    """Whether there is any row, where all rows are about one entity."""
    with closing(reader.batches(requests, None)) as batches:
        return bool(sum(batch.num_rows for batch in batches))
