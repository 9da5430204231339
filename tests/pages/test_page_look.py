"""The look that pages share, in a real browser: on a phone, by day and by night."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from browser import DESK, PHONE, look, needs_browser
from storekeeper.pages import render_page

pytestmark = needs_browser
_TITLES = ["compared", "differ", "first served (UTC)", "last served (UTC)"]
_COLUMNS = [("view", "name"), ("evidence", "told"), *((title, "") for title in _TITLES)]
_CELLS = ["customer_category_affinity", "A word on what came of it, " * 5, *["2017-12-31 00:00:00"] * len(_TITLES)]


@pytest.fixture
def page() -> str:
    """A page with a table of many columns."""
    content = {
        "headline": "A paper",
        "now": datetime(2020, 1, 1, tzinfo=UTC),
        "columns": _COLUMNS,
        "rows": [_CELLS] * 3,
    }
    return render_page("pages.paper", "paper.html", content)


@pytest.mark.parametrize(("width", "hidden"), [(PHONE, 0), (700, 1), (DESK, 0)], ids=["phone", "between", "desk"])
def test_wide_tables(page: str, tmp_path: Path, width: int, hidden: int) -> None:
    """A table is never wider than its page: on a phone each row is a list, in between it scrolls in its own box."""
    told = look(tmp_path, page, width=width)
    assert (told["errors"], told["loaded"], told["overflow"], told["hidden"]) == ([], 0, 0, hidden)


def test_by_day_and_by_night(page: str, tmp_path: Path) -> None:
    """The page is light or dark as its reader's system is."""
    light, dark = (look(tmp_path, page, scheme=scheme)["background"] for scheme in ("light", "dark"))
    assert (light, dark) == ("rgb(246, 247, 249)", "rgb(14, 17, 22)")
