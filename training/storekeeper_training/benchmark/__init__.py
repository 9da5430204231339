"""Public data sets with published figures: our models held against them, by one command."""

from storekeeper_training.benchmark.protocol import Figure, Outcome, Protocol
from storekeeper_training.benchmark.public_data import PublicData, find_public_data

__all__ = ["Figure", "Outcome", "Protocol", "PublicData", "find_public_data"]
