"""From which figures on a finding is a warning, or an alert."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from storekeeper.errors import SettingError

Status = Literal["ok", "warn", "alert", "unknown"]
"""`unknown`: there is nothing to judge by, such as too few vectors."""

_SEVERITY: tuple[Status, ...] = ("unknown", "ok", "warn", "alert")


@dataclass(frozen=True)
class Limits:
    """Thresholds; each status holds from its figure on.

    Attributes
    ----------
    psi_warn, psi_alert
        Population stability index. 0.1 and 0.25 are the field's habit: N. Siddiqi, Credit Risk Scorecards (2006).
    lag_warn, lag_alert
        How long state may stand still while its source has newer events. The defaults let a nightly materialisation
        take two hours: a missed one warns, two alert.
    min_vectors
        From how many served vectors on their distribution is judged.
    """

    psi_warn: float = 0.1
    psi_alert: float = 0.25
    lag_warn: timedelta = timedelta(hours=26)
    lag_alert: timedelta = timedelta(hours=50)
    min_vectors: int = 100

    def __post_init__(self) -> None:
        """Refuse limits under which nothing can be told."""
        if not 0 < self.psi_warn <= self.psi_alert:
            raise SettingError(
                f"psi_warn must be positive and psi_alert no less. Received: {self.psi_warn} and {self.psi_alert}."
            )
        if not timedelta(0) < self.lag_warn <= self.lag_alert:
            raise SettingError(
                f"lag_warn must be positive and lag_alert no less. Received: {self.lag_warn} and {self.lag_alert}."
            )
        if self.min_vectors < 1:
            raise SettingError(f"min_vectors must be 1 or more. Received: {self.min_vectors}.")

    def judge_psi(self, psi: float) -> Status:
        """The status of a population stability index."""
        return "alert" if psi >= self.psi_alert else "warn" if psi >= self.psi_warn else "ok"

    def judge_lag(self, lag: timedelta) -> Status:
        """The status of state that stands still while its source goes on."""
        return "alert" if lag >= self.lag_alert else "warn" if lag >= self.lag_warn else "ok"


def severity(status: Status) -> int:
    """A number that grows with what there is to do.

    >>> severity("alert") > severity("warn") > severity("ok") > severity("unknown")
    True
    """
    return _SEVERITY.index(status)


def worst(statuses: Iterable[Status]) -> Status:
    """The most severe status; `unknown` of none.

    >>> worst(["ok", "alert", "unknown"])
    'alert'
    """
    return max(statuses, key=severity, default="unknown")
