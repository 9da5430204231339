"""Bad input: one clear message on stderr, exit code 2, nothing written."""

import shutil
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest


def contents(home: Path) -> dict[str, bytes]:
    """Every file below a folder; of a SQLite file, its rows: Feast makes an empty registry when it opens one."""
    found = {str(path.relative_to(home)): _content(path) for path in sorted(home.rglob("*")) if _counts(path)}
    return {name: content for name, content in found.items() if content}


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".db-wal", ".db-shm"}


def _content(path: Path) -> bytes:
    if path.suffix != ".db":
        return path.read_bytes()
    connection = sqlite3.connect(path)
    try:
        rows = [line for line in connection.iterdump() if line.startswith("INSERT") and "feast_metadata" not in line]
        return "\n".join(rows).encode()
    finally:
        connection.close()


def refused(run: Any, home: Path, *arguments: str, code: int = 2, **variables: str) -> str:
    """The message of a command that must be refused."""
    before = contents(home)
    outcome = run(home, *arguments, **variables)
    assert outcome.code == code, outcome.out + outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    assert contents(home) == before
    return outcome.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("aply",), "No such command 'aply'"),
        (("apply", "--fast"), "No such option"),
        (("load",), "Missing argument"),
        (("dataset", "bild", "purchase"), "No such command"),
        (("train", "purchase", "--seed", "three"), "Invalid value for '--seed'"),
        (("load", "amazon"), "There is no loader 'amazon'. There are 'complete-journey'"),
        (("dataset", "build", "weather"), "There is no task 'weather'. Tasks: 'churn', 'click', 'next_item'"),
        (("train", "weather"), "There is no task 'weather'"),
        (("evaluate", "weather"), "There is no task 'weather'"),
        (("train", "purchase", "--model", "oracle"), "no model 'oracle'. Models: 'blend', 'dnn', 'dnn-reference'"),
        (("evaluate", "purchase", "--model", "oracle"), "There is no model 'oracle'"),
        (("evaluate", "purchase", "--model", "dnn-reference"), "Trained on it: 'logistic', 'rule', 'xgboost'"),
        (
            ("materialize", "--view", "customers"),
            "There is no feature view 'customers'. There are: 'behaviour_history'",
        ),
        (("materialize", "--until", "tomorrow"), "--until takes an instant"),
        (("materialize", "--until", "2019-01-01"), "2017-12-"),
        (("serve", "--port", "99999"), "99999"),
        (("serve", "--max-rows", "0"), "greater than or equal to 1"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_unknown_names(ready: Path, run: Any, arguments: tuple[str, ...], told: str) -> None:
    """An unknown command, option, loader, task, model, view or instant is refused with what exists."""
    assert told in " ".join(refused(run, ready, *arguments).split())


@pytest.mark.parametrize("arguments", [(), ("dataset",)])
def test_no_command_shows_help(ready: Path, run: Any, arguments: tuple[str, ...]) -> None:
    """Without a command the help is shown, and nothing is done."""
    outcome = run(ready, *arguments)
    assert outcome.code == 2
    assert "Usage:" in outcome.out + outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("load", "complete-journey"),
        ("apply",),
        ("materialize",),
        ("audit",),
        ("dataset", "build", "purchase"),
        ("train", "purchase"),
        ("evaluate", "purchase"),
        ("serve",),
        ("demo",),
    ],
    ids="-".join,
)
def test_outside_a_project(tmp_path: Path, run: Any, arguments: tuple[str, ...]) -> None:
    """Outside a project every command says what it looked for and how to name one."""
    message = refused(run, tmp_path, *arguments)
    assert "feature_repo/feature_store.yaml" in message
    assert "STOREKEEPER_HOME" in message


@pytest.mark.parametrize("arguments", [("apply",), ("audit",), ("demo",), ("load", "complete-journey")], ids="-".join)
def test_home_without_a_repo(tmp_path: Path, run: Any, arguments: tuple[str, ...]) -> None:
    """A --home that is no project is refused, and is not made."""
    message = refused(run, tmp_path, "--home", str(tmp_path / "nowhere"), *arguments)
    assert "nowhere" in message


def without(home: Path, *names: str) -> Path:
    """A project that lacks some of its data."""
    for name in names:
        path = home / "data" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return home


@pytest.mark.parametrize(
    ("missing", "arguments", "advice"),
    [
        (("registry.db",), ("dataset", "build", "purchase"), "storekeeper apply"),
        (("registry.db",), ("materialize",), "storekeeper apply"),
        (("registry.db",), ("audit",), "storekeeper apply"),
        (("registry.db",), ("serve", "--port", "0"), "storekeeper apply"),
        (("behaviour.duckdb",), ("apply",), "storekeeper load"),
        (("behaviour.duckdb",), ("dataset", "build", "purchase"), "storekeeper load"),
        (("behaviour.duckdb",), ("materialize", "--view", "customer_offers"), "storekeeper load"),
        (("shop.db",), ("apply",), "storekeeper load"),
        (("shop.db",), ("train", "purchase"), "storekeeper"),
        (("shop.db",), ("materialize", "--view", "customer_offers", "--force"), "storekeeper load"),
        (("datasets",), ("train", "purchase", "--model", "rule"), "storekeeper dataset build purchase"),
        (("datasets",), ("evaluate", "purchase"), "storekeeper dataset build purchase"),
        (("models",), ("evaluate", "purchase"), "storekeeper train purchase"),
        (("models",), ("serve", "--port", "0"), "storekeeper train purchase"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_step_is_missing(
    ready: Path, run: Any, missing: tuple[str, ...], arguments: tuple[str, ...], advice: str
) -> None:
    """A command whose forerunner was not run says which one to run."""
    assert advice in " ".join(refused(run, without(ready, *missing), *arguments).split())


DATABASE_COMMANDS = [("load", "complete-journey"), ("apply",), ("train", "purchase"), ("dataset", "build", "purchase")]


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("arguments", DATABASE_COMMANDS, ids="-".join)
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql", "oracle+nonsense", "nonsense"])
def test_a_database_without_driver(ready: Path, run: Any, arguments: tuple[str, ...], driver: str) -> None:
    """A database whose dialect or driver isn't there is refused; the password stays hidden."""
    url = f"{driver}://anna:geheim@127.0.0.1:{closed_port()}/shop"
    message = refused(run, ready, *arguments, STOREKEEPER_DATABASE_URL=url)
    assert "geheim" not in message
    assert driver.split("+")[0] in message


@pytest.mark.parametrize("arguments", DATABASE_COMMANDS, ids="-".join)
def test_an_unreachable_database(ready: Path, run: Any, arguments: tuple[str, ...]) -> None:
    """A database file that can't be made or opened is refused by name."""
    message = refused(run, ready, *arguments, STOREKEEPER_DATABASE_URL="sqlite:////proc/nowhere/shop.db")
    assert "/proc/nowhere/shop.db" in message


@pytest.mark.parametrize("arguments", DATABASE_COMMANDS, ids="-".join)
def test_a_malformed_database_url(ready: Path, run: Any, arguments: tuple[str, ...]) -> None:
    """A URL that is none is refused without being repeated: it may hold a password."""
    message = refused(run, ready, *arguments, STOREKEEPER_DATABASE_URL="anna:geheim@host")
    assert "geheim" not in message
    assert "STOREKEEPER_DATABASE_URL" in message


@pytest.mark.parametrize("bad", ["truncated", "no DuckDB file"])
@pytest.mark.parametrize(
    "arguments", [("apply",), ("dataset", "build", "purchase"), ("materialize", "--force"), ("audit", "--views")]
)
def test_a_broken_behaviour_log(ready: Path, run: Any, bad: str, arguments: tuple[str, ...]) -> None:
    """A behaviour log that is cut off or is something else is refused by its name, with what to do."""
    path = ready / "data" / "behaviour.duckdb"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3] if bad == "truncated" else b"not a database" * 1000)
    message = refused(run, ready, *arguments)
    assert "behaviour.duckdb" in message
    assert "load" in message.lower()


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("customer_views.py", '"amount_cents"', '"amount_pence"', ("amount_pence", "amount_cents", "purchase_log")),
        ("sources.py", "data/behaviour.duckdb", "data/behavior.duckdb", ("behavior.duckdb",)),
        ("sources.py", 'table="customers"', 'table="clients"', ("clients", "customers")),
        ("sources.py", "FROM events", "FROM evnts", ("evnts", "events")),
        ("customer_views.py", "from sources import", "from source import", ("source",)),
        ("customer_views.py", "import", "imp0rt", ("customer_views.py",)),
        ("services.py", "customer_profile,", "customer_profil,", ("customer_profil",)),
    ],
)
def test_a_wrong_feature_repo(ready: Path, run: Any, file: str, old: str, new: str, told: tuple[str, ...]) -> None:
    """Declarations that can't be are refused with what is wrong and what exists; the registry stays as it was."""
    path = ready / "feature_repo" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    message = refused(run, ready, "apply")
    assert all(word in message for word in told), message


def test_a_wrong_configuration(ready: Path, run: Any) -> None:
    """A feature_store.yaml that can't be read is refused by name."""
    path = ready / "feature_repo" / "feature_store.yaml"
    path.write_text("project: [")
    assert "feature_store.yaml" in refused(run, ready, "apply")


def test_a_wrong_clock(ready: Path, run: Any) -> None:
    """A clock that is none is refused with what it may be."""
    assert "STOREKEEPER_CLOCK" in refused(run, ready, "materialize", STOREKEEPER_CLOCK="yesterday")


def test_a_damaged_served_log(ready: Path, run: Any) -> None:
    """A file of the served log that is not whole is named; it is not taken for proof."""
    path = ready / "data" / "served" / "purchase" / "0" / "x.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1")
    assert "x.parquet" in refused(run, ready, "audit")
