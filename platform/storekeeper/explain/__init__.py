"""Why a model predicted what it did: its inputs' contributions, which sum to its margin; no training library needed."""

from storekeeper.explain.background import Background, read_background
from storekeeper.explain.explainer import Explainer, load_explainer
from storekeeper.explain.explanations import Contribution, Explanations

__all__ = [
    "Background",
    "Contribution",
    "Explainer",
    "Explanations",
    "load_explainer",
    "read_background",
]
