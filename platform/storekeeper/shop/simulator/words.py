"""Text columns as codes of a few words, so that they take little memory."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storekeeper.shop.simulator.draws import Integers


def spell(words: tuple[str, ...], code: Integers, hidden: npt.NDArray[np.bool_] | None = None) -> pa.DictionaryArray:
    """A text column with the word at each place; null where hidden, whatever the code is there."""
    return pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int16), mask=hidden), pa.array(words))
