"""Categories by vocabulary and by hash."""

import subprocess
import sys
import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekeeper.artefact import CategoricalColumn, Encoder
from storekeeper.artefact.categorical_column import hash_buckets
from storekeeper.errors import DataError

TEXTS = st.lists(st.none() | st.text(max_size=8) | st.sampled_from(["a", "b", "c"]), max_size=200)


@given(texts=TEXTS, buckets=st.integers(0, 7))
def test_slots_by_formula(texts: list[str | None], buckets: int) -> None:
    """A value's slot is its place in the vocabulary, else its CRC-32's bucket after it, else none; null has none."""
    column = CategoricalColumn("x", ("b", "a"), buckets=buckets)
    expected = []
    for text in texts:
        if text in column.vocabulary:
            expected.append(column.vocabulary.index(text))
        elif text is None or not buckets:
            expected.append(-1)
        else:
            expected.append(2 + zlib.crc32(text.encode()) % buckets)
    assert column.slots(pa.array(texts, pa.string())).tolist() == expected


@given(texts=TEXTS.filter(bool), kind=st.sampled_from(["one_hot", "index", "row"]))
def test_few_rows_and_many_encode_alike(texts: list[str | None], kind: str) -> None:
    """Rows encode one at a time as they do among hundreds."""
    encoder = Encoder(categorical=(CategoricalColumn("x", ("a", "c"), kind, 3),))  # type: ignore[arg-type]
    many = encoder.transform({"x": [*texts, *["a"] * 200]})[: len(texts)]
    singly = np.concatenate([encoder.transform({"x": pa.array([text], pa.string())}) for text in texts])
    np.testing.assert_array_equal(many, singly)


def test_rows_leave_the_first_to_null() -> None:
    """As rows of a table slots count from 1; null and the unknown without a bucket are 0."""
    for buckets, unknown in ((0, 0), (1, 3)):
        encoder = Encoder(categorical=(CategoricalColumn("x", ("b", "a"), "row", buckets),))
        matrix = encoder.transform({"x": ["b", "a", "never met", None]})
        np.testing.assert_array_equal(matrix[:, 0], [1, 2, unknown, 0])


def test_hash_is_the_same_in_every_process() -> None:
    """Another process, with another seed of Python's own hash, gives the same buckets."""
    code = "import pyarrow as pa; from storekeeper.artefact.categorical_column import hash_buckets as h"
    code += "; print(h(pa.array(['shoes', 'socks', 'größe']), 1000).tolist())"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[447, 724, 153]"


def test_hash_spreads_evenly() -> None:
    """Ten thousand names like those in use fill 64 buckets as chance would: chi-square below its 0.1% bound."""
    counts = np.bincount(hash_buckets(pa.array([f"item-{number}" for number in range(10_000)]), 64), minlength=64)
    assert ((counts - 156.25) ** 2 / 156.25).sum() < 104


@pytest.mark.parametrize(("vocabulary", "buckets"), [((), 0), (("a",), -1), (("a", "a"), 0)])
def test_impossible_categories_are_refused(vocabulary: tuple[str, ...], buckets: int) -> None:
    """No slot at all, a negative number of buckets, and a value listed twice are refused by name."""
    with pytest.raises(DataError, match="'size'"):
        CategoricalColumn("size", vocabulary, buckets=buckets)
