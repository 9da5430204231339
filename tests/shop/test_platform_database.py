"""The platform's database: migrations up and down, and errors that name it without its password."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from storekeeper import database
from storekeeper.errors import SettingError, SourceError
from storekeeper.ledger.models import LedgerBase
from storekeeper.shop.models import ShopBase

ROOT = Path(__file__).resolve().parents[2]
SHOP = {"customers", "products", "campaigns", "offers"}
LEDGER = {"ledger_loads", "ledger_datasets", "ledger_materialisations", "ledger_model_runs"}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/data/shop.db"


def table_names(url: str) -> set[str]:
    with database.connect(url) as connection:
        return set(inspect(connection).get_table_names())


def test_upgrade_creates_all_tables_and_may_be_repeated(url: str) -> None:
    """An upgrade makes the file, its folder and every table; a second one changes nothing and keeps the rows."""
    database.upgrade(url)
    with database.connect(url) as connection:
        connection.execute(text("INSERT INTO offers VALUES (1, 2, 3)"))
    database.upgrade(url)
    with database.connect(url) as connection:
        assert connection.execute(text("SELECT * FROM offers")).all() == [(1, 2, 3)]
    assert table_names(url) == SHOP | LEDGER | {database.VERSION_TABLE}


def test_downgrade_removes_all_tables_and_can_come_back(url: str) -> None:
    """Down to the base leaves only the version table; up again works."""
    database.upgrade(url)
    database.downgrade(url)
    assert table_names(url) == {database.VERSION_TABLE}
    database.upgrade(url)
    assert table_names(url) >= SHOP | LEDGER


def test_migrations_make_what_the_models_declare(url: str) -> None:
    """Alembic finds no difference between the migrated database and the models of shop and ledger."""
    database.upgrade(url)
    with database.connect(url) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": database.VERSION_TABLE}
        )
        assert compare_metadata(context, [ShopBase.metadata, LedgerBase.metadata]) == []


def test_upgrade_is_silent(url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is printed and no logging handler or level is touched."""
    database.upgrade(url)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelname != "INFO"] == []


def test_upgrade_leaves_the_tables_of_others_alone(url: str, tmp_path: Path) -> None:
    """A database that holds other tables keeps them through upgrade and downgrade."""
    (tmp_path / "data").mkdir()
    with database.connect(url) as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text("CREATE TABLE theirs (n INTEGER)"))
    database.upgrade(url)
    database.downgrade(url)
    assert {"alembic_version", "theirs"} <= table_names(url)


def test_alembic_command_works_from_a_checkout(tmp_path: Path) -> None:
    """`alembic upgrade head` and `alembic check` take the URL from the settings and agree with the models."""
    (tmp_path / "feature_repo").mkdir()
    (tmp_path / "feature_repo" / "feature_store.yaml").touch()
    env = {"PATH": "/usr/bin:/bin", "STOREKEEPER_HOME": str(tmp_path), "PYTHONWARNINGS": "error"}
    for command in (["upgrade", "head"], ["check"]):
        run = subprocess.run(
            [sys.executable, "-m", "alembic", *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
    assert table_names(f"sqlite:///{tmp_path}/data/shop.db") >= SHOP | LEDGER


def test_migrations_render_for_postgresql(tmp_path: Path) -> None:
    """The same scripts give PostgreSQL's types: BIGINT, TIMESTAMP WITHOUT TIME ZONE, JSON."""
    env = {"PATH": "/usr/bin:/bin", "STOREKEEPER_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "alembic", "-x", "dialect=postgresql", "upgrade", "head", "--sql"]
    sql = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout
    assert "customer_id BIGINT NOT NULL" in sql
    assert "updated_at TIMESTAMP WITHOUT TIME ZONE NOT NULL" in sql
    assert "metrics JSON NOT NULL" in sql
    assert not (tmp_path / "data").exists()


def test_migrations_are_found_in_a_wheel_and_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts inside the package win; else those at the root; with neither the error names both places."""
    module = tmp_path / "platform" / "storekeeper" / "database.py"
    monkeypatch.setattr(database, "__file__", str(module))
    with pytest.raises(SourceError, match=r"storekeeper/migrations or .*/migrations.*Reinstall"):
        database.migrations_folder()
    for folder in (tmp_path / "migrations", module.parent / "migrations"):
        folder.mkdir(parents=True)
        (folder / "env.py").touch()
        assert database.migrations_folder() == folder


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """A SQLite path through a file names the database and the variable to set."""
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(SourceError, match=r"shop.db can't be used.*STOREKEEPER_DATABASE_URL"):
        database.upgrade(f"sqlite:///{tmp_path}/data/shop.db")


def test_a_broken_sqlite_file_is_a_clear_error(tmp_path: Path) -> None:
    """A file that is no database is refused and left as it was."""
    path = tmp_path / "shop.db"
    path.write_bytes(b"not a database, for sure" * 100)
    with pytest.raises(SourceError, match="file is not a database"):
        database.upgrade(f"sqlite:///{path}")
    assert path.read_bytes() == b"not a database, for sure" * 100


@pytest.mark.parametrize(
    ("url", "error", "told"),
    [
        ("nonsense", SettingError, "can't be read"),
        ("postgresql+nosuch://anna:geheim@db/shop", SettingError, "no dialect 'postgresql.nosuch'"),
        (
            "mssql+pymssql://anna:geheim@db/shop",
            SettingError,
            r"anna:\*\*\*@db/shop needs .* 'pymssql'",
        ),
    ],
)
def test_an_impossible_url_is_a_clear_error(url: str, error: type[Exception], told: str) -> None:
    """The message says what is wrong and which variable to set, and never the password."""
    with pytest.raises(error, match=told) as raised:
        database.upgrade(url)
    assert "STOREKEEPER_DATABASE_URL" in str(raised.value)
    assert "geheim" not in str(raised.value)


def test_an_unreachable_database_is_named_without_its_password() -> None:
    """What a driver says about a lost server is passed on with the password struck out, and no chained traceback."""
    url = "postgresql://anna:geheim@db/shop?password=auch"
    with pytest.raises(SourceError) as raised, database.database_errors(url):
        raise OSError("connection failed:\n host db password=geheim\n or auch")
    assert raised.value.__cause__ is None
    assert str(raised.value) == (
        "The database postgresql://anna:***@db/shop can't be used: connection failed: host db password=*** or ***. "
        "Check that it is there and running, and that STOREKEEPER_DATABASE_URL names the right one."
    )
