"""Differences over time as plain geometry, which the page draws in SVG: one picture a view."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from storekeeper.audit.findings import HOUR_US, Finding
from storekeeper.online.view_state import from_us

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560.0, 190.0, 44.0, 8.0, 12.0, 26.0
_MOST_BARS = 48
#: Hours that a bar may stand for; longer ones are whole weeks.
_STEPS = (1, 2, 3, 6, 12, 24, 48, 168)
_LEAST_HEIGHT = 1.5


@dataclass(frozen=True)
class Bar:
    """One class in one span of time.

    Attributes
    ----------
    x, y, width, height
        Where it stands.
    label
        The class.
    told
        What it shows, in words.
    """

    x: float
    y: float
    width: float
    height: float
    label: str
    told: str


@dataclass(frozen=True)
class Timeline:
    """One view's differences.

    Attributes
    ----------
    view
        The view, or on-demand view.
    values
        How many values differ.
    labels
        The classes, in the order of their stacking.
    bars
        What to draw.
    most
        The highest stack's number of values.
    first, last
        When the time axis begins and ends.
    """

    view: str
    values: int
    labels: tuple[str, ...]
    bars: tuple[Bar, ...]
    most: int
    first: datetime
    last: datetime


def timelines(findings: Iterable[Finding]) -> list[Timeline]:
    """One picture a view that has differences, the one with most of them first; all have the same time axis."""
    counts: dict[str, dict[str, Counter[int]]] = {}
    for finding in findings:
        for (view, hour), count in finding.hours.items():
            counts.setdefault(view, {}).setdefault(finding.label, Counter())[hour] += count
    hours = [hour for labels in counts.values() for found in labels.values() for hour in found]
    if not hours:
        return []
    axis = _Axis.over(min(hours), max(hours))
    pictures = [_timeline(view, labels, axis) for view, labels in counts.items()]
    return sorted(pictures, key=lambda picture: (-picture.values, picture.view))


@dataclass(frozen=True)
class _Axis:
    """Bars from an hour on, each of some hours."""

    start: int
    step: int
    bars: int

    @classmethod
    def over(cls, first: int, last: int) -> "_Axis":
        step = next((step for step in _STEPS if last // step - first // step < _MOST_BARS), 0)
        if not step:
            step = 168 * -(-(last - first + 1) // (168 * (_MOST_BARS - 1)))
        start = first // step * step
        return cls(start, step, (last - start) // step + 1)

    def instant(self, bar: int) -> datetime:
        return from_us((self.start + bar * self.step) * HOUR_US)


def _timeline(view: str, hours: Mapping[str, Counter[int]], axis: _Axis) -> Timeline:
    stacks: dict[int, dict[str, int]] = {}
    for label, found in hours.items():
        for hour, count in found.items():
            stack = stacks.setdefault((hour - axis.start) // axis.step, {})
            stack[label] = stack.get(label, 0) + count
    most = max(sum(stack.values()) for stack in stacks.values())
    return Timeline(
        view=view,
        values=sum(found.total() for found in hours.values()),
        labels=tuple(hours),
        bars=tuple(_bars(stacks, tuple(hours), most, axis)),
        most=most,
        first=axis.instant(0),
        last=axis.instant(axis.bars),
    )


def _bars(stacks: Mapping[int, Mapping[str, int]], labels: Sequence[str], most: int, axis: _Axis) -> Iterator[Bar]:
    inner, room = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT - RIGHT) / axis.bars
    for place, stack in sorted(stacks.items()):
        foot = HEIGHT - BOTTOM
        for label in labels:
            if not (count := stack.get(label, 0)):
                continue
            height = max(inner * count / most, _LEAST_HEIGHT)
            foot -= height
            told = f"{axis.instant(place):%Y-%m-%d %H:%M} UTC: {count:,} {label}"
            gap = min(room * 0.15, 3.0)
            yield Bar(round(LEFT + place * room + gap / 2, 2), round(foot, 2), round(room - gap, 2), round(height, 2),
                      label, told)  # fmt: skip
