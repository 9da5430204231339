"""Which backend a configuration opens, and what is told when it can't."""

import subprocess
import sys
from pathlib import Path

import pytest

from storekeeper.errors import SettingError
from storekeeper.online.backends import SQLiteBackend
from storekeeper.online.backends.opening import BackendChoice, BackendKind, open_backend
from storekeeper.online.backends.postgres import PostgresBackend

PATH = Path("data") / "online.db"


def test_each_kind_has_its_backend() -> None:
    """SQLite needs no variable; the servers' clients are asked for what their variables say."""
    env = {"STOREKEEPER_POSTGRES_URL": "postgresql://db/shop", "OWN": "postgresql://own/shop"}
    sqlite = open_backend(BackendChoice("sqlite", PATH), {})
    assert isinstance(sqlite, SQLiteBackend)
    assert sqlite.path == PATH
    assert isinstance(open_backend(BackendChoice("postgres", PATH), env), PostgresBackend)
    assert isinstance(open_backend(BackendChoice("postgres", PATH, "OWN", schema="own"), env), PostgresBackend)
    with pytest.raises(SettingError, match="schema_name"):
        open_backend(BackendChoice("postgres", PATH, schema="not plain"), env)


@pytest.mark.parametrize(
    ("kind", "variable"), [("postgres", "STOREKEEPER_POSTGRES_URL"), ("redis", "STOREKEEPER_REDIS_URL")]
)
@pytest.mark.parametrize(
    "env", [{}, {"STOREKEEPER_POSTGRES_URL": "", "STOREKEEPER_REDIS_URL": ""}], ids=["none", "empty"]
)
def test_missing_variables_are_named(kind: BackendKind, variable: str, env: dict[str, str]) -> None:
    """The variable that holds the URL is named, the configured one or the kind's own."""
    with pytest.raises(SettingError, match=rf"backend is {kind}, but the variable {variable}.*url_env"):
        open_backend(BackendChoice(kind, PATH), env)
    with pytest.raises(SettingError, match="the variable OWN,"):
        open_backend(BackendChoice(kind, PATH, "OWN"), {variable: "redis://db"})


WITHOUT = """
import sys
from pathlib import Path
sys.modules[sys.argv[2]] = None
from storekeeper.errors import SettingError
from storekeeper.online.backends.opening import BackendChoice, open_backend
try:
    open_backend(BackendChoice(sys.argv[1], Path("online.db"), "URL"), {"URL": "x://db"})
except SettingError as error:
    print(error)
"""


@pytest.mark.parametrize(("kind", "package"), [("postgres", "psycopg"), ("redis", "redis")])
def test_missing_clients_are_named(kind: str, package: str) -> None:
    """Without a server's client, the error says what to install."""
    done = subprocess.run([sys.executable, "-c", WITHOUT, kind, package], capture_output=True, text=True, check=True)
    assert f"pip install 'storekeeper[{kind}]'" in done.stdout


def test_clients_are_imported_only_when_asked_for() -> None:
    """SQLite's users need neither."""
    program = (
        "import sys; from pathlib import Path; from storekeeper.online.backends.opening import *; "
        "open_backend(BackendChoice('sqlite', Path('online.db'))); "
        "print(sorted({'psycopg', 'redis', 'hiredis'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
