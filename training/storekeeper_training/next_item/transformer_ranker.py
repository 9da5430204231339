"""A trained Transformer, run by ONNX Runtime."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from storekeeper.errors import DataError, NotFoundError, UsageError
from storekeeper_training.models.model import Parameters
from storekeeper_training.next_item.catalogue import Catalogue
from storekeeper_training.next_item.folder import read_array, read_card, read_catalogue, write_ranker
from storekeeper_training.next_item.model import Scores, check_catalogue
from storekeeper_training.next_item.ragged import Ragged
from storekeeper_training.next_item.sequences import Sequences
from storekeeper_training.next_item.transformer_tokens import history_tokens, length_batches, padded

ONNX_FILE = "model.onnx"

# Attention of so many rows, 2 blocks, 2 heads and 50 places is 20 MB.
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class TransformerRanker:
    """Scores after the last token, and the attention that led to them.

    Attributes
    ----------
    catalogue
        The items.
    network
        The ONNX file's bytes: tokens to scores and attention.
    length
        How many tokens it reads: the last items, and the start where there is room.
    parameters
        Its settings.
    """

    catalogue: Catalogue
    network: bytes
    length: int
    parameters: Parameters

    kind: ClassVar[str] = "transformer"

    def scores(self, sequences: Sequences) -> Scores:
        """Log chances but for a constant a row, where it was trained by the full softmax."""
        check_catalogue(self.catalogue, sequences)
        scores = np.empty((len(sequences), len(self.catalogue)), dtype=np.float32)
        for rows in length_batches(sequences.history, _ROWS_AT_ONCE):
            scores[rows] = self._run(sequences.take(rows))[0]
        return scores

    def attention(self, sequences: Sequences) -> tuple[Ragged, npt.NDArray[np.float32]]:
        """How much each item of the histories was looked at.

        Returns
        -------
        items
            The items that are read, oldest first.
        weights
            `(n_values,) float32`, one for each of their values. A row's sum is at most 1: the rest goes to the start.
        """
        check_catalogue(self.catalogue, sequences)
        tokens = history_tokens(sequences.history, len(self.catalogue), self.length)
        found = [np.empty(0, np.float32)]
        for place, batch in sequences.batches(_ROWS_AT_ONCE):
            part, weights = tokens.take(np.arange(place.start, place.stop)), self._run(batch)[1]
            found.append(weights[part.rows, weights.shape[1] - 1 - part.ages])
        items = tokens.values <= len(self.catalogue)
        kept = tokens.keep(items)
        return Ragged(kept.values - np.int32(1), kept.offsets), np.concatenate(found)[items]

    def save(self, folder: Path) -> None:
        """Write the network as ONNX."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ONNX_FILE).write_bytes(self.network)
        write_ranker(folder, self.kind, self.catalogue, self.parameters, {"length": np.array(self.length)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        path = folder / ONNX_FILE
        if not path.is_file():
            raise NotFoundError(f"No {ONNX_FILE} in '{folder}'. Train the model again.")
        length = int(read_array(folder, "length"))
        ranker = cls(read_catalogue(folder), path.read_bytes(), length, read_card(folder).parameters)
        _ = ranker._session
        return ranker

    def _run(self, batch: Sequences) -> tuple[Scores, npt.NDArray[np.float32]]:
        tokens = padded(history_tokens(batch.history, len(self.catalogue), self.length))
        scores, attention = self._session.run(None, {self._session.get_inputs()[0].name: tokens})
        return scores, attention

    @cached_property
    def _session(self) -> Any:
        """A session on one thread, as where it is served."""
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise UsageError(
                "A Transformer needs the package 'onnxruntime', which is not installed. "
                "Install it: pip install 'storekeeper[serve]'."
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            return onnxruntime.InferenceSession(self.network, options, providers=["CPUExecutionProvider"])
        except (RuntimeError, onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf) as error:
            raise DataError(f"The Transformer's {ONNX_FILE} can't be read by ONNX Runtime: train it again.") from error
