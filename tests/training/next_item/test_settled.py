"""Models settled by a fit: taught again without a choice."""

from dataclasses import replace

import numpy as np
import pytest

from storekeeper.errors import DataError
from storekeeper_training.next_item.blend import Blend
from storekeeper_training.next_item.ease import Ease
from storekeeper_training.next_item.markov import Markov
from storekeeper_training.next_item.own_frequency import OwnFrequency
from storekeeper_training.next_item.popularity import Popularity
from storekeeper_training.next_item.session_knn import SessionKnn
from storekeeper_training.next_item.transformer import Transformer
from training.next_item.next_item_rows import random_sequences

MODELS = (Popularity(), OwnFrequency(), Markov(), SessionKnn(), Ease(), Blend(members=(Markov(), OwnFrequency())))


def silent(done, total, note):
    """Tell nobody."""


def _timed(rows):
    days = np.arange(len(rows)).astype("datetime64[D]").astype("datetime64[us]")
    return replace(rows, times=days)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_settled_model_fits_the_same_ranker_whatever_the_validation_rows(model):
    """It has what was chosen, and chooses nothing by rows on which other settings would win."""
    train, later = _timed(random_sequences(0)), _timed(random_sequences(2))
    ranker = model.fit(train, later, 0, silent)
    again = model.settled(ranker).fit(train, _timed(random_sequences(5)), 0, silent)
    assert again.parameters == ranker.parameters
    np.testing.assert_array_equal(again.scores(later), ranker.scores(later))


def test_a_settled_transformer_learns_for_the_best_number_of_epochs():
    """Without patience: validation rows stop nothing."""

    class Ranker:
        kind = "transformer"
        parameters = {"best_epoch": 7}  # noqa: RUF012

    settled = Transformer(epochs=60).settled(Ranker())
    assert (settled.epochs, settled.patience) == (7, None)


def test_a_model_is_settled_by_its_own_kind_only():
    """Another kind's ranker lacks the settings; a blend of others has other members."""
    train = random_sequences(0)
    popular = Popularity().fit(train, train, 0, silent)
    with pytest.raises(DataError, match=r"number 'lags' was expected\. 'popularity' has"):
        Markov().settled(popular)
    with pytest.raises(DataError, match="'popularity'"):
        Blend().settled(popular)
    blend = Blend(members=(OwnFrequency(),)).fit(train, train, 0, silent)
    with pytest.raises(DataError, match="'own-frequency'"):
        Blend(members=(Markov(),)).settled(blend)
