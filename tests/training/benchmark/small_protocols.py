"""Protocols of a moment, for tests of the command: one that measures, one that fails, one that lacks its data."""

import os
import sys
from pathlib import Path

from storekeeper_training.benchmark import Figure, Outcome, Protocol
from storekeeper_training.benchmark.protocol import Tell

RUNS_FILE = "runs.txt"


def measure(folder: Path, seed: int, tell: Tell) -> Outcome:
    """Two models; each run leaves a line with its process beside the data."""
    tell("counting")
    with (folder / RUNS_FILE).open("a", encoding="utf-8") as runs:
        runs.write(f"{os.getpid()}\n")
    figures = (
        Figure("xgboost", "auc", 0.8, 0.75, 0.85, reference=0.7, source="a paper", target=0.78),
        Figure("logistic", "log_loss", 0.5, target=0.4, better="smaller"),
    )
    return Outcome(figures, "xgboost", {"train": 10, "test": seed}, {"xgboost": 1.5}, 0.0, ("tried depth 3 and 4",))


def fail(folder: Path, seed: int, tell: Tell) -> Outcome:
    """Ends the process as a crash does."""
    sys.stderr.write("the tree fell over\n")
    raise SystemExit(3)


def protocol(name: str, run: object = measure, data: str = "cdnow", packages: tuple[str, ...] = ()) -> Protocol:
    """A protocol that differs in what it does or needs."""
    return Protocol(name, "churn", data, ("master.parquet",), f"Small {name}", "none", run, packages)  # type: ignore[arg-type]


PROTOCOLS = (
    protocol("small"),
    protocol("failing", fail),
    protocol("lacking-data", data="heart_disease"),
    protocol("lacking-package", packages=("no_such_package",)),
)
