"""Histories and targets from list columns."""

import numpy as np
import pyarrow as pa
import pytest

from storekeeper.errors import DataError
from storekeeper_training.next_item import build_sequences, fit_catalogue
from storekeeper_training.next_item.ragged import Ragged
from training.next_item.next_item_rows import random_lists, random_sequences


def test_the_last_fifty_of_a_history_are_kept_before_unknown_items_are_left_out():
    """The limit counts what came, as serving does, and not what is known."""
    catalogue = fit_catalogue(range(100))
    rows = build_sequences(catalogue, [[*range(60), *range(500, 510)]], [[1]])
    assert rows.history.as_lists() == [list(range(20, 60))]
    assert rows.unknown == 10


def test_targets_are_sets_and_those_outside_the_catalogue_are_counted():
    """A target named twice counts once; one that training hasn't seen is missed."""
    rows = build_sequences(fit_catalogue([10, 20, 30]), [[10], [20], []], [[30, 30, 20], [77, 78, 77], None])
    assert rows.targets.as_lists() == [[1, 2], [], []]
    assert rows.missed.tolist() == [0, 2, 0]
    assert rows.n_targets.tolist() == [2, 2, 0]


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.large_list(pa.int32())])
def test_arrow_columns_and_lists_give_the_same_sequences(kind):
    """A sliced or chunked Arrow column of lists, nulls in it, reads as Python lists do."""
    lists = [None, *random_lists(30, 9, 6, seed=3)]
    plain = build_sequences(fit_catalogue(range(10, 60, 10)), lists, lists)
    column = pa.chunked_array([pa.array([[1], *lists[:11]], kind).slice(1), pa.array(lists[11:], kind)])
    arrow = build_sequences(plain.catalogue, column, column)
    assert arrow.history.as_lists() == plain.history.as_lists()
    assert arrow.targets.as_lists() == plain.targets.as_lists()
    assert arrow.missed.tolist() == plain.missed.tolist()


@pytest.mark.parametrize("column", [[["a"]], [[1.5]], pa.array([1, 2]), pa.array([[1, None]])])
def test_columns_that_are_no_lists_of_items_are_refused_by_name(column):
    """Text, fractions, plain numbers and nulls inside a list are no histories."""
    with pytest.raises(DataError, match="histories"):
        build_sequences(fit_catalogue([1]), column)


def test_parts_of_different_length_are_refused():
    """Every part has a row a row."""
    with pytest.raises(DataError, match="'history': 2, 'targets': 1"):
        build_sequences(fit_catalogue([1]), [[1], [1]], [[1]])


def test_taking_rows_takes_every_part():
    """Rows come in the order asked for, with targets, times and context."""
    times = np.arange(3).astype("datetime64[us]")
    context = {"age": np.array([30, 40, 50])}
    rows = build_sequences(fit_catalogue([1, 2]), [[1], [2], []], [[2], [9], [1]], times=times, context=context)
    taken = rows.take(np.array([2, 0, 1]))
    assert taken.history.as_lists() == [[], [0], [1]]
    assert taken.targets.as_lists() == [[0], [1], []]
    assert taken.missed.tolist() == [0, 0, 1]
    assert taken.times.astype(int).tolist() == [2, 0, 1]
    assert taken.context["age"].tolist() == [50, 30, 40]


def test_batches_are_the_rows_in_order():
    """Put together again, batches are the sequences."""
    rows = random_sequences(1)
    parts = [row for _, batch in rows.batches(7) for row in batch.history.as_lists()]
    assert parts == rows.history.as_lists()


def test_rows_put_end_to_end_are_the_lists_put_end_to_end():
    """`followed_by`, `last` and `ages` agree with lists."""
    first, second = random_sequences(4).history, random_sequences(5).history
    expected = [a + b for a, b in zip(first.as_lists(), second.as_lists(), strict=True)]
    joined = first.followed_by(second)
    assert joined.as_lists() == expected
    assert joined.last(3).as_lists() == [row[-3:] for row in expected]
    assert joined.ages.tolist() == [age for row in expected for age in range(len(row))[::-1]]


def test_offsets_that_are_none_are_refused():
    """Offsets run from 0 to the number of values."""
    with pytest.raises(DataError, match="number of values, 2"):
        Ragged(np.array([1, 2], np.int32), np.array([0, 3]))
