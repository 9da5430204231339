"""One entity's state in plain Python: for a handful of entities NumPy's calls take longer than their numbers do."""

from storekeeper.history.state.single.columns import RowColumns
from storekeeper.history.state.single.reader import SingleReader

__all__ = ["RowColumns", "SingleReader"]
