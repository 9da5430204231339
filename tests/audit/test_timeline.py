"""Pictures of differences over time, as geometry."""

from datetime import UTC, datetime, timedelta

import pytest

from storekeeper.audit.findings import Finding
from storekeeper.audit.timeline import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, timelines

START = datetime(2020, 3, 1, tzinfo=UTC)
HOUR = int(START.timestamp()) // 3600


def finding(*causes: str, **hours: dict[int, int]) -> Finding:
    """A finding with values by view and hour after `START`."""
    counts = {(view, HOUR + hour): count for view, found in hours.items() for hour, count in found.items()}
    return Finding(causes, sum(counts.values()), 1, 1, START, START, (), counts)


def test_a_picture_a_view() -> None:
    """Each view with differences has a picture, the one with most of them first; classes are stacked."""
    first, second = timelines([finding("late", a={0: 1}, b={0: 4, 2: 2}), finding("type", b={2: 6})])
    assert (first.view, first.values, first.labels, first.most) == ("b", 12, ("late", "type"), 8)
    assert (second.view, second.values) == ("a", 1)
    late, type_ = (bar for bar in first.bars if bar.told.startswith("2020-03-01 02:00"))
    assert late.y + late.height == pytest.approx(HEIGHT - BOTTOM)
    assert type_.y + type_.height == pytest.approx(late.y, abs=0.02)
    assert type_.y == pytest.approx(TOP, abs=0.02)
    assert type_.told == "2020-03-01 02:00 UTC: 6 type"


@pytest.mark.parametrize("hours", [1, 47, 48, 49, 1000, 24 * 365, 24 * 3650])
def test_any_span_fits(hours: int) -> None:
    """However long the time, there are at most about fifty bars, all within the frame, and none is lost."""
    (picture,) = timelines([finding("late", a=dict.fromkeys(range(hours), 3))])
    assert len(picture.bars) <= 49
    assert min(bar.x for bar in picture.bars) >= LEFT
    assert max(bar.x + bar.width for bar in picture.bars) <= WIDTH - RIGHT + 0.01
    assert all(bar.y >= TOP - 0.01 for bar in picture.bars)
    told = sum(int(bar.told.split(": ")[1].split()[0].replace(",", "")) for bar in picture.bars)
    assert told == picture.values == 3 * hours
    assert picture.first <= START
    assert START + timedelta(hours=hours - 1) < picture.last


def test_nothing_differs() -> None:
    """Without differences there is no picture."""
    assert timelines([]) == []
