"""What the online state answers at `now` is what the kernel answers over the events that it was built from."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.state_cases import EDGES, LATER, StateCase, assert_online_is, one_customer
from online.state_ways import read_by
from oracle import sql_oracle
from oracle.features import HOUR_US
from oracle.shops import EVENT_TIME, examples, microseconds, shops, spine_table
from storekeeper.history import windowed
from storekeeper.history.state import build_state

MIDNIGHT = microseconds("2017-06-14T00:00:00+00:00")


@dataclass(frozen=True)
class Materialised(StateCase):
    """A shop whose events are all in state."""

    @property
    def seen(self) -> pa.Table:
        """Events before the instant at which state is built, known by then."""
        return self.visible(self.shop.events, self.until_us)

    @property
    def asking(self) -> pa.Table:
        """Every entity that there is, once, at `now`."""
        keys = self.shop.events.select(list(self.shop.keys)).group_by(list(self.shop.keys)).aggregate([])
        keys = keys.filter(pc.is_valid(keys[self.shop.keys[0]]))
        for key in self.shop.keys[1:]:
            keys = keys.filter(pc.is_valid(keys[key]))
        return spine_table({name: keys[name] for name in self.shop.keys}, [self.now_us] * keys.num_rows)

    def online(self, way: str) -> pa.Table:
        """Every entity's features out of state, read in one of the ways that there are."""
        layout = self.layout
        built = build_state(
            self.shop.events, layout, keys=self.shop.keys, event_time=EVENT_TIME, until_us=self.until_us,
            known_time=self.shop.known_time,
        )  # fmt: skip
        blobs = dict(zip(map(_key, built.keys.to_pylist()), built.blobs, strict=True))
        assert len(blobs) == built.keys.num_rows
        asked = map(_key, self.asking.select(list(self.shop.keys)).to_pylist())
        return read_by(way, [blobs.get(key) for key in asked], layout, self.features, self.now_us)


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.values())


@st.composite
def materialised(draw: st.DrawFn, **arguments: Any) -> Materialised:
    """Random shops, read at once or later."""
    shop = draw(shops(**arguments))
    times = shop.events[EVENT_TIME].cast(pa.int64()).to_pylist() or [MIDNIGHT]
    until = draw(st.sampled_from(times)) + draw(st.sampled_from([0, 1, 1, *LATER]))
    return Materialised(shop, until, until + draw(st.sampled_from(LATER)))


@given(materialised())
@examples(2)
def test_state_answers_as_the_kernel(case: Materialised) -> None:
    """Any function, column, window and hop, read at the moment of materialisation or later: online is offline."""
    assert_online_is(windowed, case, case.features)


@given(materialised())
@examples(0.5)
def test_state_answers_as_the_oracle(case: Materialised) -> None:
    """The same against SQL that knows nothing of the kernel."""
    assert_online_is(sql_oracle.windowed, case, case.shop.features)


@pytest.mark.parametrize(("column", "values", "functions"), EDGES)
@pytest.mark.parametrize("gap_us", [0, HOUR_US, 8 * HOUR_US])
def test_state_at_the_edges_of_numbers(column: str, values: list[Any], functions: list[str], gap_us: int) -> None:
    """Overflow, precision, nulls and emptiness answer online as they do offline, within a tile and across tiles."""
    times = [MIDNIGHT + place * gap_us for place in range(len(values))]
    for function in functions:
        case = Materialised(one_customer(column, values, [function], times), times[-1] + 1, times[-1] + 1)
        assert_online_is(windowed, case, case.features)
