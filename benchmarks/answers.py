"""Whether two contenders gave the same answer."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

# Running sums over a whole history lose what their size costs: money to a hundredth of a cent is the same answer.
RELATIVE = 1e-9
ABSOLUTE = 1e-6


def difference(answer: Path, reference: Path, columns: tuple[str, ...]) -> str | None:
    """What differs first between two results, rows matched by `row_id`; None if they agree on all columns."""
    ours, theirs = (_ordered(path, columns) for path in (answer, reference))
    for name in ("row_id", *columns):
        left, right = ours[name], theirs[name]
        if len(left) != len(right):
            return f"{len(left)} rows instead of {len(right)}"
        wrong = ~np.isclose(left, right, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        if wrong.any():
            row = int(np.argmax(wrong))
            return f"{name} differs in {int(wrong.sum())} rows: {left[row]} instead of {right[row]}"
    return None


def _ordered(path: Path, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    table = pq.read_table(path, columns=["row_id", *columns])
    order = np.argsort(table["row_id"].to_numpy(), kind="stable")
    # Data and answers hold no NaN of their own, so a NaN stands for a null.
    return {
        name: np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=float)[order] for name in table.column_names
    }
