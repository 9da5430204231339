"""Shapes of the answers, for the OpenAPI page and for whoever reads them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


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
