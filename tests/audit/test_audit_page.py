"""The audit's page in a real browser without network: it renders, whole, with its pictures."""

from pathlib import Path

import pyarrow as pa

from audit.serving_project import Shop, replaced
from browser import PHONE, is_drawn, look, needs_browser
from projects import Project
from storekeeper.audit.page import write_page
from storekeeper.audit.report import audit_all

pytestmark = needs_browser


def test_the_page_in_a_browser(project: Project, tmp_path: Path) -> None:
    """Each view with differences has a picture whose bars are laid out; nothing is loaded, nothing fails."""
    shop = Shop(project).open()
    shop.click((1, 0.4, 3.3), (3, 0.1, 2.2))
    shop.serve(change=lambda table: replaced(table, "score", table.column("score").cast(pa.string())))
    page = tmp_path / "audit.html"
    write_page(audit_all(project.open(), shop.log, views=True), page)
    told = look(tmp_path, page.read_text(encoding="utf-8"))
    assert (told["errors"], told["loaded"]) == ([], 0)
    assert len(told["pictures"]) == 3
    assert min(told["pictures"]) > 300
    assert len(told["bars"]) >= 3
    assert min(told["bars"]) > 1
    assert is_drawn(tmp_path, page.as_uri())
    narrow = look(tmp_path, page.read_text(encoding="utf-8"), width=PHONE)
    assert (narrow["overflow"], narrow["hidden"]) == (0, 0)
