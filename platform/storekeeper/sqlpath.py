"""SQLite paths that start at the project root.

Feast opens a SQL registry relative to the working directory, and `feast apply` changes that directory, so one
relative path would name two files. `sqlite:///data/registry.db?plugin=storekeeper` names one.
"""

from typing import Any

from sqlalchemy import URL
from sqlalchemy.engine import CreateEnginePlugin

from storekeeper.settings import find_home, rooted_url


class RootedSQLite(CreateEnginePlugin):
    """A SQLAlchemy engine plug-in, asked for by `?plugin=storekeeper` in the URL."""

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)

    def update_url(self, url: URL) -> URL:
        """The URL without the plug-in's name and with an absolute SQLite path; its folder is made."""
        plain = url.difference_update_query(["plugin"])
        database = plain.database
        if not plain.drivername.startswith("sqlite") or not database or database == ":memory:":
            return plain
        home = find_home()
        rooted = plain.set(database=rooted_url(f"sqlite:///{database}", home).removeprefix("sqlite:///"))
        (home / database).parent.mkdir(parents=True, exist_ok=True)
        return rooted
