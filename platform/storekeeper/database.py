"""The platform's SQL database: engines with clear errors, and the migrations that create its tables.

Any SQLAlchemy URL will do; SQLite is the default. No message ever shows the password of a URL.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, DateTime, Dialect, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.types import TypeDecorator

from storekeeper.errors import SettingError, SourceError
from storekeeper.settings import DATABASE_VARIABLE

if TYPE_CHECKING:
    from alembic.config import Config

NAMING = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
}
VERSION_TABLE = "storekeeper_version"


class UtcDateTime(TypeDecorator[datetime]):
    """A timestamp column without zone that holds UTC: aware values go in converted, all come out aware.

    Naive values mean UTC (rule 1 of the point-in-time semantics). Nulls stay null.
    """

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The value in UTC, without its zone."""
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None and value.tzinfo else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The value, aware."""
        return value.replace(tzinfo=UTC) if value is not None else None


def parse_url(url: str) -> URL:
    """A SQLAlchemy URL from text.

    Raises
    ------
    SettingError
        If it can't be read; the message does not repeat the text, which may hold a password.
    """
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise SettingError(
            "The database URL can't be read. Expected one such as 'sqlite:///data/shop.db' or "
            f"'postgresql+psycopg://user:password@host/shop'. Set {DATABASE_VARIABLE}."
        ) from None


def with_driver(url: URL) -> URL:
    """`postgresql://`, which leaves the driver open, with the one that Storekeeper is tested with, if it is there."""
    named = url.drivername != "postgresql" or find_spec("psycopg") is None
    return url if named else url.set(drivername="postgresql+psycopg")


def describe_url(url: str) -> str:
    """The URL as it may be shown: its password replaced by stars, its options left out, for they may hold another.

    >>> describe_url("postgresql://anna:geheim@db/shop?sslpassword=auch")
    'postgresql://anna:***@db/shop'
    """
    return parse_url(url).set(query={}).render_as_string(hide_password=True)


def open_engine(url: str) -> Engine:
    """An engine that opens a connection when asked and closes it after use; nothing is contacted yet.

    Raises
    ------
    SettingError
        If the URL can't be read, or names an unknown dialect or a driver that isn't installed.
    """
    parsed = with_driver(parse_url(url))
    try:
        return create_engine(parsed, poolclass=NullPool)
    except NoSuchModuleError:
        raise SettingError(
            f"SQLAlchemy knows no dialect '{parsed.drivername}'. Expected one such as 'sqlite' or "
            f"'postgresql+psycopg'. Set {DATABASE_VARIABLE}."
        ) from None
    except ModuleNotFoundError as error:
        raise SettingError(
            f"The database {describe_url(url)} needs the Python package '{error.name}', which is not installed. "
            f"Install it (PostgreSQL's: pip install 'storekeeper[postgres]'), or name another driver in "
            f"{DATABASE_VARIABLE}."
        ) from None


@contextmanager
def database_errors(url: str) -> Iterator[None]:
    """Turn a database's own errors into a `SourceError` that names the database but not its password.

    Broken constraints pass through: they are the caller's business.
    """
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise SourceError(_explain(url, str(error.orig))) from None
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(_explain(url, str(error))) from None


def _explain(url: str, problem: str) -> str:
    """What went wrong with a database, free of its password."""
    told = without_secrets(url, problem)
    if "no such column" in told or "no column named" in told or ("column" in told and "does not exist" in told):
        advice = "An earlier release made its tables. Bring them forward with `alembic upgrade head`."
    elif "no such table" in told or ("relation" in told and "does not exist" in told):
        advice = "Create the tables with `storekeeper load NAME` or `alembic upgrade head`."
    else:
        advice = f"Check that it is there and running, and that {DATABASE_VARIABLE} names the right one."
    return f"The database {describe_url(url)} can't be used: {told}. {advice}"


def without_secrets(url: str, problem: str) -> str:
    """A database's words on one line, the passwords of its URL replaced by stars."""
    parsed, told = parse_url(url), " ".join(problem.split())
    options = [value for name, values in parsed.normalized_query.items() if "password" in name for value in values]
    for secret in (parsed.password, *options):
        told = told.replace(str(secret), "***") if secret else told
    return told


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """A transaction: committed at the end, rolled back on any error.

    Raises
    ------
    SourceError
        If the database can't be reached or used.
    """
    engine = open_engine(url)
    with database_errors(url), engine.begin() as connection:
        yield connection


def migrations_folder() -> Path:
    """Where the migration scripts lie: inside the installed package, or at the root of a checkout.

    Raises
    ------
    SourceError
        If neither holds them: the installation is broken.
    """
    package = Path(__file__).resolve().parent
    candidates = (package / "migrations", package.parents[1] / "migrations")
    for folder in candidates:
        if (folder / "env.py").is_file():
            return folder
    raise SourceError(
        f"No migration scripts found: expected env.py in {' or '.join(f'{folder}' for folder in candidates)}. "
        "Reinstall storekeeper."
    )


def upgrade(url: str, revision: str = "head") -> None:
    """Create or bring up to date the shop's tables and the ledger's; a database that is current is left alone.

    A SQLite file and its folder are made when missing.

    Raises
    ------
    SourceError
        If the database can't be reached or used.
    SettingError
        If the URL can't be read or its driver is not installed.
    """
    from alembic import command

    make_database_folder(url)
    with connect(url) as connection:
        command.upgrade(_alembic_config(connection), revision)


def downgrade(url: str, revision: str = "base") -> None:
    """Take migrations back to a revision; `base` drops every table of the platform with what is in it.

    Raises
    ------
    SourceError
        If the database can't be reached or used.
    """
    from alembic import command

    with connect(url) as connection:
        command.downgrade(_alembic_config(connection), revision)


def _alembic_config(connection: Connection) -> "Config":
    """Alembic's settings for one open connection, without any file."""
    from alembic.config import Config

    config = Config()
    # Alembic reads options with `%` as an escape, which a folder's name may hold.
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def refuse_missing_file(url: str) -> None:
    """Refuse a SQLite file that isn't there, which SQLite would make, empty; nothing to do for a server.

    Raises
    ------
    SourceError
        If the file is missing.
    """
    if (path := _missing_file(url)) is not None:
        raise SourceError(_explain(url, f"no such table, for there is no file '{path}'"))


def make_missing_file(url: str) -> None:
    """Make a SQLite file that isn't there, with the platform's tables; a database that is there is left alone.

    Raises
    ------
    SourceError
        If it can't be made.
    """
    if _missing_file(url) is not None:
        upgrade(url)


def _missing_file(url: str) -> Path | None:
    """The SQLite file of a URL, if it isn't there; None for a server."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in {None, "", ":memory:"}:
        return None
    path = Path(str(parsed.database))
    return None if path.is_file() else path


def make_database_folder(url: str) -> None:
    """Make the folder of a SQLite file, for SQLite makes only the file; nothing to do for a server."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in {None, "", ":memory:"}:
        return
    folder = Path(str(parsed.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(_explain(url, str(error))) from None
