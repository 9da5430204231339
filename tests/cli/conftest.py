"""The command line run in this process, and a small shop that is ready for every command."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from projects import Project
from storekeeper.cli import main
from storekeeper.settings import HOME_VARIABLE

QUICK_MODELS = ("rule", "logistic", "xgboost")


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its stdout as one JSON document."""
        return json.loads(self.out)

    def done(self) -> "Outcome":
        """The outcome itself, of a command that must have succeeded."""
        assert self.code == 0, self.err or self.out
        return self


Run = Callable[..., Outcome]


def run_here(home: Path, arguments: Sequence[str], patch: pytest.MonkeyPatch) -> int:
    """Run a command in this process at a project's root, through the real entry point; returns its exit code."""
    patch.chdir(home)
    # The command line sets this variable for `--home`; so it is put back at the end.
    patch.setenv(HOME_VARIABLE, "")
    patch.setenv("COLUMNS", "200")
    patch.setattr(sys, "argv", ["storekeeper", *arguments])
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """`run(home, "audit", "--json", **variables)` gives an `Outcome`."""

    def call(home: Path, *arguments: str, **variables: str) -> Outcome:
        capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            code = run_here(home, arguments, patch)
        return Outcome(code, *capfd.readouterr())

    return call


@pytest.fixture(scope="session")
def _applied(shop_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic shop, applied. Every test takes a copy."""
    home = tmp_path_factory.mktemp("applied") / "shop"
    shutil.copytree(shop_project.root, home)
    with pytest.MonkeyPatch.context() as patch:
        assert run_here(home, ["apply"], patch) == 0
    return home


@pytest.fixture(scope="session")
def _ready(_applied: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic shop with a training set, three models and online state. Every test takes a copy."""
    home = tmp_path_factory.mktemp("ready") / "shop"
    shutil.copytree(_applied, home)
    models = [option for model in QUICK_MODELS for option in ("--model", model)]
    with pytest.MonkeyPatch.context() as patch:
        for command in (["dataset", "build", "purchase"], ["train", "purchase", *models], ["materialize"]):
            assert run_here(home, command, patch) == 0
    return home


@pytest.fixture
def ready(_ready: Path, tmp_path: Path) -> Path:
    """The home of a shop that is ready for every command; the test's own."""
    shutil.copytree(_ready, tmp_path / "ready")
    return tmp_path / "ready"


@pytest.fixture
def shop(_applied: Path, tmp_path: Path) -> Path:
    """The home of a synthetic shop that is loaded and applied; the test's own."""
    shutil.copytree(_applied, tmp_path / "shop")
    return tmp_path / "shop"
