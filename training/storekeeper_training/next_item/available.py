"""The next-item models that a training run can name."""

from storekeeper_training.next_item.blend import Blend
from storekeeper_training.next_item.ease import Ease
from storekeeper_training.next_item.markov import Markov
from storekeeper_training.next_item.model import NextItemModel
from storekeeper_training.next_item.own_frequency import OwnFrequency
from storekeeper_training.next_item.popularity import Popularity
from storekeeper_training.next_item.session_knn import SessionKnn
from storekeeper_training.next_item.transformer import Transformer

#: Trained where none is named: those that count, in about a minute on a year of groceries, and their mixture.
DEFAULT_RANKERS = ("popularity", "own-frequency", "markov", "session-knn", "ease", "blend")


def rankers() -> dict[str, NextItemModel]:
    """Every model by its name, with few settings to choose from, so that a shop's catalogue is ranked in minutes.

    The blend mixes models that count; the Transformer is asked for by name.
    """
    own, markov, ease = OwnFrequency(), Markov(lags=(1, 10)), Ease(regularisations=(200.0,), decays=(1.0, 0.9))
    neighbours = SessionKnn(neighbours=(100,), decays=(1.0,), rare_items_count=(True,))
    blend = Blend((own, markov, ease), steps=5)
    return {model.name: model for model in (Popularity(), own, markov, neighbours, ease, Transformer(), blend)}
