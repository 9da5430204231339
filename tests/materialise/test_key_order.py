"""Rows come in the order of their keys, however these are made and in however many parts they came."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekeeper.errors import DataError
from storekeeper.materialise.key_order import KeyOrder, in_key_order
from storekeeper.offline.memory import MemoryBudget
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.layers import EncodedRows


def _encoded(keys: Sequence[tuple[object, ...]]) -> list[bytes]:
    """Entity keys of one or more columns, as the online store has them."""
    columns = zip(*keys, strict=True)
    table = pa.table({f"k{place}": pa.array(list(column)) for place, column in enumerate(columns)})
    return [key for key in key_bytes(table) if key is not None] if keys else []


INTEGERS = st.integers(-(2**63), 2**63 - 1)
KEYS: dict[str, st.SearchStrategy[list[bytes]]] = {
    "integers": st.lists(st.tuples(INTEGERS), unique=True).map(_encoded),
    "small integers": st.lists(st.tuples(st.integers(-300, 300)), unique=True).map(_encoded),
    "pairs": st.lists(st.tuples(INTEGERS, INTEGERS), unique=True).map(_encoded),
    "small pairs": st.lists(st.tuples(st.integers(0, 99), st.integers(-9, 9)), unique=True).map(_encoded),
    "an integer and a text": st.lists(st.tuples(st.integers(0, 9), st.text(max_size=3)), unique=True).map(_encoded),
    "bytes of one length": st.lists(st.binary(min_size=11, max_size=11), unique=True),
    "any bytes": st.lists(st.binary(max_size=12), unique=True),
}


def _rows(keys: Sequence[bytes | None]) -> EncodedRows:
    """Rows whose times and blobs say whose they are."""
    times = np.arange(len(keys)) + sum(map(len, filter(None, keys)))
    return EncodedRows(keys, times, times + 1, [b"of " + (key or b"") for key in keys])


@pytest.mark.parametrize("kind", KEYS)
@given(st.data())
def test_rows_of_one_part_come_by_key(kind: str, data: st.DataObject) -> None:
    """Keys ascend as bytes do, and each brings its own times and blob."""
    rows = _rows(data.draw(KEYS[kind]))
    own = {key: (int(at), int(at) + 1) for key, at in zip(rows.keys, rows.event_us, strict=True)}
    found = list(in_key_order(rows))
    assert [row.key for row in found] == sorted(own)
    assert all((row.event_us, row.known_us) == own[row.key] and row.value == b"of " + row.key for row in found)


def test_rows_of_several_parts_come_by_key(tmp_path: Path) -> None:
    """Parts go to disk, each sorted, and are merged; more than what is read at once."""
    keys = _encoded([(number * 7919 % 12_007 - 6_000,) for number in range(12_000)])
    with KeyOrder(MemoryBudget(10**9, 10**9, tmp_path)) as ordered:
        for low in range(0, len(keys), 5_000):
            ordered.add(_rows(keys[low : low + 5_000]))
        assert [(row.key, row.value) for row in ordered.rows()] == [(key, b"of " + key) for key in sorted(keys)]


def test_a_null_key_is_refused() -> None:
    """No entity has a null key."""
    with pytest.raises(DataError, match="null join key"):
        list(in_key_order(_rows([b"a", None])))
