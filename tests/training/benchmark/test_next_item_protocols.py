"""The next-item protocols: how rows are parted, and a whole contest on a small shop."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from public_data import public_data
from storekeeper_training.benchmark.next_item import PROTOCOLS
from storekeeper_training.benchmark.next_item_data import (
    MOVIELENS_FILE,
    YOOCHOOSE_FILES,
    Asked,
    movielens,
    yoochoose_positions,
    yoochoose_sessions,
)
from storekeeper_training.benchmark.next_item_run import Aim, contest, difference, figures, measured
from storekeeper_training.next_item.markov import Markov
from storekeeper_training.next_item.popularity import Popularity
from storekeeper_training.next_item.session_knn import SessionKnn
from training.next_item.next_item_rows import walks


def silent(doing):
    """Tell nobody."""


@pytest.fixture
def ratings(tmp_path):
    """Two users' ratings, out of order; two of one second in the order of the file."""
    rows = [(1, 30, 3), (1, 10, 1), (2, 10, 1), (1, 40, 9), (1, 20, 2), (2, 30, 2), (2, 20, 2), (2, 50, 2)]
    names = ["user_id:token", "item_id:token", "timestamp:float"]
    pd.DataFrame(rows, columns=names).to_parquet(tmp_path / MOVIELENS_FILE)
    return tmp_path


def test_movielens_leaves_out_the_last_and_the_one_before(ratings):
    """Each user's rows end one item earlier from test to validation to training; what only they hold is missed."""
    train, validation, test = movielens(ratings)
    assert train.catalogue.items.tolist() == [10, 20, 30]
    assert train.history.as_lists() == [[0], [0]]
    assert train.targets.as_lists() == [[1], [2]]
    assert validation.targets.as_lists() == [[2], [1]]
    assert test.sequences.history.as_lists() == [[0, 1, 2], [0, 2, 1]]
    assert test.sequences.missed.tolist() == [1, 1]
    assert test.groups.tolist() == [1, 2]
    assert not any(part.repeats for part in (train, validation, test.sequences))


def test_yoochoose_rows_are_sessions_in_training_and_clicks_in_test(tmp_path):
    """A session teaches once, and is asked after each of its clicks but the last."""
    rows = [(7, 30, 12.5), (7, 10, 10.0), (8, 10, 11.0), (8, 10, 13.0), (7, 20, 14.0)]
    pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"]).to_parquet(tmp_path / "clicks.parquet")
    train = yoochoose_sessions(tmp_path, "clicks.parquet")
    assert train.history.as_lists() == [[0, 2], [0]]
    assert train.targets.as_lists() == [[1], [0]]
    assert train.times.astype("datetime64[s]").astype(int).tolist() == [14, 13]
    asked = yoochoose_positions(tmp_path, "clicks.parquet", train.catalogue)
    assert asked.sequences.history.as_lists() == [[0], [0, 2], [0]]
    assert asked.sequences.targets.as_lists() == [[2], [1], [0]]
    assert asked.groups.tolist() == [7, 7, 8]
    assert asked.sequences.repeats


def test_a_contest_is_settled_by_validation_and_shown_with_intervals():
    """The order is that of validation, the blend leads or ties there, and aims stand by the first model alone."""
    train, later, last = walks(150, 20, 0), walks(60, 20, 1), walks(60, 20, 2)
    models = (Popularity(), Markov(), SessionKnn(decays=(0.5,), neighbours=(20,)))
    found = contest(models, ("markov", "session-knn"), train, later, 0, silent)
    assert found.validation["blend"] >= found.validation["markov"] - 1e-9
    assert found.ordered[-1] == "popularity"
    test = Asked(last, np.arange(len(last)))
    outcome = measured(found.rankers, test, silent)
    shown = figures(outcome, found.ordered, test, ["ndcg_at_10"], {"ndcg_at_10": Aim(0.1, "somewhere", 0.2)}, 0)
    assert [figure.model for figure in shown] == found.ordered
    assert shown[0].met is True
    assert all(figure.target is None for figure in shown[1:])
    assert all(figure.low < figure.value < figure.high for figure in shown)
    assert "+" in difference(outcome, found.ordered[0], "popularity", "ndcg_at_10", test, 0)


def test_the_same_models_are_mixed_again_as_chosen():
    """Fitted on other rows with what was chosen, nothing is chosen anew."""
    train, later = walks(150, 20, 0), walks(60, 20, 1)
    models = (Markov(), SessionKnn(decays=(0.5,), neighbours=(20,)))
    found = contest(models, ("markov", "session-knn"), train, later, 0, silent)
    other = replace(
        train,
        history=later.take(np.arange(50)).history,
        targets=later.take(np.arange(50)).targets,
        missed=later.missed[:50],
    )
    fitted = {
        model.name: model.settled(found.rankers[model.name]).fit(other, other, 0, lambda *_: None) for model in models
    }
    again = found.mixed_again(fitted)
    assert again.parameters == found.rankers["blend"].parameters
    assert [member.parameters for member in again.members] == [
        member.parameters for member in found.rankers["blend"].members
    ]


def test_movielens_has_943_users():
    """Of the public file every user has rows in each part, and few test items are unknown."""
    train, validation, test = movielens(public_data("movielens_100k", MOVIELENS_FILE))
    assert len(train) == len(validation) == len(test.sequences) == 943
    assert test.sequences.missed.sum() < 10


def test_yoochoose_has_as_many_rows_as_its_files_say():
    """Clicks less one a session are asked; items of the test are those of the training sessions."""
    folder = public_data("yoochoose_100k", *YOOCHOOSE_FILES)
    train = yoochoose_sessions(folder, "train_full.parquet")
    asked = yoochoose_positions(folder, "test.parquet", train.catalogue)
    assert (len(train), len(train.catalogue)) == (17_794, 2_933)
    assert len(asked.sequences) == 13_568 - 3_416


def test_protocols_have_names_of_their_own():
    """Both are of the task `next_item`."""
    assert [(protocol.name, protocol.task) for protocol in PROTOCOLS] == [
        ("movielens_100k", "next_item"),
        ("yoochoose_100k", "next_item"),
    ]
