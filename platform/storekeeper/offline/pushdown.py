"""Whether a source shall be asked for the spine's entities only."""

import numpy as np
import pyarrow as pa

from storekeeper.history.keys import EntityIndex
from storekeeper.sources import OpenSource, ReadRequest

# A join costs about as much as reading a source's keys twice: it must keep most rows away.
_MOST_KEYS = 100_000
_MOST_UNCOUNTED_KEYS = 10_000
_FEW_ROWS = 200_000
_SAMPLE_ROWS = 10_000
_LARGEST_SHARE = 0.5


def keys_to_push(source: OpenSource, entities: EntityIndex) -> pa.Table | None:
    """The spine's distinct keys, where reading only their rows pays; else None.

    A source that knows how many rows it has is asked for the keys of a few first, to see how many are the spine's.
    """
    if not entities.columns or not 0 < entities.count <= _MOST_KEYS:
        return None
    rows = source.row_count()
    if rows is None:
        return entities.distinct() if entities.count <= _MOST_UNCOUNTED_KEYS else None
    if rows <= _FEW_ROWS:
        return None
    sample = source.read(ReadRequest(tuple(column.name for column in entities.columns), limit=_SAMPLE_ROWS))
    share = np.count_nonzero(entities.codes_of(sample) >= 0) / max(sample.num_rows, 1)
    return entities.distinct() if share < _LARGEST_SHARE else None
