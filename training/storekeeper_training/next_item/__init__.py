"""Next-item prediction: from histories to a ranking of the whole catalogue."""

from storekeeper_training.next_item.catalogue import Catalogue, fit_catalogue
from storekeeper_training.next_item.load import load_ranker
from storekeeper_training.next_item.model import FittedRanker, NextItemModel
from storekeeper_training.next_item.ranking import evaluate_ranker
from storekeeper_training.next_item.sequences import HISTORY_LENGTH, Sequences, build_sequences

__all__ = [
    "HISTORY_LENGTH",
    "Catalogue",
    "FittedRanker",
    "NextItemModel",
    "Sequences",
    "build_sequences",
    "evaluate_ranker",
    "fit_catalogue",
    "load_ranker",
]
