"""The kernel: every feature, offline and online, is a function of an interval of one entity's sorted history."""

from storekeeper.history.as_of import as_of
from storekeeper.history.features import FUNCTIONS, WindowFeature
from storekeeper.history.windowed import windowed

__all__ = ["FUNCTIONS", "WindowFeature", "as_of", "windowed"]
