"""`storekeeper dataset list`, `show` and `diff`: which training sets there are, what one holds, what set two apart."""

import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer

from storekeeper.cli.output import Json, console, print_json, print_table
from storekeeper.errors import NotFoundError, UsageError, listing

_SHOWN_DIGITS = 16
_ALLOWED = "allowed_lints"
_COLUMNWISE = ("columns", "nulls")
_INPUTS = ("spine_hash", "definition_hash", "source_fingerprints", "knowledge_cutoff", "format_version")

Hash = Annotated[str, typer.Argument(help="A dataset's hash, or its first digits.")]


def register(dataset: typer.Typer) -> None:
    """Add this file's commands to `storekeeper dataset`."""
    dataset.command("list")(list_datasets)
    dataset.command("show")(show)
    dataset.command("diff")(diff)


def list_datasets(
    task: Annotated[str | None, typer.Argument(help="Only this task's.")] = None, json: Json = False
) -> None:
    """List the training sets, newest first."""
    records = _records()
    chosen = [record for record in records if task is None or record.task == task]
    if task is not None and not chosen:
        raise NotFoundError(
            f"Task '{task}' has no training set. There are sets of: {listing({r.task for r in records})}. "
            f"Build one: storekeeper dataset build {task}."
        )
    if json:
        print_json([_as_dict(record) for record in chosen])
        return
    rows = [
        [record.task, record.dataset_hash[:_SHOWN_DIGITS], record.rows, f"{record.created_at:%Y-%m-%d %H:%M}"]
        for record in chosen
    ]
    columns = {"task": "left", "hash": "left", "rows": "right", "in use since (UTC)": "left"}
    print_table("Training sets", columns, rows)


def show(dataset_hash: Hash, json: Json = False) -> None:
    """Show a training set's record: what it was made from, its columns and nulls."""
    manifest = _manifest(dataset_hash)
    if json:
        print_json(manifest)
        return
    pairs = [pair for name, value in manifest.items() if name not in _COLUMNWISE for pair in _named(name, value)]
    print_table("Training set", {"": "left", "value": "left"}, [[name, _shown(value)] for name, value in pairs])
    rows = [[name, type_, manifest["nulls"][name]] for name, type_ in manifest["columns"].items()]
    print_table("Columns", {"column": "left", "type": "left", "nulls": "right"}, rows)


def diff(first: Hash, second: Hash, json: Json = False) -> None:
    """Name what set two training sets apart: the inputs that changed, and the columns that came, went or changed."""
    left, right = _manifest(first), _manifest(second)
    changed = compare_manifests(left, right)
    if json:
        print_json([dict(zip(("what", "first", "second"), row, strict=True)) for row in changed])
        return
    if not changed:
        console.print("The two were made from the same inputs and hold the same.")
        return
    columns = {"what": "left", first[:_SHOWN_DIGITS]: "left", second[:_SHOWN_DIGITS]: "left"}
    print_table("What sets them apart", columns, changed)


def compare_manifests(left: dict[str, Any], right: dict[str, Any]) -> list[list[str]]:
    """Rows (what, in the first, in the second) of everything in which two records differ, inputs first.

    Times of making are no difference.
    """
    first = (*_INPUTS, _ALLOWED)
    order = [*first, *sorted((left.keys() | right.keys()) - {*first, "created_at", "dataset_hash"})]
    rows = []
    for name in order:
        for what, one, other in _pairs(name, left.get(name), right.get(name)):
            if one != other:
                rows.append([what, _short(one), _short(other)])
    return rows


def _pairs(name: str, left: Any, right: Any) -> list[tuple[str, Any, Any]]:
    """One triple, or one for each key of a nested record."""
    if not isinstance(left, dict) or not isinstance(right, dict):
        return [(name, left, right)]
    return [(f"{name}: {key}", left.get(key), right.get(key)) for key in sorted(left.keys() | right.keys())]


def _named(name: str, value: Any) -> list[tuple[str, Any]]:
    """One pair, or one for each key of a nested record."""
    return [(f"{name}: {key}", part) for key, part in value.items()] if isinstance(value, dict) else [(name, value)]


def _shown(value: Any) -> Any:
    return value if isinstance(value, int) else _short(value)


def _short(value: Any) -> str:
    if value is None or value == []:
        return "(none)"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text[:_SHOWN_DIGITS] if len(text) == 64 else text


def _records() -> list[Any]:
    from storekeeper.ledger import Ledger
    from storekeeper.settings import Settings

    return Ledger(Settings.load().database_url).list_datasets()


def _manifest(dataset_hash: str) -> dict[str, Any]:
    from storekeeper.settings import Settings
    from storekeeper_training.dataset import MANIFEST_FILE

    records = _records()
    found = [record for record in records if record.dataset_hash.startswith(dataset_hash)]
    if len(found) > 1:
        raise UsageError(f"Several training sets begin with '{dataset_hash}'. Give more digits.")
    if not found:
        hashes = listing(record.dataset_hash[:_SHOWN_DIGITS] for record in records)
        raise NotFoundError(f"There is no training set '{dataset_hash}'. There are: {hashes}.")
    path = Settings.load().home / found[0].path / MANIFEST_FILE
    if not path.is_file():
        raise NotFoundError(
            f"The training set's folder '{path.parent}' is gone. Build it again: storekeeper dataset build."
        )
    manifest: dict[str, Any] = json_format.loads(Path(path).read_text(encoding="utf-8"))
    # Sets of earlier versions don't say that nothing was overridden.
    return manifest | {_ALLOWED: manifest.get(_ALLOWED, [])}


def _as_dict(record: Any) -> dict[str, Any]:
    return {
        "task": record.task,
        "dataset_hash": record.dataset_hash,
        "spine_hash": record.spine_hash,
        "definition_hash": record.definition_hash,
        "rows": record.rows,
        "path": record.path,
        "created_at": record.created_at.isoformat(),
    }
