"""JSON documents of an artefact: written whole, validated against a frozen dataclass when read."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from storekeeper.errors import DataError, NotFoundError, listing

T = TypeVar("T")


def write_document(path: Path, value: object) -> None:
    """Write a dataclass as indented JSON, in the order of its fields, through a temporary name."""
    content: bytes = TypeAdapter(type(value)).dump_json(value, indent=2)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content + b"\n")
    temporary.replace(path)


def read_document(path: Path, kind: type[T]) -> T:
    """Read what `write_document` wrote, checking every field's presence and type.

    Raises
    ------
    NotFoundError
        If there is no such file; the message lists the folder's files.
    DataError
        If it isn't JSON or a field is missing, unknown or of another type; the message names each.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        found = listing(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else "nothing"
        raise NotFoundError(f"No {path.name} in '{path.parent}'. It holds: {found}. Train the model again.") from error
    adapter: TypeAdapter[T] = TypeAdapter(kind)
    try:
        return adapter.validate_json(content)
    except ValidationError as error:
        raise DataError(
            f"{path} is not a valid {kind.__name__}: {_faults(error.errors(include_url=False))}. "
            f"The file is damaged or was written by another version: train the model again."
        ) from error


def _faults(errors: list[Any], limit: int = 5) -> str:
    """The first faults as `field: what is wrong`."""
    lines = [f"{'.'.join(map(str, error['loc'])) or 'document'}: {error['msg']}" for error in errors[:limit]]
    return "; ".join(lines) + (f"; and {len(errors) - limit} more" if len(errors) > limit else "")
