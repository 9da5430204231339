"""Pictures of the page, and words for people."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from storekeeper.monitor import pictures
from storekeeper.monitor.drift import Distribution, compare_feature
from storekeeper.monitor.limits import Limits
from storekeeper.pages.spoken import span


def distribution(training: list[float] | list[str], served: list[float] | list[str]) -> Distribution:
    found = compare_feature("f", pa.chunked_array([training]), pa.chunked_array([served]), Limits()).distribution
    assert found is not None
    return found


def test_bars_have_the_lengths_of_their_shares() -> None:
    """The longest bar fills its width, others are in proportion, and bins without rows are left out."""
    rows = pictures.bar_rows(distribution(["a"] * 3 + ["b"], ["a"] * 2 + ["b"] * 2))
    full = pictures.WIDTH - pictures.LABEL_WIDTH - pictures.SHARE_WIDTH
    assert [row.label for row in rows] == ["a", "b"]
    assert [row.training for row in rows] == [pytest.approx(full, abs=0.1), pytest.approx(full / 3, abs=0.1)]
    assert [row.served for row in rows] == [pytest.approx(full * 2 / 3, abs=0.1)] * 2
    assert rows[1].told == "b: 25.00% in training, 50.00% served"
    assert [row.top for row in rows] == [0, pictures.ROW_HEIGHT]


def test_long_names_are_cut() -> None:
    """A long category is cut in the picture and whole in its words."""
    (row,) = pictures.bar_rows(distribution(["x" * 80], ["x" * 80]))
    assert len(row.label) == 22
    assert row.full == "x" * 80


def test_lines_stay_inside_the_box() -> None:
    """Both lines rise from left to right within the box, and the widest gap is marked between them."""
    rng = np.random.default_rng(7)
    found = distribution(rng.normal(size=500).tolist(), rng.normal(1.0, size=500).tolist())
    assert found.curves is not None
    picture = pictures.curve_picture(found.curves)
    for line in (picture.training, picture.served):
        across, down = np.array([tuple(map(float, point.split(","))) for point in line.split()]).T
        assert across.min() >= 0
        assert across.max() <= pictures.WIDTH
        assert down.min() >= 0
        assert down.max() <= pictures.CURVE_HEIGHT
        assert (np.diff(across) > 0).all()
        assert (np.diff(down) <= 0).all()
    assert picture.widest is not None
    assert 0 < picture.widest < pictures.WIDTH


@pytest.mark.parametrize("served", [[5.0] * 9, [float("inf")] * 9], ids=["constant", "infinite"])
def test_constants_and_infinities_have_a_picture(served: list[float]) -> None:
    """A feature without any spread, or without end, is drawn all the same, with no gap marked."""
    found = distribution([5.0] * 9, served)
    assert found.curves is not None
    assert pictures.curve_picture(found.curves).widest is None


def test_spans() -> None:
    """Spans are told in their two largest units; those that lie ahead as such."""
    told = [span(timedelta(seconds=seconds)) for seconds in (0, 59.9, 3600, 90061, -120)]
    assert told == ["0 s", "59 s", "1 h", "1 d 1 h", "in 2 min"]
