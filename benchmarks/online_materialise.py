"""Materialising: rows a second and peak memory of one latest-value view, ours beside Feast's own engine and stores."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.answers import difference
from benchmarks.materialise_worker import FEATURES
from benchmarks.online_part import Bar, Effort, Part
from benchmarks.online_places import Place, places
from benchmarks.runner import ROOT

_TOY, _SAMPLED = 100, 200
_TOUCHED_BYTES_AN_ENTITY = 2_000
_BARS = {"SQLite": (150_000, 20), "Redis": (60_000, 4)}
_MOST_MB = 1_536
_HEADINGS = ("store", "contender", "entities", "seconds", "runs", "rows/s", "peak MB", "of Feast's rows/s")


def measure(scratch: Path, effort: Effort, tell: Callable[[str], None]) -> Part:
    """Measure with SQLite, and with Redis where it is installed; each run is a process of its own."""
    tell("writing data")
    for folder, entities in (("all", effort.entities), ("few", effort.feasts_entities), ("toy", _TOY)):
        _write(scratch / folder, entities, effort)
    figures: list[dict[str, Any]] = []
    with places(("SQLite", "Redis")) as (found, notes):
        for place in found:
            figures += _measured(place, scratch, effort, tell)
    different = [f"Answers differ: {figure['differs']}" for figure in figures if figure["differs"]]
    if effort.feasts_entities < effort.entities:
        notes.append("Feast materialises fewer entities, for its stores take minutes; rows/s is what is compared.")
    title = f"Materialising {effort.entities:,} entities × {len(FEATURES)} features"
    rows = tuple(row(figure, figures) for figure in figures)
    return Part(title, _HEADINGS, rows, tuple(bars(figures)), (*notes, *different), tuple(figures), not different)


def _write(folder: Path, rows: int, effort: Effort) -> None:
    """One row an entity, in no order of keys; those of a smaller file are among the larger one's."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(rows)
    keys = rng.permutation(rows)
    happened = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    times = np.datetime64(happened, "us") - (keys * 1_000 % (86_400 * 1_000_000)).astype("m8[us]")
    values = {name: np.sin(keys * (number + 1.0)) for number, name in enumerate(FEATURES)}
    at = pa.array(times).cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"user_id": keys, **values, "at": at}), folder / "features.parquet")
    sampled = np.unique(rng.integers(0, min(rows, effort.feasts_entities), _SAMPLED))
    pq.write_table(pa.table({"row_id": sampled}), folder / "asked.parquet")


def _measured(place: Place, scratch: Path, effort: Effort, tell: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Both contenders in turns, so that a busy moment of the machine doesn't fall on one alone."""
    contenders = {"storekeeper": ("all", effort.entities), "feast": ("few", effort.feasts_entities)}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for turn in range(effort.runs):
        for name, (folder, _) in contenders.items():
            tell(f"{place.name}: {name} materialises, run {turn + 1} of {effort.runs}")
            place.clear()
            runs[name].append(_run(name, place, scratch, (folder, effort.entities), f"{name}{turn}"))
    ours, feasts = (scratch / f"{place.name}-{name}.parquet" for name in contenders)
    differs = difference(ours, feasts, FEATURES)
    for name, (_, entities) in contenders.items():
        seconds = [run["seconds"] for run in runs[name]]
        yield {
            "backend": place.name, "contender": name, "entities": entities, "runs_seconds": seconds,
            "seconds": statistics.median(seconds), "rows_a_second": entities / statistics.median(seconds),
            "peak_mb": max(run["peak_mb"] for run in runs[name]), "differs": differs,
        }  # fmt: skip


def _run(name: str, place: Place, scratch: Path, files: tuple[str, int], run: str) -> dict[str, float]:
    # By standard input: a command line is shown to every user of the machine, and Feast wants the password so.
    folder, entities = files
    task = {
        "contender": name, "online": place.ours if name == "storekeeper" else place.feasts,
        "files": str(scratch / folder), "toy": str(scratch / "toy"), "asked": str(scratch / "few" / "asked.parquet"),
        "answer": str(scratch / f"{place.name}-{name}.parquet"), "scratch": str(scratch / f"{place.name}-{run}"),
        "touched_bytes": entities * _TOUCHED_BYTES_AN_ENTITY,
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.materialise_worker"]
    done = subprocess.run(command, input=json.dumps(task), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{name} ended with {done.returncode} on {place.name}:\n{done.stderr[-2_000:]}")
    measured: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def _feasts(figure: dict[str, Any], figures: Sequence[dict[str, Any]]) -> float:
    alike = [each for each in figures if each["backend"] == figure["backend"] and each["contender"] == "feast"]
    return float(alike[0]["rows_a_second"])


def row(figure: dict[str, Any], figures: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """A figure as text, in the order of the headings."""
    name = "Storekeeper" if figure["contender"] == "storekeeper" else "Feast's own"
    return (
        figure["backend"], name, f"{figure['entities']:,}", f"{figure['seconds']:.2f}",
        " ".join(f"{run:.2f}" for run in figure["runs_seconds"]), f"{figure['rows_a_second']:,.0f}",
        f"{figure['peak_mb']:.0f}", f"{figure['rows_a_second'] / _feasts(figure, figures):.1f}×",
    )  # fmt: skip


def bars(figures: Sequence[dict[str, Any]]) -> Iterator[Bar]:
    """What ours is held to: a rate, a multiple of Feast's, and a bound of memory."""
    for mine in (figure for figure in figures if figure["contender"] == "storekeeper"):
        rate, multiple = _BARS[mine["backend"]]
        yield Bar.least(f"{mine['backend']}: rows/s", mine["rows_a_second"], rate)
        yield Bar.least(
            f"{mine['backend']}: times Feast's rows/s", mine["rows_a_second"] / _feasts(mine, figures), multiple
        )
        yield Bar.most(f"{mine['backend']}: peak memory", mine["peak_mb"], _MOST_MB, " MB")
