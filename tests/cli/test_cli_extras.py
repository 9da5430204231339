"""Commands without the packages of their extra."""

import sys
from pathlib import Path
from typing import Any

import pytest

from storekeeper.cli.extras import advise


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("sklearn", ("evaluate", "purchase"), "train"),
        ("matplotlib", ("train", "purchase", "--model", "rule"), "train"),
        ("uvicorn", ("serve", "--port", "0"), "serve"),
        ("fastapi", ("serve", "--port", "0"), "serve"),
    ],
)
def test_a_missing_extra_is_named(
    ready: Path, run: Any, monkeypatch: pytest.MonkeyPatch, package: str, command: tuple[str, ...], extra: str
) -> None:
    """One message says which packages are missing and which extra brings them: exit code 2, no traceback."""
    for name in [name for name in sys.modules if name.startswith(("storekeeper_serving.", "storekeeper_training."))]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    outcome = run(ready, *command)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"packages that are not installed: {package}" in " ".join(outcome.err.split())
    assert f"pip install 'storekeeper[{extra}]'" in outcome.err
    assert "Traceback" not in outcome.err


def test_other_missing_modules_are_faults() -> None:
    """A module that no extra brings is not the user's to mend: its error goes on."""
    assert advise(ModuleNotFoundError("No module named 'moon'", name="moon")) is None
    assert advise(ModuleNotFoundError("nothing")) is None
    assert "storekeeper[serve]" in str(advise(ModuleNotFoundError("no", name="uvicorn.config")))
