"""Windows of histories as tokens, against lists."""

from collections import Counter

import numpy as np
import pytest

from storekeeper_training.next_item import build_sequences, fit_catalogue
from storekeeper_training.next_item.transformer_tokens import TrainingWindows, history_tokens, padded
from training.next_item.next_item_rows import random_sequences


def _examples(train, positions, length, batch_rows, seed):
    """Every example as (the tokens that it reads, its target, its weight)."""
    found = []
    for batch in TrainingWindows(train, positions, length, batch_rows).epoch(np.random.default_rng(seed)):
        for row, place, target, weight in zip(batch.row, batch.place, batch.target, batch.weight, strict=True):
            read = batch.tokens[row, : place + 1]
            found.append((tuple(read[read != 0].tolist()), int(target), round(float(weight), 4)))
    return found


def _expected(train, positions):
    """The examples of whole rows by loops; the start is the token after the last item's."""
    start = len(train.catalogue) + 1
    found = []
    for history, targets in zip(train.history.as_lists(), train.targets.as_lists(), strict=True):
        tokens = [start, *(code + 1 for code in history)]
        if positions == "every":
            found += [(tuple(tokens[: at + 1]), item, 1.0) for at, item in enumerate(history)]
        found += [(tuple(tokens), target, round(1 / len(targets), 4)) for target in targets]
    return found


@pytest.mark.parametrize("positions", ["every", "targets"])
def test_each_next_item_is_an_example_once(positions):
    """Where windows hold whole rows, the examples are those of the rows, each with all that came before it."""
    train = random_sequences(3)
    assert Counter(_examples(train, positions, 20, 7, seed=0)) == Counter(_expected(train, positions))


def test_rows_that_are_cut_give_each_example_once_with_less_before_it():
    """A cut loses no next item; what is read is the end of what came before, and never longer than a window."""
    train = random_sequences(3)
    found = _examples(train, "every", 4, 7, seed=0)
    whole = _expected(train, "every")
    assert Counter((target, weight) for _, target, weight in found) == Counter((t, w) for _, t, w in whole)
    endings = {(tokens[at:], target) for tokens, target, _ in whole for at in range(len(tokens))}
    assert all(len(tokens) <= 4 and (tokens, target) in endings for tokens, target, _ in found)


def test_cuts_change_from_epoch_to_epoch():
    """Another state of the random numbers cuts long rows elsewhere."""
    train = random_sequences(3)
    assert Counter(_examples(train, "every", 4, 7, seed=0)) != Counter(_examples(train, "every", 4, 7, seed=1))


def test_the_start_stands_before_short_histories_only():
    """A history that fills the window has no start; an empty one is the start alone."""
    rows = build_sequences(fit_catalogue([5, 6, 7]), [[5, 6, 7], [6], []])
    assert padded(history_tokens(rows.history, 3, 3)).tolist() == [[1, 2, 3], [0, 4, 2], [0, 0, 4]]


def test_rows_are_padded_to_two_places_at_least():
    """Keras warns of attention over a single place, as where every history is empty."""
    rows = build_sequences(fit_catalogue([5]), [[], []])
    assert padded(history_tokens(rows.history, 1, 3)).tolist() == [[0, 2], [0, 2]]
