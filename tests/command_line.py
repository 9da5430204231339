"""The command line, run in this process through the real entry point."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

QUICK_MODELS = ("rule", "logistic", "xgboost")


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Its stdout without line breaks, which depend on the terminal's width."""
        return " ".join(self.out.split())

    @property
    def document(self) -> Any:
        """Its stdout as one JSON document."""
        return json.loads(self.out)

    def done(self) -> "Outcome":
        """The outcome itself, of a command that must have succeeded."""
        assert self.code == 0, self.err or self.out
        return self


def run_here(home: Path, arguments: Sequence[str], patch: pytest.MonkeyPatch) -> int:
    """Run a command at a project's root; returns its exit code."""
    from storekeeper.cli import main
    from storekeeper.settings import HOME_VARIABLE

    patch.chdir(home)
    # The command line sets this variable for `--home`; so it is put back at the end.
    patch.setenv(HOME_VARIABLE, "")
    patch.setattr(sys, "argv", ["storekeeper", *arguments])
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def make_ready(home: Path) -> None:
    """Build, train and materialise in a project whose features are applied."""
    models = [option for model in QUICK_MODELS for option in ("--model", model)]
    with pytest.MonkeyPatch.context() as patch:
        for command in (["dataset", "build", "purchase"], ["train", "purchase", *models], ["materialize"]):
            assert run_here(home, command, patch) == 0
