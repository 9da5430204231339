"""Shapes of the answers, for the OpenAPI page and for whoever reads them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


class ContributionInfo(BaseModel):
    """What one input adds to a row's margin, or takes from it; where its value comes from, and how old that is."""

    feature: str
    value: Any = Field(description="The value that the model was given.")
    contribution: float = Field(description="Signed, on the explanation's scale.")
    origin: Literal["feature", "entity", "request"] = Field(description="Read, or given by the caller.")
    view: str | None = Field(description="The feature view, or the on-demand view that makes it.")
    view_materialised_until: datetime | None = Field(
        description="Up to when the view was materialised; pushed events are newer. Of an on-demand view the earliest "
        "of those behind it."
    )
    event_time: datetime | None = Field(
        description="Of a latest-value view, when the event was that the value is from. Windows don't tell it."
    )
    age_seconds: float | None = Field(description="How long that was before `served_at`.")


class ExplainedRow(BaseModel):
    """`base` and all contributions, those of `rest` included, are `margin`, but for `residual`."""

    base: float
    contributions: list[ContributionInfo] = Field(description="The greatest by size, greatest first.")
    rest: float = Field(description="The sum of the contributions that aren't listed.")
    margin: float = Field(description="The model's answer before it became a probability or quantity.")
    residual: float = Field(description="How far base and contributions are from the margin.")


class ExplanationInfo(BaseModel):
    """Why the rows were predicted as they were."""

    scale: Literal["logit", "log", "units"] = Field(description="In what margins and contributions are told.")
    method: str
    reference: str = Field(description="What the base stands for.")
    rows: list[ExplainedRow]


class PredictAnswer(BaseModel):
    """Probabilities and decisions, or of a task that predicts quantities those, in the order of the rows."""

    task: str
    model: str
    version: int
    served_at: datetime = Field(description="The clock's now, at which features were read (UTC).")
    request_id: str = Field(description="Finds these rows in the served log.")
    threshold: float | None = Field(
        default=None, description="From this probability on the decision is true; chosen in validation."
    )
    probabilities: list[float | None] | None = None
    decisions: list[bool] | None = None
    quantities: list[float | None] | None = Field(default=None, description="How many units are expected.")
    level: float | None = Field(default=None, description="The share of what comes that lies from `low` to `high`.")
    low: list[float | None] | None = None
    high: list[float | None] | None = None
    features: dict[str, list[Any]] | None = Field(default=None, description="Feature -> one value a row; if asked for.")
    explanation: ExplanationInfo | None = Field(default=None, description="If asked for.")


class RejectedEvent(BaseModel):
    """An event that went nowhere."""

    row: int = Field(description="Its place in the body from 0: in the list, among the rows, or among the lines.")
    reason: str


class PushAnswer(BaseModel):
    """What became of the events of a body; what was accepted is in the state of every view over the source."""

    accepted: int
    duplicates: int = Field(description="Events that were there already.")
    rejected: list[RejectedEvent]


class ErrorDetail(BaseModel):
    """What was expected, what came, what exists, what to do."""

    code: str
    message: str
    expected: str | None = None
    received: str | None = None
    exists: list[str] | None = None
    do: str | None = None


class ErrorAnswer(BaseModel):
    """The one form of every error."""

    error: ErrorDetail


class ModelInfo(BaseModel):
    """The latest version of a model."""

    model: str
    version: int
    status: Literal["served", "refused"]
    default: bool = Field(description="Whether it answers when no model is named.")
    reason: str | None = Field(default=None, description="Why it is refused.")
    trained_at: datetime | None = None
    threshold: float | None = None
    metrics: dict[str, dict[str, float | None]] | None = None


class TaskInfo(BaseModel):
    """A task, and what a caller must give for its predictions."""

    task: str
    feature_service: str | None
    entities: dict[str, str] = Field(description="Entity key -> type.")
    context: dict[str, str] = Field(description="Request-time value -> type.")
    models: list[ModelInfo]
    example: dict[str, Any] | None = Field(description="A body for POST /predict/{task}.")


class LogInfo(BaseModel):
    """What became of served vectors."""

    written: int
    pending: int
    dropped: int
    problem: str | None


class Health(BaseModel):
    """`ok`: all is served. `degraded`: something is refused or lost. `unavailable`: nothing can be predicted."""

    status: Literal["ok", "degraded", "unavailable"]
    now: datetime = Field(description="The clock's now (UTC).")
    clock: str = Field(description="`wall`, a shifted wall, or a fixed instant.")
    uptime_seconds: float
    models: dict[str, list[ModelInfo]] = Field(description="Task -> models.")
    problems: list[str]
    served_log: LogInfo
