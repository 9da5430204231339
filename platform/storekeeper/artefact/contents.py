"""What an artefact's files hashed to when it was saved, so that a changed file is found before it is used."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict

from storekeeper.artefact.document import read_document, write_document
from storekeeper.errors import DataError, listing

CONTENTS_FILE = "contents.json"


@dataclass(frozen=True)
class Contents:
    """The record kept in an artefact's `contents.json`, written last of all its files.

    Attributes
    ----------
    checked
        Whether the model was read back and compared with the trained one before it got its name.
    files
        SHA-256 (hex) of every other file, by its path inside the folder.
    """

    checked: bool
    files: Mapping[str, str]

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over all files: two artefacts with the same one are the same."""
        return hashlib.sha256(repr(sorted(self.files.items())).encode()).hexdigest()


def write_contents(folder: Path, *, checked: bool) -> None:
    """Hash a finished folder's files into its `contents.json`."""
    write_document(folder / CONTENTS_FILE, Contents(checked, _hash_files(folder)))


def read_contents(folder: Path) -> Contents | None:
    """The hashes on record; None of an artefact that an earlier release saved, which recorded none.

    Raises
    ------
    DataError
        If the record is damaged.
    """
    path = folder / CONTENTS_FILE
    return read_document(path, Contents) if path.is_file() else None


def verify_contents(folder: Path) -> Contents | None:
    """The hashes on record, after every file was hashed again; None where none are on record.

    Files beside those on record are no model's, and pass.

    Raises
    ------
    DataError
        If a file has changed or is missing; the message names each.
    """
    contents = read_contents(folder)
    if contents is None:
        return None
    found = _hash_files(folder)
    changed = {name for name, digest in contents.files.items() if name in found and found[name] != digest}
    missing = contents.files.keys() - found.keys()
    if changed or missing:
        raise DataError(
            f"'{folder}' is not what was saved. Changed since: {listing(changed)}; missing: {listing(missing)}. "
            f"Put the files back as they were, or train the model again."
        )
    return contents


def _hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 by path, in the order of the paths, of all files but the record itself."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / CONTENTS_FILE)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
