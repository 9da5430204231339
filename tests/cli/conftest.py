"""The command line run in this process, on shops of a test's own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import Outcome, run_here

Run = Callable[..., Outcome]


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


@pytest.fixture
def ready(ready_home: Path, tmp_path: Path) -> Path:
    """The home of a shop that is ready for every command; the test's own."""
    shutil.copytree(ready_home, tmp_path / "ready")
    return tmp_path / "ready"


@pytest.fixture
def shop(applied_home: Path, tmp_path: Path) -> Path:
    """The home of a synthetic shop that is loaded and applied; the test's own."""
    shutil.copytree(applied_home, tmp_path / "shop")
    return tmp_path / "shop"
