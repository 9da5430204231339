"""`storekeeper load simulated` takes the simulator's options and refuses bad ones."""

import json
import sys
from collections.abc import Callable

import pytest

from projects import Project
from storekeeper.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`run("--days", "3")` loads in a project of its own and gives exit code, stdout and stderr."""

    def call(shop: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("STOREKEEPER_HOME", str(project.root))
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["storekeeper", "load", shop, *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return call


def test_the_command_simulates(run: Run) -> None:
    """Every option is taken, progress stays off stdout, and a second run finds the shop in place."""
    given = ("--customers", "60", "--days", "14", "--seed", "4", "--start", "2023-05-01", "--products", "120")
    code, out, _ = run("simulated", *given, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["source_fingerprint"].endswith("customers 60, days 14, seed 4, start 2023-05-01, products 120")
    assert report["events"]["impression"] > 0
    assert json.loads(run("simulated", *given, "--json")[1])["already_loaded"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("simulated", "--customers", "0"), "--customers of a simulated shop must be 1 to"),
        (("simulated", "--days", "-1"), "--days of a simulated shop must be 1 to"),
        (("simulated", "--days", "many"), "Invalid value for '--days'"),
        (("simulated", "--start", "2024-02-30"), "must be a date such as 2024-01-01. Received: '2024-02-30'"),
        (("complete-journey", "--seed", "1"), "The loader 'complete-journey' doesn't take '--seed'. It takes nothing"),
    ],
)
def test_bad_options_end_with_2(run: Run, project: Project, arguments: tuple[str, ...], told: str) -> None:
    """One message on stderr, and nothing is written."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert not list(project.root.rglob("*.duckdb"))
