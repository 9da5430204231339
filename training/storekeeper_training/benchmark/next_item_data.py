"""MovieLens-100k and Yoochoose as sequences."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from storekeeper_training.next_item import Catalogue, Sequences, build_sequences, fit_catalogue

MOVIELENS_FILE = "inter.parquet"
YOOCHOOSE_FILES = ("train_tr.parquet", "train_valid.parquet", "train_full.parquet", "test.parquet")

Lists = list[npt.NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Asked:
    """Rows that are ranked, and whose they are.

    Attributes
    ----------
    sequences
        One next item a row.
    groups
        `(n_rows,)`: the user or session, whose rows come and go together in a bootstrap.
    """

    sequences: Sequences
    groups: npt.NDArray[np.int64]


def movielens(folder: Path) -> tuple[Sequences, Sequences, Asked]:
    """Training, validation and test rows, one a user: the last item is the test, the one before it the validation.

    Ratings are in the order of their seconds, those of one second in that of the file. The catalogue is that of what
    comes before both; nothing repeats; histories are whole.
    """
    frame = pd.read_parquet(folder / MOVIELENS_FILE).rename(columns=lambda name: name.split(":")[0])
    ordered = frame.sort_values(["user_id", "timestamp"], kind="stable")
    users, rows = _lists(ordered, "user_id", "item_id")
    catalogue = fit_catalogue(*(row[:-2] for row in rows))

    def leaving_out(after: int) -> Sequences:
        ends = [len(row) - 1 - after for row in rows]
        histories = [row[:end] for row, end in zip(rows, ends, strict=True)]
        targets = [row[end : end + 1] for row, end in zip(rows, ends, strict=True)]
        return build_sequences(catalogue, histories, targets, limit=None, repeats=False)

    return leaving_out(2), leaving_out(1), Asked(leaving_out(0), users)


def yoochoose_sessions(folder: Path, file: str) -> Sequences:
    """Training rows, one a session: the last click is the target, and what comes before it the history."""
    frame = _clicks(folder, file)
    _, rows = _lists(frame, "SessionId", "ItemId")
    ends = frame.groupby("SessionId")["Time"].max().to_numpy()
    times = (ends * 1e6).astype("datetime64[us]")
    histories, targets = [row[:-1] for row in rows], [row[-1:] for row in rows]
    return build_sequences(fit_catalogue(frame["ItemId"].to_numpy()), histories, targets, times=times)


def yoochoose_positions(folder: Path, file: str, catalogue: Catalogue) -> Asked:
    """Rows to be ranked, one a click but the first of each session: the clicks before it predict it."""
    sessions, rows = _lists(_clicks(folder, file), "SessionId", "ItemId")
    places = [(row, place) for row in rows for place in range(1, len(row))]
    histories, targets = [row[:place] for row, place in places], [row[place : place + 1] for row, place in places]
    groups = np.repeat(sessions, [len(row) - 1 for row in rows])
    return Asked(build_sequences(catalogue, histories, targets), groups)


def _clicks(folder: Path, file: str) -> pd.DataFrame:
    return pd.read_parquet(folder / file).sort_values(["SessionId", "Time"], kind="stable")


def _lists(ordered: Any, group: str, item: str) -> tuple[npt.NDArray[np.int64], Lists]:
    """Groups, ascending, and their items in order."""
    groups, starts = np.unique(ordered[group].to_numpy(dtype=np.int64), return_index=True)
    return groups, np.split(ordered[item].to_numpy(dtype=np.int64), starts[1:])
