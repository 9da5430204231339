"""The one clock: what every window, ttl, request and audit calls `now`.

Wall time by default. A shop whose history has ended, or a replay, sets another: a fixed instant
(`2017-12-25T00:00:00Z`) or wall time moved by a constant (`wall-3265d`, `wall+2h`).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storekeeper.errors import SettingError

CLOCK_VARIABLE = "STOREKEEPER_CLOCK"

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SHIFTED = re.compile(r"wall\s*([+-])\s*(\d+)\s*([dhms])")
_DURATION = re.compile(r"(\d+)\s*([dhms])")


@dataclass(frozen=True)
class Clock:
    """A source of `now`.

    Attributes
    ----------
    fixed
        The instant it always shows (UTC), or None for one that runs.
    shift
        What is added to wall time when it runs.
    """

    fixed: datetime | None = None
    shift: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The present, in UTC with microseconds."""
        return self.fixed if self.fixed is not None else datetime.now(UTC) + self.shift

    @property
    def spec(self) -> str:
        """The text that `parse_clock` turns back into this clock."""
        if self.fixed is not None:
            return self.fixed.isoformat()
        seconds = int(self.shift.total_seconds())
        return f"wall{seconds:+d}s" if seconds else "wall"


def parse_clock(spec: str) -> Clock:
    """Turn a setting into a clock.

    >>> parse_clock("2017-12-25T00:00:00Z").now().isoformat()
    '2017-12-25T00:00:00+00:00'
    >>> parse_clock("wall-1d").shift.days
    -1

    Raises
    ------
    SettingError
        If the text is neither `wall`, a shifted wall, nor an ISO 8601 instant.
    """
    text = spec.strip()
    if text == "wall":
        return Clock()
    if shifted := _SHIFTED.fullmatch(text):
        sign, amount, unit = shifted.groups()
        try:
            clock = Clock(shift=timedelta(**{_UNITS[unit]: int(f"{sign}{amount}")}))
            clock.now()
        except OverflowError:
            raise _no_clock(spec) from None
        return clock
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise _no_clock(spec) from None
    return Clock(fixed=instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC))


def _no_clock(spec: str) -> SettingError:
    return SettingError(
        f"The clock ({CLOCK_VARIABLE}, else clock in feature_store.yaml) must be 'wall', a shifted wall such as "
        f"'wall-30d', or an instant such as '2017-12-25T00:00:00Z', "
        f"within the years 1 to 9999. Received: '{spec}'."
    )


def resolve_clock(configured: str | None = None, env: Mapping[str, str] = os.environ) -> Clock:
    """The clock in force: the variable STOREKEEPER_CLOCK, else what is configured, else wall time."""
    return parse_clock(env.get(CLOCK_VARIABLE) or configured or "wall")


def parse_duration(text: str, setting: str) -> timedelta:
    """A length of time as people write it.

    >>> parse_duration("36h", "lookback")
    datetime.timedelta(days=1, seconds=43200)

    Raises
    ------
    SettingError
        If it is none; the message names the setting.
    """
    found = duration(text)
    if found is None:
        raise SettingError(
            f"{setting} must be a length of time such as '1d', '36h', '90m' or '0s'. Received: '{text}'."
        )
    return found


def duration(text: str) -> timedelta | None:
    """A length of time as people write it; None where it is none, or longer than there are days.

    >>> duration("90m"), duration("soon"), duration("99999999999d")
    (datetime.timedelta(seconds=5400), None, None)
    """
    found = _DURATION.fullmatch(text.strip())
    try:
        return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    except OverflowError:
        return None
