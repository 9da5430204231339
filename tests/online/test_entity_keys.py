"""Entity keys as bytes."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.shops import examples
from storekeeper.errors import DataError, UsageError
from storekeeper.online.entity_keys import key_bytes, keys_from_values

_INT = (pa.int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 300))
_TEXT = (pa.string(), st.text(st.sampled_from("as\x00\x01ié0🛒"), max_size=4) | st.text())


@given(st.data())
@examples(5)
def test_keys_never_collide(data: st.DataObject) -> None:
    """Two keys of one view have the same bytes exactly when they are equal, whatever their parts."""
    kinds = data.draw(st.lists(st.sampled_from([_INT, _TEXT]), min_size=1, max_size=3))
    key = st.tuples(*(values for _, values in kinds))
    rows = data.draw(st.lists(key, min_size=2, max_size=8))
    table = pa.table({f"k{i}": pa.array([row[i] for row in rows], kind) for i, (kind, _) in enumerate(kinds)})
    encoded = key_bytes(table)
    assert len(set(encoded)) == len(set(rows))
    assert all(
        (a == b) == (x == y) for a, x in zip(encoded, rows, strict=True) for b, y in zip(encoded, rows, strict=True)
    )


@given(st.lists(_INT[1], min_size=2))
@examples()
def test_integer_keys_sort_as_numbers(numbers: list[int]) -> None:
    """The order of bytes is the order of numbers, negative ones first."""
    encoded = key_bytes(pa.table({"k": pa.array(numbers, pa.int64())}))
    by_bytes = [number for _, number in sorted(zip(encoded, numbers, strict=True), key=lambda pair: pair[0] or b"")]
    assert by_bytes == sorted(numbers)


@pytest.mark.parametrize(
    ("left", "right"),
    [((1, 23), (12, 3)), ((1, 11), (11, 1)), (("a", "bc"), ("ab", "c")), (("", "a"), ("a", "")), (("1", 1), ("", 11))],
    ids=str,
)
def test_composite_keys_stay_apart(left: tuple[Any, Any], right: tuple[Any, Any]) -> None:
    """(1, 23) is not (12, 3), and ('a', 'bc') is not ('ab', 'c') (rule 13)."""
    table = pa.table({f"k{i}": pa.array([left[i], right[i]]) for i in range(2)})
    first, second = key_bytes(table)
    assert first != second


def test_null_keys_have_no_bytes() -> None:
    """A null in any part is no key (rule 13)."""
    table = pa.table({"a": pa.array([1, None, 1, None], pa.int64()), "b": pa.array(["x", "x", None, None])})
    assert [key is None for key in key_bytes(table)] == [False, True, True, True]


@pytest.mark.parametrize("type_", [pa.int32(), pa.int16(), pa.uint32()], ids=str)
def test_integer_widths_are_one_kind(type_: pa.DataType) -> None:
    """An entity has one key, however wide its column is."""
    assert key_bytes(pa.table({"k": pa.array([7], pa.int64()).cast(type_)})) == key_bytes(pa.table({"k": [7]}))


@pytest.mark.parametrize("type_", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_text_encodings_are_one_kind(type_: pa.DataType) -> None:
    """The same for text."""
    assert key_bytes(pa.table({"k": pa.array(["é"]).cast(type_)})) == key_bytes(pa.table({"k": ["é"]}))


def test_integers_beyond_int64_are_refused() -> None:
    """An unsigned key that no int64 holds is an error that names the column."""
    with pytest.raises(DataError, match="'k'"):
        key_bytes(pa.table({"k": pa.array([2**64 - 1], pa.uint64())}))


def test_other_kinds_are_refused() -> None:
    """A float is no key."""
    with pytest.raises(DataError, match=r"'k' is double.*integer and string"):
        key_bytes(pa.table({"k": [1.5]}))


@pytest.mark.parametrize(
    ("value", "type_"),
    [("1", pa.int64()), (1, pa.string()), (1.0, pa.int64()), (True, pa.int64()), (2**63, pa.int64())],
)
def test_values_of_another_type_are_refused(value: object, type_: pa.DataType) -> None:
    """A key of another type is an error that names both (rule 14), never a silent null."""
    with pytest.raises(DataError, match=f"'k' must be {type_}"):
        keys_from_values({"k": [value]}, {"k": type_})


def test_missing_keys_are_named() -> None:
    """A missing key is named, and so are those that came."""
    with pytest.raises(UsageError, match=r"'category' is missing. Received: 'customer'"):
        keys_from_values({"customer": [1]}, {"category": pa.string()})


def test_numbers_of_numpy_are_numbers() -> None:
    """NumPy's integers and text are as good as Python's; null stays null."""
    table = keys_from_values({"a": [np.int32(7), None], "b": [np.str_("x"), "y"]}, {"a": pa.int64(), "b": pa.string()})
    assert table.to_pylist() == [{"a": 7, "b": "x"}, {"a": None, "b": "y"}]


def test_a_column_without_a_type() -> None:
    """A column of nulls alone, as an empty source has it, holds no keys and is no error."""
    assert key_bytes(pa.table({"a": pa.nulls(0), "b": pa.array([], pa.int64())})) == []
    assert key_bytes(pa.table({"a": pa.nulls(2), "b": [1, 2]})) == [None, None]
