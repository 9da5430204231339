"""Storekeeper: one declaration, one kernel, one truth for a shop's features."""

__version__ = "0.1.0"
