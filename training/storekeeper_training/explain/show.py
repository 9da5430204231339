"""Explained rows: for machines, and as tables with bars for people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from storekeeper.artefact import Manifest
from storekeeper.explain import Contribution, Explanations
from storekeeper.online.provenance import FeatureSource
from storekeeper.pages.spoken import moment, span
from storekeeper_training.explain.rows import Rows

SCALES = {"logit": "log-odds", "log": "logarithm of the quantity", "units": "units"}

_HALF = 12


def rows_as_dict(
    manifest: Manifest, rows: Rows, found: Explanations, predicted: list[float], top: int
) -> dict[str, Any]:
    """Explained rows for machines."""
    return {
        **_head(manifest, found),
        "rows": [_row_dict(manifest, rows, found, row, predicted[row], top) for row in range(len(rows.names))],
    }


def importance_as_dict(manifest: Manifest, found: Explanations) -> dict[str, Any]:
    """Mean contributions for machines."""
    return {
        **_head(manifest, found),
        "test_rows": len(found.margin),
        "mean_absolute_contributions": dict(found.importance()),
        "largest_residual": float(found.residual.max()),
    }


def show_rows(
    console: Console, manifest: Manifest, rows: Rows, found: Explanations, predicted: list[float], top: int
) -> None:
    """Explained rows, a table each."""
    for row, name in enumerate(rows.names):
        label = rows.labels[row]
        came = "" if label is None else f"; what came was {label:g}"
        kind = "probability" if manifest.kind == "binary" else "quantity"
        console.print(
            f"{_named(manifest)}, {name}, as of {moment(rows.at[row])} UTC: {kind} {predicted[row]:.4g}{came}.",
            soft_wrap=True, markup=False, highlight=False,
        )  # fmt: skip
        console.print(_row_table(rows, found, row, top))
        console.print(
            f"Base {found.base[row]:+.4f} and all contributions make the margin {found.margin[row]:+.4f} "
            f"({SCALES[found.scale]}); residual {found.residual[row]:.2g}.",
            soft_wrap=True, markup=False, highlight=False,
        )  # fmt: skip
    console.print(f"{found.method}; base: {found.reference}.", soft_wrap=True, markup=False, highlight=False)


def show_importance(console: Console, manifest: Manifest, found: Explanations, top: int) -> None:
    """Mean contributions over test rows."""
    importance = dict(list(found.importance().items())[:top])
    largest = max(importance.values(), default=0.0) or 1.0
    console.print(
        f"{_named(manifest)}: mean contribution to the {SCALES[found.scale]}", soft_wrap=True, highlight=False
    )
    table = Table()
    table.add_column("input", overflow="fold")
    table.add_column("mean size", justify="right")
    table.add_column("", no_wrap=True)
    for name, size in importance.items():
        table.add_row(escape(name), f"{size:.4f}", "█" * round(2 * _HALF * size / largest))
    console.print(table)
    console.print(
        f"{found.method}, {len(found.margin):,} rows of the test period; largest residual {found.residual.max():.2g}. "
        f"Why one row: --row N, or --entity KEY=VALUE for now.",
        soft_wrap=True, markup=False, highlight=False,
    )  # fmt: skip


def _named(manifest: Manifest) -> str:
    return f"{manifest.task}, {manifest.model} v{manifest.version}"


def _head(manifest: Manifest, found: Explanations) -> dict[str, Any]:
    return {
        "task": manifest.task,
        "model": manifest.model,
        "version": manifest.version,
        "scale": found.scale,
        "method": found.method,
        "reference": found.reference,
    }


def _row_dict(
    manifest: Manifest, rows: Rows, found: Explanations, row: int, predicted: float, top: int
) -> dict[str, Any]:
    told = found.top(row, top)
    return {
        "name": rows.names[row],
        "as_of": rows.at[row].isoformat(),
        "label": rows.labels[row],
        "prediction": predicted,
        "base": float(found.base[row]),
        "contributions": [_contribution_dict(manifest, rows, one, row) for one in told],
        "rest": _rest(found, row, told),
        "margin": float(found.margin[row]),
        "residual": float(found.residual[row]),
    }


def _contribution_dict(manifest: Manifest, rows: Rows, one: Contribution, row: int) -> dict[str, Any]:
    origins = {column.name: column.origin for column in manifest.inputs}
    source = rows.sources.get(one.name)
    event = _event_time(source, row)
    return {
        "feature": one.name,
        "value": rows.columns[one.name][row].as_py(),
        "contribution": one.value,
        "origin": origins.get(one.name, "feature"),
        "view": None if source is None else source.view,
        "view_materialised_until": None
        if source is None or source.view_until is None
        else source.view_until.isoformat(),
        "event_time": None if event is None else event.isoformat(),
        "age_seconds": None if event is None else (rows.at[row] - event).total_seconds(),
    }


def _row_table(rows: Rows, found: Explanations, row: int, top: int) -> Table:
    told = found.top(row, top)
    largest = max((abs(one.value) for one in told), default=0.0) or 1.0
    live = any(source.view_until or source.event_times for source in rows.sources.values())
    table = Table()
    for heading in ("input", "value"):
        table.add_column(heading, overflow="fold")
    table.add_column("contribution", justify="right")
    table.add_column("", no_wrap=True)
    table.add_column("view", overflow="fold")
    if live:
        table.add_column("known as of (UTC)")
    for one in told:
        source = rows.sources.get(one.name)
        value = escape(_shown(rows.columns[one.name][row].as_py()))
        cells: list[str | Text] = [escape(one.name), value, f"{one.value:+.4f}", _bar(one.value / largest)]
        cells.append("given" if source is None else source.view)
        table.add_row(*cells, *([_freshness(source, rows, row)] if live else []))
    if others := len(found.inputs) - len(told):
        table.add_row(f"{others} others", "", f"{_rest(found, row, told):+.4f}", "", "", *([""] if live else []))
    return table


def _bar(share: float) -> Text:
    """A bar to the left of the middle or to the right, by a share from -1 to 1."""
    length = round(abs(share) * _HALF)
    if share < 0:
        return Text(" " * (_HALF - length) + "█" * length + "│" + " " * _HALF, style="red")
    return Text(" " * _HALF + "│" + "█" * length + " " * (_HALF - length), style="green")


def _freshness(source: FeatureSource | None, rows: Rows, row: int) -> str:
    if source is None:
        return "-"
    if source.event_times is None:
        return f"view until {moment(source.view_until)}"
    event = source.event_times[row]
    return "nothing known" if event is None else f"event {span(rows.at[row] - event)} ago"


def _event_time(source: FeatureSource | None, row: int) -> datetime | None:
    return None if source is None or source.event_times is None else source.event_times[row]


def _rest(found: Explanations, row: int, told: tuple[Contribution, ...]) -> float:
    return float(found.contributions[row].sum() - sum(one.value for one in told))


def _shown(value: object) -> str:
    """A value in a few characters."""
    if value is None:
        return "null"
    if isinstance(value, Mapping | list):
        return f"{len(value)} values"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
