"""Settings: where things lie and what time it is, read once at the edge and passed in.

The project root (`home`) is the folder that holds the feature repo. Every relative path, in settings, in
`feature_store.yaml` and in sources, starts there, whatever the working directory.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from storekeeper.clock import Clock, resolve_clock
from storekeeper.errors import SettingError

HOME_VARIABLE = "STOREKEEPER_HOME"
DATABASE_VARIABLE = "STOREKEEPER_DATABASE_URL"
#: Names the folder of public data sets, each in a folder of its own.
DATASETS_VARIABLE = "STOREKEEPER_DATASETS"
DEFAULT_DATABASE_URL = "sqlite:///data/shop.db"
REPO_FOLDER = "feature_repo"
CONFIG_FILE = "feature_store.yaml"

#: `${NAME}` or `${NAME:-default}`.
REFERENCE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def find_home(start: Path | None = None, env: Mapping[str, str] = os.environ) -> Path:
    """The project root: STOREKEEPER_HOME, else the nearest folder upward that holds `feature_repo/feature_store.yaml`.

    Raises
    ------
    SettingError
        If there is none; the message names the variable.
    """
    if named := env.get(HOME_VARIABLE):
        return Path(named).expanduser().resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / REPO_FOLDER / CONFIG_FILE).is_file():
            return folder
        if (folder / CONFIG_FILE).is_file():
            return folder.parent
    raise SettingError(
        f"No feature repo found: expected {REPO_FOLDER}/{CONFIG_FILE} in '{here}' or a folder above it. "
        f"Run from inside a project, or set {HOME_VARIABLE} to its root."
    )


def expand_references(text: str, env: Mapping[str, str] = os.environ) -> str:
    """Replace `${NAME}` and `${NAME:-default}` by the environment's values.

    Declarations keep the reference and only this call sees the value, so no credential reaches the registry.

    >>> expand_references("${NOWHERE:-sqlite:///data/shop.db}", {})
    'sqlite:///data/shop.db'

    Raises
    ------
    SettingError
        If a variable without default is not set; the message names it.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = env.get(name) or default
        if found is None:
            # The text around it isn't shown: it may hold a password.
            raise SettingError(f"A setting refers to the variable {name}, which is not set. Set it.")
        return found

    return REFERENCE.sub(value, text)


def rooted_url(url: str, home: Path) -> str:
    """A SQLAlchemy URL whose relative SQLite path starts at the project root.

    >>> rooted_url("sqlite:///data/shop.db", Path("/srv/shop"))
    'sqlite:////srv/shop/data/shop.db'
    >>> rooted_url("postgresql://db/shop", Path("/srv/shop"))
    'postgresql://db/shop'
    """
    prefix, separator, path = url.partition(":///")
    if not prefix.startswith("sqlite") or not separator or path.startswith(("/", ":memory:")) or not path:
        return url
    return f"{prefix}:///{home / path}"


@dataclass(frozen=True)
class Settings:
    """Where a project keeps what, and its clock.

    Attributes
    ----------
    home
        The project root, absolute.
    database_url
        SQLAlchemy URL of the slow-changing tables and the ledger. May hold a password: never print it.
    clock
        The one clock.
    """

    home: Path
    database_url: str
    clock: Clock

    @classmethod
    def load(cls, home: Path | None = None, env: Mapping[str, str] = os.environ) -> "Settings":
        """Read the environment and the feature repo's `feature_store.yaml`.

        Raises
        ------
        SettingError
            If there is no project, or a setting is malformed.
        """
        root = find_home(env=env) if home is None else home.resolve()
        if home is None and not (root / REPO_FOLDER / CONFIG_FILE).is_file():
            raise SettingError(
                f"'{root}' is no project: it has no {REPO_FOLDER}/{CONFIG_FILE}. Correct --home or {HOME_VARIABLE}."
            )
        url = rooted_url(env.get(DATABASE_VARIABLE) or DEFAULT_DATABASE_URL, root)
        configured = _online_config(root / REPO_FOLDER / CONFIG_FILE).get("clock")
        return cls(home=root, database_url=url, clock=resolve_clock(str(configured) if configured else None, env))

    @property
    def feature_repo(self) -> Path:
        """The Feast repo: declarations only."""
        return self.home / REPO_FOLDER

    @property
    def data_dir(self) -> Path:
        """Everything that the platform writes."""
        return self.home / "data"

    @property
    def behaviour_path(self) -> Path:
        """The DuckDB file with the behaviour log."""
        return self.data_dir / "behaviour.duckdb"

    @property
    def datasets_dir(self) -> Path:
        """Built training sets, one folder each."""
        return self.data_dir / "datasets"

    @property
    def models_dir(self) -> Path:
        """Model artefacts, one folder each."""
        return self.data_dir / "models"

    @property
    def reports_dir(self) -> Path:
        """HTML reports."""
        return self.data_dir / "reports"

    @property
    def served_dir(self) -> Path:
        """Served vectors, for the audit."""
        return self.data_dir / "served"


def _online_config(path: Path) -> dict[str, Any]:
    """The `online_store` block of a feature_store.yaml; empty where there is no file."""
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise SettingError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise SettingError(f"{path} must hold settings by name (project: ..., registry: ...). Received: {content!r}.")
    block = content.get("online_store")
    return block if isinstance(block, dict) else {}
