"""Entities are numbered as a plain dictionary would: by table, by hash, and in combinations."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.shops import examples
from storekeeper.errors import DataError
from storekeeper.history import keys as keys_module
from storekeeper.history.keys import EntityIndex

INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
LEAST, MOST = -(2**63), 2**63 - 1


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def _assert_as_a_dictionary(spine: pa.Table, events: pa.Table) -> EntityIndex:
    """Rows share a code exactly if they share all keys, none null; events have their entity's code, or -1."""
    names = spine.column_names
    index = EntityIndex.of(spine, names)
    ours, theirs = _rows(spine), _rows(events.select(names))
    numbers: dict[tuple[Any, ...], int] = {}
    for row, code in zip(ours, index.codes.tolist(), strict=True):
        assert code == (-1 if None in row else numbers.setdefault(row, code))
    assert sorted(numbers.values()) == list(range(index.count))
    assert len(set(numbers)) == index.count
    found = index.codes_of(events)
    assert found.dtype == index.codes.dtype == np.int32
    assert found.tolist() == [-1 if None in row else numbers.get(row, -1) for row in theirs]
    assert sorted(map(repr, _rows(index.distinct()))) == sorted(map(repr, numbers))
    return index


def _one(values: Sequence[Any], type_: pa.DataType | None = None) -> pa.Table:
    return pa.table({"key": pa.array(values, type_)})


_NEAR = st.integers(-1000, 1000)
_ANY = st.one_of(_NEAR, st.integers(LEAST, MOST), st.sampled_from([LEAST, LEAST + 1, MOST, MOST - 1, 0]))


@given(st.lists(st.none() | _NEAR, max_size=30), st.lists(st.none() | _ANY, max_size=30))
@examples(4)
def test_integers_close_together(ours: list[int | None], theirs: list[int | None]) -> None:
    """Keys in a narrow range are looked up in a table, and whatever events hold beside it is no entity."""
    index = _assert_as_a_dictionary(_one(ours, pa.int64()), _one([*theirs, *ours], pa.int64()))
    assert (index.columns[0].table is not None) == (index.count > 0)


@given(st.lists(st.none() | _ANY, max_size=30), st.lists(st.none() | _ANY, max_size=30))
@examples(4)
def test_integers_anywhere(ours: list[int | None], theirs: list[int | None]) -> None:
    """Keys of the whole 64-bit range are looked up by hash where they are far apart."""
    _assert_as_a_dictionary(_one(ours, pa.int64()), _one([*theirs, *ours], pa.int64()))


@pytest.mark.parametrize("ours", [[LEAST, LEAST + 3], [MOST, MOST - 5, MOST - 2], [LEAST, MOST], [-1, 0, 1], [LEAST]])
def test_the_ends_of_the_range(ours: list[int]) -> None:
    """A table at either end of int64 doesn't wrap around into the other."""
    around = [LEAST, LEAST + 1, LEAST + 4, -2, -1, 0, 1, 2, MOST - 6, MOST - 1, MOST, None]
    _assert_as_a_dictionary(_one(ours, pa.int64()), _one([*ours, *around], pa.int64()))


@pytest.mark.parametrize(("gap", "tabled"), [(4 * 2 + (1 << 20), True), (4 * 2 + (1 << 20) + 1, False)])
def test_far_apart_is_hashed(gap: int, tabled: bool) -> None:
    """A table is made just as long as it isn't much larger than the entities are many; answers are the same."""
    low = -5
    events = _one([low, low + 1, low + gap - 1, low + gap, low + gap + 1, low - 1])
    index = _assert_as_a_dictionary(_one([low + gap, low]), events)
    assert (index.columns[0].table is not None) == tabled


def _within(type_: pa.DataType) -> list[int]:
    limits = np.iinfo(type_.to_pandas_dtype())
    return [max(int(limits.min), LEAST), min(int(limits.max), MOST), 0, 1, 7]


@pytest.mark.parametrize("theirs", INTEGERS, ids=str)
@pytest.mark.parametrize("ours", INTEGERS, ids=str)
def test_integers_of_any_width_match(ours: pa.DataType, theirs: pa.DataType) -> None:
    """Integer keys are equal by value, whatever the widths on both sides (rule 14 is about kinds)."""
    _assert_as_a_dictionary(_one([*_within(ours), None], ours), _one([*_within(theirs), None, 3], theirs))


@pytest.mark.parametrize("side", ["spine", "source"])
def test_integers_beyond_63_bits_are_refused(side: str) -> None:
    """A key that doesn't fit is an error that names it, not another key."""
    large, small = _one([2**63, 1], pa.uint64()), _one([1], pa.int64())
    with pytest.raises(DataError, match="'key' can't be read as int64"):
        EntityIndex.of(large if side == "spine" else small, ["key"]).codes_of(small if side == "spine" else large)


_TEXT = st.sampled_from(["", "a", "A", "ä", "a\u0308", "🛒", "a\x00", "a\x00b", "1", "None", " a", "a ", "x" * 300])


@given(st.lists(st.none() | _TEXT, max_size=20), st.lists(st.none() | _TEXT, max_size=20), st.data())
@examples(3)
def test_text(ours: list[str | None], theirs: list[str | None], data: Any) -> None:
    """Text matches byte for byte, plain, large or dictionary-encoded on either side."""
    types = [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
    both = [data.draw(st.sampled_from(types)) for _ in range(2)]
    tables = [_one(values, pa.string()) for values in (ours, theirs)]
    spine, events = (
        pa.table(
            {"key": table["key"].dictionary_encode() if pa.types.is_dictionary(type_) else table["key"].cast(type_)}
        )
        for table, type_ in zip(tables, both, strict=True)
    )
    _assert_as_a_dictionary(spine, events)


def test_dictionaries_that_differ_from_chunk_to_chunk() -> None:
    """Each chunk's own dictionary counts, with unused, repeated and null entries in it."""
    chunks = [
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array(["a", "b"])),
        pa.DictionaryArray.from_arrays(pa.array([1, 0, 2], pa.int8()), pa.array(["b", "a", "z"])),
    ]
    with_null = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int8()), pa.array(["b", None, "unused"]))
    _assert_as_a_dictionary(pa.table({"key": pa.chunked_array(chunks)}), pa.table({"key": with_null}))
    _assert_as_a_dictionary(pa.table({"key": with_null}), pa.table({"key": pa.chunked_array(chunks)}))


def test_encoded_integers_are_integers() -> None:
    """A categorical column of integers matches a plain one."""
    encoded = pa.table({"key": pa.array([5, None, 900, 5]).dictionary_encode()})
    _assert_as_a_dictionary(encoded, _one([900, 5, 7, None], pa.int32()))
    _assert_as_a_dictionary(_one([900, 5, 7, None], pa.int32()), encoded)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([True, None, True], [False, True, None]),
        ([dt.date(2020, 2, 29), None], [dt.date(2020, 2, 29), dt.date(1969, 1, 1), None]),
        ([b"", b"\x00", None], [b"\x00", b"\x00\x00", b""]),
        ([dt.datetime(2020, 1, 1)], [dt.datetime(2020, 1, 1), None]),  # noqa: DTZ001  (naive)
    ],
    ids=["bool", "date", "bytes", "timestamp"],
)
def test_keys_of_other_kinds(ours: list[Any], theirs: list[Any]) -> None:
    """Any type that both sides share can be a key."""
    _assert_as_a_dictionary(_one(ours), _one(theirs))


@pytest.mark.parametrize(
    ("ours", "theirs"), [([1], ["1"]), (["1"], [1]), ([True], [1]), ([dt.date(2020, 1, 1)], [18262])]
)
def test_kinds_that_differ_are_an_error(ours: list[Any], theirs: list[Any]) -> None:
    """Keys of two kinds name both types (rule 14), alone and in a combination, with events or without."""
    spine, events = _one(ours), _one(theirs)
    for rows in (events, events.slice(0, 0)):
        with pytest.raises(DataError, match=r"'key' is \S+ in the spine and \S+ in the source"):
            EntityIndex.of(spine, ["key"]).codes_of(rows)
        with pytest.raises(DataError, match=r"'key' is \S+ in the spine and \S+ in the source"):
            EntityIndex.of(spine.append_column("b", [[1]]), ["b", "key"]).codes_of(
                rows.append_column("b", pa.chunked_array([pa.array([1] * rows.num_rows, pa.int64())]))
            )


def test_columns_of_nothing_but_nulls() -> None:
    """A key without a type has no entity, on either side and in combinations, and no error."""
    nothing, some = pa.table({"key": pa.nulls(3)}), _one([1, None, 2])
    assert EntityIndex.of(nothing, ["key"]).codes_of(some).tolist() == [-1] * 3
    assert EntityIndex.of(some, ["key"]).codes_of(nothing).tolist() == [-1] * 3
    pair = pa.table({"a": [1, 2, 3], "b": pa.nulls(3)})
    index = EntityIndex.of(pair, ["a", "b"])
    assert (index.codes.tolist(), index.count) == ([-1] * 3, 0)
    assert index.codes_of(pa.table({"a": [1], "b": ["x"]})).tolist() == [-1]
    assert index.distinct().num_rows == 0


_KEY = st.none() | st.integers(-3, 3)


@given(
    st.integers(2, 4).flatmap(
        lambda width: st.tuples(*[st.lists(st.tuples(*[_KEY] * width), max_size=25) for _ in range(2)])
    )
)
@examples(4)
def test_combinations(drawn: tuple[list[tuple[int | None, ...]], list[tuple[int | None, ...]]]) -> None:
    """Composite keys never collide, and a null in any column is no entity (rule 13)."""
    ours, theirs = drawn
    width = len((ours or theirs or [(0, 0)])[0])
    _assert_as_a_dictionary(*(_columns(rows, width) for rows in (ours, theirs)))


def _columns(rows: Sequence[tuple[int | None, ...]], width: int) -> pa.Table:
    return pa.table({f"k{place}": pa.array([row[place] for row in rows], pa.int64()) for place in range(width)})


def test_combinations_of_several_kinds() -> None:
    """Integers, categories, booleans and dates combine, in either order."""
    day = dt.date(2020, 1, 1)
    spine = pa.table(
        {
            "n": pa.array([1, 1, 12, 2**62, None], pa.int64()),
            "word": pa.array(["23", "3", "3", "", "a"]).dictionary_encode(),
            "flag": [True, False, True, None, True],
            "day": [day, day, None, day, day],
        }
    )
    events = pa.concat_tables([spine.slice(1), spine, spine.slice(0, 2)])
    for names in (["n", "word"], ["word", "n"], ["flag", "word", "n"], ["day", "flag", "n", "word"]):
        _assert_as_a_dictionary(spine.select(names), events.select(names))


def test_more_combinations_than_a_number_holds() -> None:
    """Five keys of thirty thousand values each make 2^74 combinations; codes are squeezed on the way."""
    rng = np.random.default_rng(2)
    count = 30_000
    spine = pa.table({f"k{place}": rng.permutation(count) * 10**6 for place in range(5)})
    shuffled = spine.take(pa.array(rng.permutation(count)))
    crossed = spine.set_column(4, "k4", spine["k4"].take(pa.array(np.roll(np.arange(count), 1))))
    events = pa.concat_tables([shuffled, crossed])
    _assert_as_a_dictionary(spine, events)


def test_squeezing_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every pair of columns is squeezed, the answer is the same."""
    monkeypatch.setattr(keys_module, "_LARGEST", 3)
    rng = np.random.default_rng(3)
    sides = [
        pa.table({name: pa.array(rng.integers(0, 3, 60), mask=rng.random(60) < 0.1) for name in "abcd"})
        for _ in range(2)
    ]
    for names in (["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]):
        _assert_as_a_dictionary(*(side.select(names) for side in sides))


@pytest.mark.parametrize("names", [["a"], ["b"], ["a", "b"]])
def test_empty_sides(names: list[str]) -> None:
    """No spine rows, no events, and neither, with chunks or without."""
    some = pa.table({"a": pa.array([1, None]), "b": pa.array(["x", "y"])}).select(names)
    empty = some.slice(0, 0)
    bare = pa.table({name: pa.chunked_array([], some.schema.field(name).type) for name in names})
    for spine in (some, empty, bare):
        for events in (some, empty, bare):
            _assert_as_a_dictionary(spine, events)


def test_without_keys_all_rows_are_one_entity() -> None:
    """An entityless view has one history for all."""
    index = EntityIndex.of(pa.table({"x": [1, 2, 3]}), [])
    assert (index.codes.tolist(), index.count) == ([0, 0, 0], 1)
    assert index.codes_of(pa.table({"y": ["a", None]})).tolist() == [0, 0]


@given(st.lists(st.lists(st.none() | _NEAR, max_size=6), max_size=6), st.lists(_NEAR, max_size=10), st.booleans())
@examples(3)
def test_chunks_change_nothing(chunks: list[list[int | None]], ours: list[int], far: bool) -> None:
    """Events and spine in any chunks, empty ones among them, with offsets, give the same codes."""
    spread = 2**40 if far else 1

    def chunked(parts: Sequence[Sequence[int | None]]) -> pa.Table:
        arrays = [pa.array([9, *[None if x is None else x * spread for x in part]], pa.int64())[1:] for part in parts]
        return pa.table({"key": pa.chunked_array(arrays, pa.int64())})

    whole = chunked([[value for part in chunks for value in part]])
    spine = chunked([ours[:3], [], ours[3:]])
    index = _assert_as_a_dictionary(spine, chunked(chunks))
    assert EntityIndex.of(spine, ["key"]).codes_of(whole).tolist() == index.codes_of(chunked(chunks)).tolist()
