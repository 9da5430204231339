"""The kernel's paths for large histories, forced on small ones: two cores, squeezed words, blocks, no axis."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib import import_module
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given

from oracle import sql_oracle
from oracle.compare import assert_features_agree, assert_rows_agree
from oracle.shops import KNOWN_TIME, Shop, examples, shops
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature, as_of, evaluate, order, parallel, ranges, timeline, windowed
from storekeeper.history import keys as keys_module

# The package hands out a function of the module's own name.
_WINDOWED = import_module("storekeeper.history.windowed")

#: What is forced, by name: (module, constant, value).
FORCED: dict[str, list[tuple[Any, str, Any]]] = {
    "two cores": [],
    "hashed keys": [(keys_module, "_TABLE_SLACK", -(2**40)), (keys_module, "_LARGEST", 1)],
    "no axis": [(timeline, "_LARGEST", 0)],
    "words without room": [(order, "_WORD_BITS", 8)],
    "everything walked": [(ranges, "_STEPS_AN_ELEMENT", 10**9)],
    "nothing walked": [(ranges, "_STEPS_AN_ELEMENT", -1), (ranges, "_ELEMENTS_AT_ONCE", 1)],
    "sums by blocks": [(evaluate, "_SUM_BOUND", -1.0)],
    "few pairs at once": [(_WINDOWED, "_PAIRS_PER_CHUNK", 1)],
}
each_path = pytest.mark.parametrize("path", FORCED)


@contextmanager
def _forced(path: str) -> Iterator[None]:
    """Two threads for anything, and one of the rare paths."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (parallel, order):
            patch.setattr(module, "WORTHWHILE", 0)
        patch.setattr(parallel, "cores", lambda: 2)
        for module, constant, value in FORCED[path]:
            assert hasattr(module, constant)
            patch.setattr(module, constant, value)
        yield


def _kernel(shop: Shop) -> pa.Table:
    arguments: dict[str, Any] = shop.windowed_arguments
    arguments["features"] = [WindowFeature(**asdict(feature)) for feature in shop.features]
    return windowed(shop.events, shop.spine, **arguments)


def _assert_as_the_oracle(shop: Shop, path: str) -> None:
    try:
        expected = sql_oracle.windowed(shop.events, shop.spine, **shop.windowed_arguments)
    except OverflowError:
        with _forced(path), pytest.raises(DataError):
            _kernel(shop)
        return
    tolerances = sql_oracle.windowed(shop.events, shop.spine, **shop.windowed_arguments, tolerances=True)
    with _forced(path):
        found = _kernel(shop)
    assert_features_agree(found, expected, shop.features, tolerances)


@each_path
@given(shops())
@examples()
def test_windows_are_the_oracles(path: str, shop: Shop) -> None:
    """Every windowed feature is what naive SQL says, on the paths that only large shops take."""
    _assert_as_the_oracle(shop, path)


@each_path
@given(shops(sums_of_big=False))
@examples(0.5)
def test_windows_under_cutoff_are_the_oracles(path: str, shop: Shop) -> None:
    """So it is where what was known later is hidden."""
    _assert_as_the_oracle(replace(shop, cutoff=True, known_time=KNOWN_TIME), path)


@each_path
@given(shops())
@examples()
def test_latest_values_are_the_oracles(path: str, shop: Shop) -> None:
    """Every latest value is what naive SQL says, on the same paths."""
    expected = sql_oracle.as_of(shop.events, shop.spine, **shop.as_of_arguments)
    with _forced(path):
        found = as_of(shop.events, shop.spine, **shop.as_of_arguments)
    assert_rows_agree(found, expected)


@given(shops(sums_of_big=False, max_events=60))
@examples()
def test_cores_change_no_bit(shop: Shop) -> None:
    """One core and two give the same bits."""
    alone = _kernel(shop)
    with _forced("two cores"):
        together = _kernel(shop)
    assert together.equals(alone)


def test_an_error_of_one_thread_is_the_callers() -> None:
    """What goes wrong on another core is raised where the features were asked for."""

    def fail(item: int) -> int:
        if item == 1:
            raise DataError("no such thing")
        return item

    with _forced("two cores"):
        with pytest.raises(DataError, match="no such thing"):
            parallel.side_by_side(fail, range(3), rows=10)
        assert parallel.side_by_side(str, range(5), rows=10) == ["0", "1", "2", "3", "4"]
        assert parallel.side_by_side(str, [], rows=10) == []
