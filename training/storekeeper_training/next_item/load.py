"""Read any ranker from its folder, without TensorFlow."""

from collections.abc import Callable, Mapping
from pathlib import Path

from storekeeper.errors import NotFoundError, listing
from storekeeper_training.next_item.blend import BlendRanker, load_blend
from storekeeper_training.next_item.ease import EaseRanker
from storekeeper_training.next_item.folder import read_card
from storekeeper_training.next_item.markov import MarkovRanker
from storekeeper_training.next_item.model import FittedRanker
from storekeeper_training.next_item.own_frequency import OwnFrequencyRanker
from storekeeper_training.next_item.popularity import PopularityRanker
from storekeeper_training.next_item.session_knn import SessionKnnRanker
from storekeeper_training.next_item.transformer_ranker import TransformerRanker

_LOADERS: Mapping[str, Callable[[Path], FittedRanker]] = {
    PopularityRanker.kind: PopularityRanker.load,
    OwnFrequencyRanker.kind: OwnFrequencyRanker.load,
    MarkovRanker.kind: MarkovRanker.load,
    SessionKnnRanker.kind: SessionKnnRanker.load,
    EaseRanker.kind: EaseRanker.load,
    TransformerRanker.kind: TransformerRanker.load,
    BlendRanker.kind: lambda folder: load_blend(folder, load_ranker),
}


def load_ranker(folder: Path) -> FittedRanker:
    """The ranker that `save` wrote into a folder.

    Raises
    ------
    NotFoundError
        If a file is missing or the kind is unknown; the message lists what there is.
    DataError
        If a file is damaged.
    UsageError
        If ONNX Runtime is needed and isn't installed.
    """
    kind = read_card(folder).kind
    if kind not in _LOADERS:
        raise NotFoundError(f"'{folder}' holds a ranker of kind '{kind}'. There are: {listing(_LOADERS)}.")
    return _LOADERS[kind](folder)
