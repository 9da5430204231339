"""The shop: its canonical schema, the cleaning of what comes in, and loaders for real shops."""

from storekeeper.shop.loaders import LOADERS, Loader, find_loader
from storekeeper.shop.report import LoadReport, Progress, no_progress

__all__ = ["LOADERS", "LoadReport", "Loader", "Progress", "find_loader", "no_progress"]
