"""The manifest: validated when read."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from storekeeper.artefact import InputColumn, Interval, Manifest, read_manifest
from storekeeper.errors import DataError, NotFoundError


def test_manifest_round_trip(manifest: Manifest, tmp_path: Path) -> None:
    """A manifest read from its JSON is the manifest that was written, undefined figures included."""
    manifest.write(tmp_path)
    assert read_manifest(tmp_path) == manifest


def test_absent_manifest_says_where(tmp_path: Path) -> None:
    """A folder that isn't there is a NotFoundError that names the file and folder."""
    with pytest.raises(NotFoundError, match=r"No manifest.json in .*nowhere"):
        read_manifest(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"format_version": 99}, "expected artefact format 1, found 99"),
        ({"format_version": None}, "found None"),
        ({"threshold": "high"}, "threshold"),
        ({"threshold": 1.5}, "threshold must be a probability"),
        ({"runtime": "pickle"}, "runtime"),
        ({"inputs": []}, "inputs must be distinct"),
        ({"inputs": [{"name": "x", "dtype": "double", "origin": "nowhere"}]}, r"inputs.0.origin"),
        ({"surprise": 1}, "surprise"),
        ({"created_at": "2018-01-01T00:00:00"}, "time zone"),
        ({"version": 0}, "version must be 1 or more"),
    ],
)
def test_wrong_fields_are_named(manifest: Manifest, tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    """A wrong, unknown or impossible field is a DataError that names it."""
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}), encoding="utf-8")
    with pytest.raises(DataError, match=fault):
        read_manifest(tmp_path)


QUANTITY: dict[str, Any] = {"kind": "quantity", "threshold": None, "selection_greater": False}
INTERVAL = Interval(0.8, 0.5, (4.0,), (-1.0, -0.5), (1.0, 2.0))


def test_a_quantity_has_an_interval_and_no_threshold(manifest: Manifest, tmp_path: Path) -> None:
    """A manifest of a quantity round-trips with its interval; of its error the smaller is the better."""
    quantity = replace(manifest, **QUANTITY, interval=INTERVAL)
    quantity.write(tmp_path)
    assert read_manifest(tmp_path) == quantity
    assert (quantity.selection_figure, quantity.selection_value()) == (0.75, -0.75)
    with pytest.raises(DataError, match="Only a chance has a threshold, not a quantity"):
        replace(quantity, threshold=0.5)
    with pytest.raises(DataError, match="threshold must be a probability"):
        replace(manifest, threshold=None)


def test_manifests_from_before_quantities_are_read(manifest: Manifest, tmp_path: Path) -> None:
    """A manifest without kind, direction and interval is one of a chance, of which the greater figure is the better."""
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_text())
    for name in ("kind", "selection_greater", "interval"):
        del content[name]
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_manifest(tmp_path) == manifest
    assert (manifest.kind, manifest.selection_value()) == ("binary", 0.75)


@pytest.mark.parametrize("change", [{"level": 1.0}, {"edges": (4.0, 2.0)}, {"low": (-1.0,)}, {"high": (1.0, 2.0, 3.0)}])
def test_an_interval_without_bounds_is_refused(change: dict[str, Any]) -> None:
    """A level that is no share, edges that descend, and factors that don't fit the edges are errors."""
    with pytest.raises(DataError, match=r"level must|ascending edges"):
        replace(INTERVAL, **change)


def test_missing_fields_are_named(manifest: Manifest, tmp_path: Path) -> None:
    """A missing field is a DataError that names it and the file."""
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_text())
    del content["dataset_hash"]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=r"manifest.json.*dataset_hash: Field required"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", ["", "[1]", '{"format_version": 1'])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: str) -> None:
    """A truncated or foreign file is a DataError, never a bare parsing error."""
    (tmp_path / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"manifest.json"):
        read_manifest(tmp_path)


def test_impossible_manifests_cannot_be_made(manifest: Manifest) -> None:
    """A manifest that no reader could use can't be made."""
    with pytest.raises(DataError, match="time zone"):
        replace(manifest, created_at=datetime(2018, 1, 1))  # noqa: DTZ001
    twice = InputColumn("x", "double", "feature")
    with pytest.raises(DataError, match="distinct"):
        replace(manifest, inputs=(twice, twice))
