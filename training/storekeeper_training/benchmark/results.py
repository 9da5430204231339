"""What is kept of a benchmark: one JSON file a protocol, whole or not there."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storekeeper_training.benchmark.protocol import Figure, Outcome

FORMAT = 1


@dataclass(frozen=True)
class Result:
    """A protocol's outcome with what it was measured on.

    Attributes
    ----------
    name
        The protocol's.
    seed
        Of every random choice.
    outcome
        What it gave.
    machine
        Processor, memory, system and versions.
    measured_at
        When it ended, ISO 8601, UTC.
    """

    name: str
    seed: int
    outcome: Outcome
    machine: Mapping[str, Any]
    measured_at: str

    def as_dict(self) -> dict[str, Any]:
        """The result for machines; each figure says whether its target is met."""
        figures = [asdict(figure) | {"met": figure.met} for figure in self.outcome.figures]
        return {"format": FORMAT, **asdict(self), "outcome": asdict(self.outcome) | {"figures": figures}}


def write_result(folder: Path, result: Result) -> Path:
    """Write a result beside its place, then move it there: what is at the place is whole, also after a crash."""
    folder.mkdir(parents=True, exist_ok=True)
    path = result_path(folder, result.name)
    unfinished = path.with_suffix(f".{os.getpid()}.unfinished")
    unfinished.write_text(json.dumps(result.as_dict(), indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)
    return path


def read_result(folder: Path, name: str, seed: int) -> Result | None:
    """The kept result of a protocol; None where there is none of this format and seed."""
    path = result_path(folder, name)
    if not path.is_file():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    if kept.get("format") != FORMAT or kept["seed"] != seed:
        return None
    found = kept["outcome"]
    figures = tuple(
        Figure(**{field: value for field, value in figure.items() if field != "met"}) for figure in found["figures"]
    )
    outcome = Outcome(**(found | {"figures": figures, "notes": tuple(found["notes"])}))
    return Result(kept["name"], kept["seed"], outcome, kept["machine"], kept["measured_at"])


def result_path(folder: Path, name: str) -> Path:
    """Where a protocol's result is kept."""
    return folder / f"{name}.json"
