"""The stream of events as the shop's systems would send it: in some order, some late, some twice.

Cleaning is the same for a stream of any length: events are taken out of a pool in the order of their times, once
nothing earlier can come any more; a second delivery of the same event then stands right behind the first.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from storekeeper.shop.simulator.draws import Bits, Purpose, branch, two_uniform

Events = npt.NDArray[np.void]

EVENT = np.dtype(
    [
        ("time", np.int64),  # microseconds since 1970
        ("known", np.int64),
        ("key", np.uint64),  # the sender's id of the event
        ("who", np.int64),
        ("session", np.int64),
        ("basket", np.int64),
        ("product", np.int32),  # its place in the catalogue
        ("campaign", np.int32),
        ("offer", np.int32),
        ("amount", np.int32),
        ("discount", np.int32),
        ("coupon", np.int32),
        ("text", np.int32),
        ("quantity", np.int16),
        ("rating", np.int8),
        ("type", np.int8),  # its place in EVENT_TYPES
        ("truth", np.float32, (4,)),  # NaN where there is nothing to decide
    ]
)
NOTHING = -1
_NULLABLE = ("session", "basket", "product", "campaign", "offer", "amount", "discount", "coupon", "text", "quantity")

_LATE_SHARE = 0.03
_MEAN_DELAY_US = 12 * 3_600_000_000
_LONGEST_DELAY_US = 10 * 86_400_000_000
_TWICE_SHARE = 0.006
_SHORTEST_RETRY_US, _RETRY_SPAN_US = 1_000_000, 7_200_000_000


def blank(count: int) -> Events:
    """Events about which nothing is known yet."""
    events = np.zeros(count, EVENT)
    for name in _NULLABLE:
        events[name] = NOTHING
    events["truth"] = np.nan
    return events


def deliver(events: Events) -> Events:
    """The deliveries of these events: each with the time at which it arrived, and some of them once more."""
    late, delay = two_uniform(branch(events["key"], Purpose.DELIVERY, 0))
    waiting = np.minimum(-np.log1p(-delay) * _MEAN_DELAY_US, _LONGEST_DELAY_US)
    events["known"] = events["time"] + np.where(late < _LATE_SHARE, waiting, 0).astype(np.int64)
    twice, retry = two_uniform(branch(events["key"], Purpose.DELIVERY, 1))
    chosen = twice < _TWICE_SHARE
    again = events[chosen]
    again["known"] += _SHORTEST_RETRY_US + (retry[chosen] * _RETRY_SPAN_US).astype(np.int64)
    return np.concatenate([events, again])


@dataclass
class Pool:
    """Deliveries whose turn hasn't come."""

    _waiting: list[Events] = field(default_factory=list)

    def add(self, deliveries: Events) -> None:
        """Put some in."""
        if len(deliveries):
            self._waiting.append(deliveries)

    def take(self, before_us: int) -> Events:
        """Take out those of events before an instant, ordered by event time, sender's id and arrival."""
        if not self._waiting:
            return np.empty(0, EVENT)
        waiting = np.concatenate(self._waiting)
        ready = waiting["time"] < before_us
        self._waiting = [waiting[~ready]]
        chosen = waiting[ready]
        return chosen[arrange(chosen["time"], chosen["key"], chosen["known"])]


def arrange(time: npt.NDArray[np.int64], key: Bits, known: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The places of deliveries in order of time, key and arrival.

    Microseconds seldom tie, so one sort by time does nearly all, and only those that tie are looked at again.
    """
    order = np.argsort(time)
    ordered = time[order]
    same = ordered[1:] == ordered[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    among = order[tied]
    order[tied] = among[np.lexsort((known[among], key[among], time[among]))]
    return order.astype(np.int64)


def part_repeats(ordered: Events) -> tuple[Events, Events, npt.NDArray[np.int64]]:
    """The events, second deliveries of events, and for each of these the place of its first among the events."""
    repeat = np.zeros(len(ordered), np.bool_)
    repeat[1:] = (ordered["key"][1:] == ordered["key"][:-1]) & (ordered["time"][1:] == ordered["time"][:-1])
    first_place = np.cumsum(~repeat) - 1
    return ordered[~repeat], ordered[repeat], first_place[repeat]
