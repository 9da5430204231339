"""The one clock."""

from datetime import UTC, datetime, timedelta

import pytest

from storekeeper.clock import Clock, parse_clock, resolve_clock
from storekeeper.errors import SettingError


@pytest.mark.parametrize(
    ("spec", "instant"),
    [
        ("2017-12-25T00:00:00Z", datetime(2017, 12, 25, tzinfo=UTC)),
        ("2017-12-25", datetime(2017, 12, 25, tzinfo=UTC)),
        (" 2017-12-25 00:00:00 ", datetime(2017, 12, 25, tzinfo=UTC)),
        ("2017-12-25T02:00:00+02:00", datetime(2017, 12, 25, tzinfo=UTC)),
        ("2017-12-25T00:00:00.000001", datetime(2017, 12, 25, microsecond=1, tzinfo=UTC)),
    ],
)
def test_an_instant_stands_still(spec: str, instant: datetime) -> None:
    """A fixed clock shows its instant, in UTC; naive means UTC."""
    clock = parse_clock(spec)
    assert clock.now() == instant
    assert clock.now().tzinfo is UTC
    assert parse_clock(clock.spec) == clock


@pytest.mark.parametrize(
    ("spec", "shift"),
    [("wall", timedelta(0)), ("wall-3265d", timedelta(days=-3265)), ("wall + 2h", timedelta(hours=2)),
     ("wall-90s", timedelta(seconds=-90)), ("wall+5m", timedelta(minutes=5))],
)  # fmt: skip
def test_a_wall_clock_runs(spec: str, shift: timedelta) -> None:
    """A wall clock shows wall time moved by its shift, and its text makes it again."""
    clock = parse_clock(spec)
    before = datetime.now(UTC)
    assert before <= clock.now() - shift <= datetime.now(UTC)
    assert parse_clock(clock.spec) == clock


@pytest.mark.parametrize(
    "spec", ["", "noon", "wall-", "wall-3w", "wall3d", "2017-13-01", "wall+99999999999d", "1512345678"]
)
def test_what_is_no_clock_is_refused(spec: str) -> None:
    """The message shows what would be a clock, and what came."""
    with pytest.raises(SettingError, match=r"'wall-30d'.*'2017-12-25T00:00:00Z'.*Received"):
        parse_clock(spec)


def test_a_shift_beyond_the_calendar_is_refused() -> None:
    """A wall clock that would show a year beyond 9999, or before 1, is refused when it is set."""
    with pytest.raises(SettingError, match="Received"):
        parse_clock("wall+3000000d")


def test_the_variable_wins() -> None:
    """STOREKEEPER_CLOCK, else what is configured, else wall time; an empty variable is none."""
    assert resolve_clock("2017-12-25", {"STOREKEEPER_CLOCK": "2018-01-01"}).now().year == 2018
    assert resolve_clock("2017-12-25", {"STOREKEEPER_CLOCK": ""}).now().year == 2017
    assert resolve_clock(None, {}) == Clock()
