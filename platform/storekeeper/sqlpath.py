"""SQLite paths that start at the project root.

`sqlite:///data/registry.db?plugin=storekeeper` in feature_store.yaml is made absolute by `storekeeper.mends`, for the
repo that was asked for. Whoever opens the same URL with SQLAlchemy alone has named no repo: then the plug-in here finds
the project root as the command line does.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import URL
from sqlalchemy.engine import CreateEnginePlugin

from storekeeper.settings import find_home, rooted_url

PLUGIN = "storekeeper"


class RootedSQLite(CreateEnginePlugin):
    """A SQLAlchemy engine plug-in, asked for by `?plugin=storekeeper` in the URL."""

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)

    def update_url(self, url: URL) -> URL:
        """The URL without the plug-in's name and with an absolute SQLite path; its folder is made."""
        return rooted_sqlite(url, find_home()) if is_relative_sqlite(url) else without_plugin(url)


def without_plugin(url: URL) -> URL:
    """A URL that no longer asks for the plug-in."""
    return url.difference_update_query(["plugin"])


def is_relative_sqlite(url: URL) -> bool:
    """Whether a URL names an SQLite file by a relative path."""
    path = url.database
    return url.drivername.startswith("sqlite") and bool(path) and not str(path).startswith(("/", ":memory:", "file:"))


def rooted_sqlite(url: URL, home: Path) -> URL:
    """A relative SQLite URL as an absolute one, without the plug-in's name; its folder is made."""
    rooted = rooted_url(f"sqlite:///{url.database}", home).removeprefix("sqlite:///")
    Path(rooted).parent.mkdir(parents=True, exist_ok=True)
    return without_plugin(url).set(database=rooted)
