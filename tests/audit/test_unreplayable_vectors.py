"""Served vectors that can't be replayed, or not in full: told, never taken for proof, and no harm to the others."""

import linecache
from typing import Any

import pyarrow as pa
import pytest

from audit.serving_project import DECLARED, Shop, moment, replaced
from projects import HEADER, Project
from storekeeper.audit.report import AuditReport, audit_all
from storekeeper.cli.audit_commands import check
from storekeeper.errors import CheckFailedError


@pytest.fixture
def shop(project: Project) -> Shop:
    """A shop that serves what training would see."""
    return Shop(project).open()


def report_of(shop: Shop) -> AuditReport:
    """The audit of all that was served."""
    return audit_all(shop.project.open(), shop.log, views=False)


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        ("user_id", pa.array(["1"]), "takes 'user_id' as int64, and string was given then"),
        ("price", pa.array(["9.9"]), "takes 'price' as double, and string was given then"),
    ],
)
def test_keys_and_context_of_another_type(shop: Shop, name: str, column: Any, reason: str) -> None:
    """One vector whose keys or context are of another type fails the audit by name; the others are compared."""
    shop.serve()
    shop.serve([1], lambda table: replaced(table, name, column))
    report = report_of(shop)
    (audit,) = report.served
    assert reason in audit.skipped
    assert (audit.vectors, audit.compared, audit.unproven) == (5, 4 * 5, True)
    with pytest.raises(CheckFailedError, match="service 'shop' could not be compared"):
        check(report)


def test_a_feature_that_was_not_logged(shop: Shop) -> None:
    """A vector that lacks a feature under the present definition isn't proven, though the rest of it agrees."""
    shop.serve([1], lambda table: table.drop(["tier"]))
    report = report_of(shop)
    assert (report.compared, report.differing) == (4, 0)
    assert "lacks 'tier'" in report.served[0].skipped
    with pytest.raises(CheckFailedError, match="lacks 'tier'"):
        check(report)


def test_nothing_could_be_compared(shop: Shop) -> None:
    """Vectors none of which could be replayed aren't called none at all."""
    shop.serve([1], lambda table: table.drop(["user_id"]))
    report = report_of(shop)
    assert "asks for 'user_id', which wasn't given then" in report.served[0].skipped
    assert report.proof() == "Nothing that was served under the present definitions could be compared."


def test_an_entity_of_another_type_by_now(shop: Shop) -> None:
    """Vectors from before an entity's type was changed are told as served under another definition; nothing fails."""
    shop.serve()
    sources = {"user_id": ["1"], "at": [moment(1)], "price": [1.0]}
    shop.project.add_duckdb("clicks", sources)
    shop.project.add_duckdb("profiles", {"user_id": ["1"], "since": [moment(1)], "tier": ["a"], "score": [0.1]})
    linecache.clearcache()
    header = HEADER.replace("ValueType.INT64", "ValueType.STRING")
    shop.project.declare(DECLARED.format(days=7, ttl=2, plus=1, known=""), header=header)
    shop.project.open().apply_repo()
    report = report_of(shop)
    (audit,) = report.served
    assert "takes 'user_id' as string, and int64 was given then" in audit.skipped
    assert (audit.redefined, audit.unproven, audit.compared) == (True, False, 0)
    check(report)
