"""What a load did, in counts."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

Progress = Callable[[str, int, int], None]
"""Called before each step of a load: what is done next, how many steps are behind, how many there are."""


def no_progress(step: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class LoadReport:
    """Where every row of the sources went.

    Attributes
    ----------
    loader
        The loader's name.
    source_fingerprint
        Identifies the source and the loader's revision; the same text means that a reload would change nothing.
    started_at, finished_at
        By the platform's clock, UTC.
    seconds
        How long it took, by a stopwatch.
    rows_read
        Rows by source.
    events
        Events by type in the behaviour log.
    tables
        Rows by SQL table.
    rejects
        Rows set aside, by source and reason; they lie in the behaviour log's table `rejects`.
    adjustments
        Rows kept with a value put right, by rule.
    warnings
        Rows kept as they are, though something about them is odd.
    already_loaded
        True if this very source was there, whole, and nothing was done; the counts are then those of that load.
    """

    loader: str
    source_fingerprint: str
    started_at: datetime
    finished_at: datetime
    seconds: float
    rows_read: Mapping[str, int]
    events: Mapping[str, int]
    tables: Mapping[str, int]
    rejects: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    adjustments: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    already_loaded: bool = False

    @property
    def event_count(self) -> int:
        """Events of all types."""
        return sum(self.events.values())

    @property
    def reject_count(self) -> int:
        """Rejected rows of all sources."""
        return sum(sum(reasons.values()) for reasons in self.rejects.values())

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON holds it; `from_dict` reads it back."""
        content = asdict(self)
        return {**content, "started_at": self.started_at.isoformat(), "finished_at": self.finished_at.isoformat()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "LoadReport":
        """The report that `as_dict` gave."""
        times = {name: datetime.fromisoformat(content[name]) for name in ("started_at", "finished_at")}
        return cls(**{**content, **times})
