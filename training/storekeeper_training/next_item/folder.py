"""A ranker's folder: data only. `ranker.json` says what it is; arrays are `.npy` files, never pickles."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from storekeeper.artefact.document import read_document, write_document
from storekeeper.errors import DataError, NotFoundError, listing
from storekeeper_training.models.model import Parameters
from storekeeper_training.next_item.catalogue import Catalogue

RANKER_FILE = "ranker.json"
_ITEMS = "items"
_FORMAT = 1

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class RankerCard:
    """What a folder holds.

    Attributes
    ----------
    kind
        Which ranker reads it.
    format
        The version of the layout.
    parameters
        The ranker's settings.
    """

    kind: str
    format: int
    parameters: dict[str, str | float | int | bool | None]


def write_ranker(folder: Path, kind: str, catalogue: Catalogue, parameters: Parameters, arrays: Arrays) -> None:
    """Write the card, the catalogue and arrays by name, the card last: a folder with a card is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in {**arrays, _ITEMS: catalogue.items}.items():
        np.save(folder / f"{name}.npy", values, allow_pickle=False)
    write_document(folder / RANKER_FILE, RankerCard(kind, _FORMAT, dict(parameters)))


def read_card(folder: Path) -> RankerCard:
    """What the folder holds.

    Raises
    ------
    NotFoundError
        If there is no card.
    DataError
        If it is damaged, or of a format that this version doesn't read.
    """
    card = read_document(folder / RANKER_FILE, RankerCard)
    if card.format != _FORMAT:
        raise DataError(f"'{folder}' holds a ranker of format {card.format}; format {_FORMAT} is read. Train it again.")
    return card


def read_catalogue(folder: Path) -> Catalogue:
    """The catalogue of a ranker's folder."""
    return Catalogue(read_array(folder, _ITEMS))


def read_array(folder: Path, name: str) -> npt.NDArray[Any]:
    """An array of a ranker's folder.

    Raises
    ------
    NotFoundError
        If its file is missing; the message lists those there are.
    DataError
        If the file is damaged or holds pickled objects.
    """
    path = folder / f"{name}.npy"
    if not path.is_file():
        found = listing(entry.name for entry in folder.iterdir())
        raise NotFoundError(f"No {path.name} in '{folder}'. It holds: {found}. Train the model again.")
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is not an array of numbers ({error}): train the model again.") from error
    return array


def sparse_arrays(name: str, matrix: Any) -> dict[str, npt.NDArray[Any]]:
    """A CSR matrix as three arrays, for `write_ranker`."""
    return {f"{name}_{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}


def read_sparse(folder: Path, name: str, n_columns: int) -> Any:
    """The CSR matrix that `sparse_arrays` took apart."""
    data, indices, ends = (read_array(folder, f"{name}_{part}") for part in ("data", "indices", "indptr"))
    return sparse.csr_array((data, indices, ends), shape=(len(ends) - 1, n_columns))
