"""Why rows were predicted as they were, for an answer: top contributions, with where each value comes from."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import pyarrow as pa

from storekeeper.explain import Contribution, Explanations
from storekeeper.online.provenance import FeatureSource, feature_sources
from storekeeper_serving.predictor import ServedModel
from storekeeper_serving.problems import Problem, RequestError
from storekeeper_serving.schemas import ContributionInfo, ExplainedRow, ExplanationInfo


def check_explainable(rows: int, max_rows: int) -> None:
    """Refuse to explain more rows than allowed: a row costs a thousand times what predicting it does.

    Raises
    ------
    RequestError
        With what is allowed, and what came.
    """
    if rows > max_rows:
        summary, do = "The request has too many rows to be explained.", "Ask for the rows that matter, or leave it out."
        raise RequestError(
            Problem(422, "too_many_rows_to_explain", summary, f"at most {max_rows} rows", str(rows), None, do)
        )


def explain_rows(
    model: ServedModel, vectors: pa.Table, entities: Mapping[str, Sequence[object]], now: datetime, count: int
) -> ExplanationInfo:
    """Take predictions apart.

    Parameters
    ----------
    vectors
        What the model was given: keys, context, features.
    entities
        The keys, one value a row.
    now
        The instant at which features were read.
    count
        How many contributions are told of each row.

    Raises
    ------
    RequestError
        If the model can't be explained; the message says why.
    SourceError
        If the online store can't be read.
    """
    columns = {name: vectors.column(name) for name in vectors.column_names}
    found = model.explainer().explain(columns)
    told = [found.top(row, count) for row in range(vectors.num_rows)]
    names = {contribution.name for row in told for contribution in row}
    sources = feature_sources(model.reader.plan, names, entities, now)
    shown = _Shown(model, columns, sources, now)
    rows = [_row(shown, found, number, told[number]) for number in range(len(told))]
    return ExplanationInfo(scale=found.scale, method=found.method, reference=found.reference, rows=rows)


class _Shown:
    """What is told of one contribution beside its size."""

    def __init__(
        self,
        model: ServedModel,
        columns: Mapping[str, pa.ChunkedArray],
        sources: Mapping[str, FeatureSource],
        now: datetime,
    ) -> None:
        self._origins = {column.name: column.origin for column in model.manifest.inputs}
        self._columns, self._sources, self._now = columns, sources, now

    def info(self, contribution: Contribution, row: int) -> ContributionInfo:
        """One contribution to one row."""
        name, source = contribution.name, self._sources.get(contribution.name)
        times = None if source is None else source.event_times
        event_time = None if times is None else times[row]
        return ContributionInfo(
            feature=name,
            value=self._columns[name][row].as_py(),
            contribution=contribution.value,
            origin=self._origins.get(name, "feature"),
            view=None if source is None else source.view,
            view_materialised_until=None if source is None else source.view_until,
            event_time=event_time,
            age_seconds=None if event_time is None else (self._now - event_time).total_seconds(),
        )


def _row(shown: _Shown, found: Explanations, row: int, told: Sequence[Contribution]) -> ExplainedRow:
    contributions = [shown.info(contribution, row) for contribution in told]
    rest = float(found.contributions[row].sum() - sum(contribution.value for contribution in told))
    return ExplainedRow(
        base=float(found.base[row]),
        contributions=contributions,
        rest=rest,
        margin=float(found.margin[row]),
        residual=float(found.residual[row]),
    )
