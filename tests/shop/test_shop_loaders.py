"""Loaders are found by name, and their reports can be kept as JSON."""

import json
from datetime import UTC, datetime

import pytest

from storekeeper.errors import NotFoundError
from storekeeper.shop import LOADERS, LoadReport, find_loader

REPORT = LoadReport(
    loader="complete-journey",
    source_fingerprint="f",
    started_at=datetime(2017, 12, 25, tzinfo=UTC),
    finished_at=datetime(2017, 12, 25, 0, 0, 5, 1, tzinfo=UTC),
    seconds=5.0,
    rows_read={"transactions": 5},
    events={"purchase": 2, "offer_received": 1},
    tables={"customers": 1},
    rejects={"transactions": {"quantity is not positive": 2}, "coupons": {"exact duplicate": 1}},
)


def test_loaders_are_found_by_name() -> None:
    """Each is registered under the name that it carries and has a line to show."""
    for name, loader in LOADERS.items():
        assert find_loader(name) is loader
        assert loader.name == name
        assert loader.summary


def test_an_unknown_loader_lists_those_that_exist() -> None:
    """The error names all loaders."""
    with pytest.raises(NotFoundError, match=r"no loader 'shopify'. There are 'complete-journey'"):
        find_loader("shopify")


def test_a_report_survives_json() -> None:
    """What `as_dict` gives is plain JSON and reads back as the same report."""
    assert LoadReport.from_dict(json.loads(json.dumps(REPORT.as_dict()))) == REPORT


def test_a_report_sums_up() -> None:
    """Totals go over all event types, and over all sources and reasons."""
    assert (REPORT.event_count, REPORT.reject_count) == (3, 3)
