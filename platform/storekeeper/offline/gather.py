"""A view's history as it is read: events of the spine's entities only, in memory or in parts on disk."""

from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from storekeeper.history.moments import Share, SortedSpine
from storekeeper.offline.memory import MemoryBudget
from storekeeper.offline.progress import tell
from storekeeper.offline.spill import Spill
from storekeeper.sources import OpenSource, ReadRequest

# Events of entities that nobody asks about are left out where they are more than this share.
_CROWD = 0.1


@dataclass(frozen=True)
class Part:
    """Events of some of the spine's entities, and the moments that ask about those.

    Attributes
    ----------
    share
        The moments.
    codes
        (n_events,) int32: which of the share's entities each event is about; negative for none.
    events
        The events, in the source's order; without the keys that no feature looks at.
    """

    share: Share
    codes: np.ndarray
    events: pa.Table


def gather(
    source: OpenSource,
    request: ReadRequest,
    asking: SortedSpine,
    view: str,
    budget: MemoryBudget,
    needed: Collection[str] = (),
) -> Generator[Part, None, None]:
    """Read a history; one part where it fits the budget, else as many as it takes, which together hold it all.

    Closing it closes the source, and clears the disk.

    Parameters
    ----------
    request
        Its columns begin with the spine's keys.
    needed
        Columns that features look at: those of them that are keys stay among the events.
    """
    held: list[tuple[np.ndarray, pa.RecordBatch]] = []
    size = 0
    with closing(_numbered(source, request, asking, view, needed)) as batches:
        for codes, batch in batches:
            held.append((codes, batch))
            size += codes.nbytes + batch.nbytes
            if size > budget.events_bytes:
                with budget.scratch() as folder:
                    yield from _in_parts(held, batches, asking, folder, budget)
                return
    codes = np.concatenate([codes for codes, _ in held])
    yield Part(asking.whole(), codes, pa.Table.from_batches([batch for _, batch in held]))


def _numbered(
    source: OpenSource, request: ReadRequest, asking: SortedSpine, view: str, needed: Collection[str]
) -> Generator[tuple[np.ndarray, pa.RecordBatch], None, None]:
    """Batches with their entities' codes instead of the keys."""
    keys = {column.name for column in asking.entities.columns} - set(needed)
    total = source.row_count() if request.keys is None else None
    rows = 0
    with closing(source.batches(request)) as batches:
        for batch in batches:
            codes = asking.entities.codes_of(pa.Table.from_batches([batch]))
            others = batch.select([name for name in batch.schema.names if name not in keys])
            strangers = codes < 0
            if np.count_nonzero(strangers) > _CROWD * len(codes):
                kept = np.flatnonzero(~strangers)
                codes, others = codes[kept], others.take(pa.array(kept))
            rows += batch.num_rows
            tell(view, rows, total)
            yield codes, others


def _in_parts(
    held: list[tuple[np.ndarray, pa.RecordBatch]],
    rest: Iterator[tuple[np.ndarray, pa.RecordBatch]],
    asking: SortedSpine,
    folder: Path,
    budget: MemoryBudget,
) -> Iterator[Part]:
    with Spill(folder, held[0][1].schema) as spill:
        while held:
            spill.add(*held.pop(0))
        for codes, batch in rest:
            spill.add(codes, batch)
    for first, end in spill.groups(budget.events_bytes):
        share = asking.share(first, end, spill.parts)
        codes, events = spill.read(first, end)
        yield Part(share, share.local[codes], events)
