"""A made-up shop of any size: everything that happens in it follows from a seed, and every chance is known."""

from storekeeper.shop.simulator.loading import load_simulated
from storekeeper.shop.simulator.options import SimulationOptions
from storekeeper.shop.simulator.truth import DECISIONS, best_auc, expected_auc, outcomes

__all__ = ["DECISIONS", "SimulationOptions", "best_auc", "expected_auc", "load_simulated", "outcomes"]
