"""From a view's source to its online state: all of it, or what has changed since the last time."""

from storekeeper.materialise.fingerprints import Fingerprints
from storekeeper.materialise.outcome import Outcome
from storekeeper.materialise.run import Run, materialise
from storekeeper.materialise.writing import Goal, write_state

__all__ = ["Fingerprints", "Goal", "Outcome", "Run", "materialise", "write_state"]
