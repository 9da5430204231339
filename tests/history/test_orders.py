"""Orders are NumPy's own stable ones, below and above the size from which two cores share the work."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.shops import examples
from storekeeper.history import order as order_module
from storekeeper.history import parallel, timeline
from storekeeper.history.order import order_by_code, stable_order
from storekeeper.history.timeline import Timeline, sort_history

LEAST, MOST = -(2**63), 2**63 - 1


@pytest.fixture(params=[4, 100_000_000], ids=["two cores", "one core"])
def _worthwhile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """From how many rows on two cores work, be there two or not."""
    for module in (parallel, order_module):
        monkeypatch.setattr(module, "WORTHWHILE", request.param)
    monkeypatch.setattr(parallel, "cores", lambda: 2)


def _with_every_size(draw: Callable[[], object]) -> None:
    """Run a property under both thresholds; Hypothesis takes no fixture that changes."""
    for rows in (4, 100_000_000):
        with pytest.MonkeyPatch.context() as patch:
            for module in (parallel, order_module):
                patch.setattr(module, "WORTHWHILE", rows)
            patch.setattr(parallel, "cores", lambda: 2)
            draw()


_VALUES = st.one_of(
    st.lists(st.integers(-3, 3), max_size=60),
    st.lists(st.integers(LEAST, MOST), max_size=60),
    st.lists(st.sampled_from([LEAST, LEAST + 1, -1, 0, 1, 2, MOST - 1, MOST]), max_size=60),
    st.lists(st.integers(0, 40).map(lambda low: 2**60 + low), max_size=60),
)


@given(_VALUES)
@examples(10)
def test_stable_order(drawn: list[int]) -> None:
    """Any integers are put in order, equal ones by position, and the input is left as it is."""
    values = np.array(drawn, np.int64)
    kept = values.copy()

    def check() -> None:
        np.testing.assert_array_equal(stable_order(values), np.argsort(values, kind="stable"))
        np.testing.assert_array_equal(values, kept)

    _with_every_size(check)


@pytest.mark.usefixtures("_worthwhile")
@pytest.mark.parametrize("spread", [1, 3, 2**20, 2**45, 2**52, 2**62, 2**64 - 1])
@pytest.mark.parametrize("count", [2, 3, 1000, 150_001])
def test_stable_order_of_many(spread: int, count: int) -> None:
    """Values and positions that don't fit one word together are put right afterwards."""
    rng = np.random.default_rng(count)
    low = LEAST if spread > 2**62 else -(spread // 2)
    values = rng.integers(low, low + spread - 1, count, endpoint=True)
    values[rng.integers(0, count, count // 3)] = values[0]
    if spread > 2**20:
        # Neighbours that differ in nothing but the bits that were left out.
        values[: count // 2] = np.clip(values[0], LEAST, MOST - 8) + rng.integers(0, 8, count // 2)
    np.testing.assert_array_equal(stable_order(values), np.argsort(values, kind="stable"))


@pytest.mark.usefixtures("_worthwhile")
def test_stable_order_of_sorted_rows_is_theirs() -> None:
    """Rows in order stay, ties among them; rows in the opposite order turn round."""
    values = np.repeat(np.arange(50_000), 3)
    np.testing.assert_array_equal(stable_order(values), np.arange(len(values)))
    np.testing.assert_array_equal(stable_order(-values), np.argsort(-values, kind="stable"))


@given(st.lists(st.integers(0, 6), max_size=60) | st.lists(st.integers(0, 200_000), max_size=60))
@examples(10)
def test_order_by_code(drawn: list[int]) -> None:
    """Codes of one digit or two are put in order, equal ones by position."""
    codes = np.array(drawn, np.int32)

    def check() -> None:
        for count in {int(codes.max(initial=0)) + 1, 70_000, 2**31 - 1} - {0}:
            if count > codes.max(initial=0):
                np.testing.assert_array_equal(order_by_code(codes, count), np.argsort(codes, kind="stable"))

    _with_every_size(check)


@pytest.mark.usefixtures("_worthwhile")
@pytest.mark.parametrize("entities", [1, 2, 65_535, 65_536, 65_537, 300_000, 2**31 - 1])
@pytest.mark.parametrize("skewed", [False, True])
def test_order_by_code_of_many(entities: int, skewed: bool) -> None:
    """More entities than one digit holds, and nearly all rows of one entity."""
    rng = np.random.default_rng(entities)
    codes = rng.integers(0, entities, 120_001, dtype=np.int32)
    if skewed:
        codes[rng.random(len(codes)) < 0.95] = entities - 1
    np.testing.assert_array_equal(order_by_code(codes, entities), np.argsort(codes, kind="stable"))


def _assert_sorted(codes: np.ndarray, time: np.ndarray, known: np.ndarray | None, count: int) -> Timeline:
    """The timeline is `lexsort` of (code, time, knowledge time, position), without the events of no entity."""
    position = np.arange(len(codes))
    expected = np.lexsort((position, time if known is None else known, time, codes))
    expected = expected[codes[expected] >= 0]
    found = sort_history(codes, time, known, count)
    np.testing.assert_array_equal(found.order, expected)
    np.testing.assert_array_equal(found.time, time[expected])
    np.testing.assert_array_equal(found.first, np.searchsorted(codes[expected], np.arange(count + 1)))
    return found


_EVENT = st.tuples(st.integers(-1, 4), st.integers(-3, 3), st.integers(-2, 2))
_FAR_EVENT = st.tuples(st.integers(-1, 4), st.sampled_from([-(2**60), 2**60, 0, 1]), st.integers(-2, 2))


def _arranged(events: list[tuple[int, int, int]], arrangement: str) -> list[tuple[int, int, int]]:
    keys: dict[str, Callable[[tuple[int, int, int]], tuple[int, ...]]] = {
        "log": lambda event: event[1:],
        "log by time": lambda event: event[1:2],
        "grouped": lambda event: event[:1],
        "grouped log": lambda event: event,
        "backwards": lambda event: (-event[1],),
    }
    return sorted(events, key=keys[arrangement]) if arrangement in keys else events


@pytest.mark.parametrize("arrangement", ["log", "log by time", "grouped", "grouped log", "backwards", "shuffled"])
@given(
    st.lists(_EVENT, max_size=40) | st.lists(_FAR_EVENT, max_size=40), st.booleans(), st.sampled_from([5, 7, 70_000])
)
@examples(5)
def test_histories_in_any_arrangement(
    arrangement: str, events: list[tuple[int, int, int]], tied: bool, count: int
) -> None:
    """A log, groups, and rows in no order are sorted alike: ties by knowledge time if given, then by position."""
    rows = _arranged(events, arrangement)
    codes = np.array([row[0] for row in rows], np.int32)
    time, known = (np.array([row[place] for row in rows], np.int64) for place in (1, 2))
    _with_every_size(lambda: _assert_sorted(codes, time, known if tied else None, count))


@pytest.mark.usefixtures("_worthwhile")
@pytest.mark.parametrize("arrangement", ["log", "shuffled", "grouped"])
@pytest.mark.parametrize("tied", [False, True])
def test_long_histories_of_many_entities(arrangement: str, tied: bool) -> None:
    """130,000 events of 100,000 entities, many at once, with strangers among them."""
    rng = np.random.default_rng(4)
    codes = rng.integers(-1, 100_000, 130_000, dtype=np.int32)
    time = rng.integers(0, 500, len(codes)) * 10**6
    known = time + rng.integers(0, 3, len(codes))
    if arrangement == "log":
        order = np.lexsort((known, time))
        codes, time, known = codes[order], time[order], known[order]
    if arrangement == "grouped":
        codes = np.sort(codes)
    _assert_sorted(codes, time, known if tied else None, 100_000)


def _ends(codes: np.ndarray, times: np.ndarray, found: Timeline, *, inclusive: bool) -> list[int]:
    """Where each row's history ends, entity by entity."""
    ends = []
    for code, moment in zip(codes.tolist(), times.tolist(), strict=True):
        first, last = (0, 0) if code < 0 else found.first[code : code + 2]
        inside = found.time[first:last]
        ends.append(int(first) + int(np.sum(inside <= moment if inclusive else inside < moment)))
    return ends


@given(
    st.lists(_EVENT, max_size=40) | st.lists(_FAR_EVENT, max_size=40),
    st.lists(st.tuples(st.integers(-1, 4), st.sampled_from([-(2**61), -4, -3, -1, 0, 1, 3, 4, 2**60, 2**61]))),
    st.booleans(),
)
@examples(10)
def test_searches(events: list[tuple[int, int, int]], asked: list[tuple[int, int]], inclusive: bool) -> None:
    """The end of a row's history is where counting its entity's events says, far outside of their times too."""
    codes, time = (np.array([row[place] for row in events], np.int64) for place in (0, 1))
    who, when = (np.array([row[place] for row in asked], np.int64) for place in (0, 1))
    found = sort_history(codes, time, None, 5)
    assert found.search(who, when, inclusive=inclusive).tolist() == (
        _ends(who, when, found, inclusive=inclusive) if len(events) and len(found.time) else [0] * len(asked)
    )


def test_an_axis_that_overflows_is_searched_inside_each_entity() -> None:
    """Entities times time beyond 62 bits have no axis, and the same order and ends as a copy that has one."""
    rng = np.random.default_rng(6)
    codes = rng.integers(0, 1000, 5000, dtype=np.int32)
    time = rng.integers(-50, 50, len(codes))
    who, when = rng.integers(-1, 1000, 2000), rng.integers(-60, 60, 2000)
    near, far = _assert_sorted(codes, time, None, 1000), _assert_sorted(codes, time * 2**53, None, 1000)
    assert near.axis is not None
    assert far.axis is None
    for inclusive in (False, True):
        ends = near.search(who, when, inclusive=inclusive)
        np.testing.assert_array_equal(far.search(who, when * 2**53, inclusive=inclusive), ends)
        assert ends.tolist() == _ends(who, when, near, inclusive=inclusive)


@pytest.mark.parametrize("beyond", [False, True])
def test_the_largest_axis(beyond: bool) -> None:
    """The last axis that fits and the first that doesn't agree."""
    count = 2**22
    span = timeline._LARGEST // count - (0 if beyond else 1)
    codes = np.array([0, count - 1, count - 1, 0, 5], np.int32)
    time = np.array([0, span - 3, 0, span - 3, 7])
    found = _assert_sorted(codes, time, None, count)
    assert (found.axis is None) == beyond
    who, when = np.array([0, count - 1, count - 1, 5, 4, 6]), np.array([span, span, 1, 7, 7, 7])
    assert found.search(who, when).tolist() == _ends(who, when, found, inclusive=False)


def test_no_entities_and_no_events() -> None:
    """Events of nobody, and nothing at all, give an empty timeline in which nobody finds anything."""
    for codes in ([], [-1, -1]):
        found = sort_history(np.array(codes, np.int32), np.arange(len(codes)), None, 0)
        assert (len(found.order), found.first.tolist()) == (0, [0])
        assert found.search(np.array([-1, -1]), np.array([0, 5])).tolist() == [0, 0]
        assert found.start(np.array([-1, -1])).tolist() == [0, 0]
