"""A connection to any SQL database for one read; what goes wrong names the source and shows no password."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from storekeeper.database import with_driver, without_secrets
from storekeeper.errors import SourceError
from storekeeper.settings import DATABASE_VARIABLE
from storekeeper.sources.stored_url import secret_options


@contextmanager
def connect(url: str, source: str) -> Iterator[sa.Connection]:
    """A connection for one read.

    Raises
    ------
    SourceError
        If the database can't be reached, refuses a statement or goes away; the message shows no password.
    """
    parsed = _parse(url, source)
    shown = parsed.set(query={}).render_as_string(hide_password=True)
    try:
        engine = sa.create_engine(parsed)
    except (SQLAlchemyError, ImportError) as error:
        raise SourceError(
            f"Source '{source}': no driver for {shown} ({error}). Install it; PostgreSQL's comes with "
            f"pip install 'storekeeper[postgres]'."
        ) from None
    try:
        _refuse_missing_file(engine, source)
        with engine.connect() as connection:
            yield connection
    except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
        told = str(getattr(error, "orig", None) or error).strip().splitlines()
        reason = without_secrets(url, told[0] if told else type(error).__name__)
        for secret in secret_options(parsed):
            reason = reason.replace(secret, "***")
        # Not chained: the driver's own message may repeat the password.
        raise SourceError(
            f"Source '{source}': the database {shown} can't be read ({reason}). Check that it runs, that the URL is "
            f"right, and that the shop was loaded."
        ) from None
    finally:
        engine.dispose()


def _parse(url: str, source: str) -> sa.URL:
    try:
        return with_driver(sa.make_url(url))
    except (ArgumentError, ValueError):
        # The text isn't repeated: it may hold a password.
        raise SourceError(
            f"Source '{source}': its database URL can't be read. Expected one such as 'sqlite:///data/shop.db'. "
            f"Correct the declaration, or the variable that it refers to, such as {DATABASE_VARIABLE}."
        ) from None


def _refuse_missing_file(engine: sa.Engine, source: str) -> None:
    """SQLite would make an empty file where one is missing."""
    path = engine.url.database
    if engine.dialect.name == "sqlite" and path and path != ":memory:" and not Path(path).is_file():
        raise SourceError(
            f"Source '{source}': there is no SQLite file '{path}'. Load a shop first (storekeeper load --help), or "
            f"correct the source's URL."
        )
