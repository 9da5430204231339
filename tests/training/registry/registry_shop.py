"""A project with small verified artefacts, and definitions that a test sets itself: no feature store is opened."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from storekeeper.artefact import FORMAT_VERSION, Artefact, Column, Encoder, InputColumn, Manifest, NumericColumn
from storekeeper.artefact import write_artefact as write
from storekeeper.artefact.formulas import LinearFormula
from storekeeper.clock import Clock
from storekeeper.errors import NotFoundError
from storekeeper.settings import Settings
from storekeeper_training.registry.promotion import promote, roll_back

START = datetime(2018, 1, 1, tzinfo=UTC)
IN_FORCE = "d" * 64


def passes(_: Path) -> None:
    """A check that the saved model holds."""


@dataclass
class RegistryShop:
    """Artefacts of one task, and what the registry says of its feature service."""

    settings: Settings
    services: dict[str, str] = field(default_factory=lambda: {"purchase": IN_FORCE})
    changes: int = 0

    def definitions(self, service: str) -> str:
        """The hash in force."""
        if service not in self.services:
            raise NotFoundError(f"There is no feature service '{service}'.")
        return self.services[service]

    def write(self, model: str, *, check: Callable[[Path], None] | None = passes, **changes: Any) -> Artefact:
        """Add a version of a model, with changes to its manifest."""
        return write(self.settings.models_dir, replace(MANIFEST, model=model, **changes), fill_logistic, check)

    def now(self) -> datetime:
        """A second after the last time."""
        self.changes += 1
        return START + timedelta(seconds=self.changes)

    def promote(self, artefact: Artefact, **options: Any) -> tuple[str, int]:
        """Promote; returns the champion."""
        return promote(self.settings, self.definitions, artefact, self.now(), **options).champion.place

    def roll_back(self, **options: Any) -> tuple[str, int]:
        """Roll back; returns the champion."""
        return roll_back(self.settings, self.definitions, "purchase", self.now(), **options).champion.place


def make_registry_shop(home: Path) -> RegistryShop:
    """An empty project."""
    return RegistryShop(Settings(home, f"sqlite:///{home}/data/shop.db", Clock(fixed=START)))


def fill_logistic(folder: Path) -> None:
    """The encoder and weights of `sigmoid(2 x - 1)`."""
    Encoder((NumericColumn("x", "standard"),)).write(folder)
    LinearFormula((2.0,), -1.0).write(folder)


MANIFEST = Manifest(
    format_version=FORMAT_VERSION,
    task="purchase",
    model="logistic",
    version=1,
    runtime="logistic",
    feature_service="purchase",
    definition_hash=IN_FORCE,
    dataset_hash="a" * 64,
    code_hash="c" * 64,
    inputs=(InputColumn("x", "double", "feature"),),
    entity_keys=(Column("customer_id", "int64"),),
    request_columns=(),
    threshold=0.25,
    selection_metric="auc",
    metrics={"validation": {"auc": 0.75, "log_loss": 0.5}, "test": {"auc": 0.5, "log_loss": None}},
    created_at=START,
    seed=3,
    fit_seconds=1.5,
    peak_memory_mb=100.0,
    parameters={"inverse_penalty": 1.0, "warm": True, "note": None},
    packages={"numpy": "2.0"},
)
