"""What was served in a replay, and where it is not what training sees."""

import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa


@dataclass
class Answers:
    """What was served: who asked when, and every feature under the name `view__feature`."""

    spines: list[pd.DataFrame] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)

    def add(self, spine: pd.DataFrame, table: pa.Table) -> None:
        """Keep the answers to one request."""
        self.spines.append(spine)
        self.tables.append(table)

    @property
    def spine(self) -> pd.DataFrame:
        """All requests."""
        return pd.concat(self.spines, ignore_index=True)

    @property
    def table(self) -> pa.Table:
        """All answers."""
        return pa.concat_tables(self.tables)


def differences(spine: pd.DataFrame, served: dict[str, list[Any]], trained: dict[str, list[Any]]) -> list[Any]:
    """Which feature, who asked when, what was served and what training sees."""
    return [
        (name, *spine.iloc[row].tolist(), ours, theirs)
        for name in trained
        for row, (ours, theirs) in enumerate(zip(served[name], trained[name], strict=True))
        if not _is_same(ours, theirs)
    ]


def _is_same(ours: Any, theirs: Any) -> bool:
    """Floats to nine digits (rule 10), all else exactly."""
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_is_same, ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)
    return type(ours) is type(theirs) and bool(ours == theirs)
