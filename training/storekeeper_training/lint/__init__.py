"""Leaks: what a training set must not know, looked for before anything is trained on it."""

from storekeeper_training.lint.evidence import Declared, Evidence
from storekeeper_training.lint.finding import Finding, Limits, LintReport
from storekeeper_training.lint.run import LINTS, check_names, refuse, run_lints

__all__ = ["LINTS", "Declared", "Evidence", "Finding", "Limits", "LintReport", "check_names", "refuse", "run_lints"]
