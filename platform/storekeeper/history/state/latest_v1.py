"""Latest-value blobs of format version 1, which stored state may still hold, as blobs of today's.

Version 1 was one section of words: event time, knowledge time, then per feature whether it has a value and the value
or its number of bytes; then the bytes, where a list was an Arrow stream of one column.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storekeeper.history.columns import TIMESTAMP
from storekeeper.history.state.latest_encode import encode_latest
from storekeeper.history.state.latest_layout import LatestLayout
from storekeeper.history.state.unpacked import unpack

_EVENT, _KNOWN = 0, 1


def upgrade_v1(blobs: Sequence[bytes], layout: LatestLayout) -> list[bytes]:
    """The same rows in today's format."""
    unpacked = unpack(blobs, [2 + 2 * len(layout.types)], layout.fingerprint)
    words = unpacked.section(0).rows
    tails, used = unpacked.tails, np.zeros(len(blobs), np.int64)
    columns = {}
    for number, (name, type_) in enumerate(layout.types.items()):
        null, value = words[:, 2 + 2 * number] == 0, np.ascontiguousarray(words[:, 3 + 2 * number])
        if layout.kinds[name] != "bytes":
            plain = layout.plain[name]
            columns[name] = plain.restore(value.view(np.float64) if plain.is_float else value, null)
            continue
        pieces = [t[u : u + v] for t, u, v in zip(tails, used.tolist(), value.tolist(), strict=True)]
        columns[name] = pa.array(
            [None if n else _value(p, type_) for p, n in zip(pieces, null.tolist(), strict=True)], type_
        )
        used += value
    return _encoded(columns, words, layout)


def _encoded(columns: dict[str, pa.Array], words: np.ndarray, layout: LatestLayout) -> list[bytes]:
    # Features may be called anything: the times stand under names that none of them has.
    event, known = (f"{'_' * max(map(len, ['', *columns]))}_{number}" for number in (_EVENT, _KNOWN))
    times = {event: words[:, _EVENT], known: words[:, _KNOWN]}
    table = pa.table({**columns, **{name: pa.array(us, pa.int64()).cast(TIMESTAMP) for name, us in times.items()}})
    return encode_latest(table, layout, event_time=event, known_time=known)


def _value(item: bytes, type_: pa.DataType) -> object:
    if pa.types.is_binary(type_):
        return item
    if not pa.types.is_list(type_):
        return item.decode()
    with pa.ipc.open_stream(item) as reader:
        return reader.read_all().column(0).to_pylist()
