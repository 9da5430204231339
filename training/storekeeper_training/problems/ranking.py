"""Rankings: labels are lists of the items that came next, predictions an order of the whole catalogue."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError
from storekeeper_training.problems.problem import Figures, Labels, Metric, Problem
from storekeeper_training.tasks import Kind

_METRICS = (
    Metric("NDCG@10", "ndcg_at_10", inf, "NDCG"),
    Metric("HR@10", "hr_at_10", inf, "HR"),
    Metric("recall@20", "recall_at_20", inf, "rec@20"),
    Metric("MRR", "mrr", inf, "MRR"),
    Metric("in catalogue", "reachable", inf, "reach"),
)


@dataclass(frozen=True)
class RankingProblem(Problem):
    """Which items come next. Models are trained and measured by `next_item.pipeline`."""

    kind: ClassVar[Kind] = "ranking"
    metrics: ClassVar[tuple[Metric, ...]] = _METRICS
    note: ClassVar[str] = (
        "On the test period, each row against the whole catalogue; ties count against the model. HR@10: rows of which "
        "an item is among the first ten. NDCG@10: the gain of those ten places, over the best that could be had. "
        "Items outside the catalogue, which training rows fixed, can't be reached and count as misses."
    )
    terminal_note: ClassVar[str] = "The whole catalogue is ranked; reach: the share of next items that it holds."
    label_word: ClassVar[str] = "next items a row"
    # Labels are lists: no single number can copy them, and models read the history alone.
    idle_lints: ClassVar[tuple[str, ...]] = ("label-among-features", "implausible-feature")

    def check_labels(self, labels: pa.ChunkedArray, place: str) -> None:
        """Labels are lists of whole numbers, none of them empty."""
        if not (pa.types.is_list(labels.type) and pa.types.is_integer(labels.type.value_type)):
            raise DataError(f"Labels in '{place}' must be lists of item ids, list<int64>. Found: {labels.type}.")
        empty = pc.sum(pc.equal(pc.list_value_length(labels), 0)).as_py()
        if empty:
            raise DataError(f"Labels in '{place}' must hold an item at least. {empty:,} rows hold none.")

    def read_labels(self, labels: pa.ChunkedArray) -> Labels:
        """How many items came next, `(n,) int64`; which ones, the pipeline reads itself."""
        return np.asarray(pc.list_value_length(labels).to_numpy()).astype(np.int64)

    def count_labels(self, labels: Labels) -> dict[str, float]:
        """How many items came next in all."""
        return {"items": float(labels.sum())}

    def describe_labels(self, labels: Labels) -> str:
        """The mean number of next items."""
        return f"{labels.mean():,.2f}"

    def tell(self, figures: Figures) -> str:
        """NDCG@10 and HR@10."""
        found = figures.as_dict()
        return f"NDCG@10 {found['ndcg_at_10']:.4f}, HR@10 {found['hr_at_10']:.4f}"

    def tiles(self, figures: Figures) -> list[tuple[str, str]]:
        """NDCG@10, HR@10, and what can be reached."""
        found = figures.as_dict()
        return [
            (f"{found['ndcg_at_10']:.4f}", "NDCG@10 on the test period"),
            (f"{found['hr_at_10']:.1%}", "of the rows have a next item among the first ten"),
            (f"{found['reachable']:.1%}", "of the next items are in the catalogue"),
        ]
