"""Which backend a configuration names; a server's client is imported only when it is asked for."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from storekeeper.errors import SettingError
from storekeeper.online.backends.base import Backend
from storekeeper.online.backends.sqlite import SQLiteBackend

BackendKind = Literal["sqlite", "postgres", "redis"]

#: Where a server's URL is looked for if the configuration doesn't say.
URL_VARIABLES = {"postgres": "STOREKEEPER_POSTGRES_URL", "redis": "STOREKEEPER_REDIS_URL"}


@dataclass(frozen=True)
class BackendChoice:
    """A backend by its settings, none of which is a secret.

    Attributes
    ----------
    kind
        Which one.
    path
        SQLite's file.
    url_variable
        The environment variable that holds a server's URL; None means the kind's own (`URL_VARIABLES`).
    schema
        PostgreSQL's schema.
    shards
        How many parts Redis keeps a view in.
    """

    kind: BackendKind
    path: Path
    url_variable: str | None = None
    schema: str = "storekeeper_online"
    shards: int = 1


def open_backend(choice: BackendChoice, env: Mapping[str, str] = os.environ) -> Backend:
    """The backend; nothing is contacted, made or read yet.

    Raises
    ------
    SettingError
        If the variable with the URL isn't set or its content is no URL, or the server's client isn't installed; the
        message names the variable or what to install.
    """
    if choice.kind == "sqlite":
        return SQLiteBackend(choice.path)
    url = _url(choice, env)
    if choice.kind == "postgres":
        from storekeeper.online.backends.postgres import PostgresBackend

        return PostgresBackend(url, schema=choice.schema)
    from storekeeper.online.backends.redis import RedisBackend

    return RedisBackend(url, shards=choice.shards)


def _url(choice: BackendChoice, env: Mapping[str, str]) -> str:
    variable = choice.url_variable or URL_VARIABLES[choice.kind]
    url = env.get(variable)
    if not url:
        raise SettingError(
            f"The online store's backend is {choice.kind}, but the variable {variable}, which holds its URL, isn't "
            f"set. Set it, or name another one by online_store.url_env in feature_store.yaml."
        )
    return url
