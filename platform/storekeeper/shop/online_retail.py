"""Online Retail (UCI, id 352): a year of orders and cancellations of a British gift wholesaler, from a local file."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from storekeeper.database import upgrade
from storekeeper.errors import NotFoundError, SettingError, SourceError, listing
from storekeeper.settings import DATASETS_VARIABLE, Settings
from storekeeper.shop.online_retail_reading import SUFFIXES, read_invoice_lines
from storekeeper.shop.online_retail_staging import stage_online_retail
from storekeeper.shop.report import LoadReport, Progress, no_progress
from storekeeper.shop.storing import find_loaded, store_shop

NAME = "online-retail"
# Part of the fingerprint: raise it when the transformation changes, so that shops in place are loaded again.
REVISION = 1

FROM = "from"
FOLDER = "online_retail"
PUBLIC_FILE = (
    "The public file: UCI Machine Learning Repository, Online Retail, id 352 "
    "(https://archive.ics.uci.edu/dataset/352/online+retail), CC BY 4.0"
)


def load_online_retail(
    settings: Settings, path: str | None = None, progress: Progress = no_progress, *, force: bool = False
) -> LoadReport:
    """Load Online Retail into the project's database and behaviour log, replacing the shop that is there.

    If the very same file's content is in place and whole, nothing is done and the report says `already_loaded`.

    Parameters
    ----------
    settings
        Where to write.
    path
        The file, or a folder that holds it; None looks in the folder of public data sets (STOREKEEPER_DATASETS).
    progress
        Told of each step.
    force
        Load again even so.

    Raises
    ------
    SettingError
        If there is neither a path nor a folder of public data sets.
    NotFoundError
        If the file isn't there.
    SourceError
        If the file or the database can't be read, or a file can't be written.
    DataError
        If the file lacks a column.
    """
    file = find_file(path)
    fingerprint = fingerprint_file(file)
    upgrade(settings.database_url)
    if not force and (report := find_loaded(settings, NAME, fingerprint)) is not None:
        return report
    return store_shop(
        settings,
        NAME,
        fingerprint,
        lambda connection: stage_online_retail(connection, read_invoice_lines(file), settings.clock.now()),
        progress,
    )


def find_file(path: str | None, env: Mapping[str, str] = os.environ) -> Path:
    """The file that a path or, without one, the folder of public data sets leads to.

    In a folder it is the one named `online_retail…` or `Online Retail…`; Parquet comes before CSV before Excel.

    Raises
    ------
    SettingError
        If there is neither; the message says where the public file is.
    NotFoundError
        If the file isn't there; so does this one.
    """
    if path is None and not env.get(DATASETS_VARIABLE):
        raise SettingError(
            f"The loader '{NAME}' reads a file that must be named: `storekeeper load {NAME} --from PATH`, where PATH "
            f"is the file or its folder; or set {DATASETS_VARIABLE} to the folder that holds '{FOLDER}/'. "
            f"{PUBLIC_FILE}."
        )
    place = Path(path).expanduser() if path is not None else Path(env[DATASETS_VARIABLE]).expanduser() / FOLDER
    if place.is_file():
        return place
    if not place.is_dir():
        raise NotFoundError(f"There is no file or folder '{place}' to load '{NAME}' from. {PUBLIC_FILE}.")
    for suffix in SUFFIXES:
        if named := [file for file in sorted(place.iterdir()) if _is_ours(file, suffix)]:
            return named[0]
    raise NotFoundError(
        f"The folder '{place}' holds no file named 'online_retail' or 'Online Retail' that ends in "
        f"{listing(SUFFIXES)}. It has {listing(file.name for file in place.iterdir())}. {PUBLIC_FILE}."
    )


def fingerprint_file(file: Path) -> str:
    """What identifies the source: this loader's revision and a hash of the file.

    Raises
    ------
    SourceError
        If it can't be read.
    """
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
    except OSError as error:
        raise SourceError(f"'{file}' can't be read: {error}. {PUBLIC_FILE}.") from error
    return f"{NAME}, revision {REVISION}, sha256 {digest.hexdigest()[:16]}"


def _is_ours(file: Path, suffix: str) -> bool:
    name = file.stem.lower().replace(" ", "_")
    # Online Retail II is another data set, with other columns.
    return file.suffix.lower() == suffix and name.startswith(FOLDER) and not name.startswith(f"{FOLDER}_ii")
