"""Pages as HTML files: whole or not at all, of text that never becomes markup."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from storekeeper import __version__
from storekeeper.pages import render_page, spoken, write_page

PAPER = ("pages.paper", "paper.html")
CONTENT: dict[str, Any] = {
    "headline": "A paper",
    "now": datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
    "columns": [("view", "name"), ("values", "")],
    "rows": [["first", 1], ["second", 2]],
}


def test_a_page() -> None:
    """A package's template has the shared look, filters and parts, and needs nothing beside itself."""
    page = render_page(*PAPER, CONTENT)
    assert page.startswith("<!doctype html>")
    assert "<title>A paper · paper</title>" in page
    assert "prefers-color-scheme: dark" in page
    assert "2020-01-02 03:04:05" in page
    assert '<th class="name">view</th><th>values</th>' in page
    assert '<td class="name" data-title="view">first</td><td data-title="values">1</td>' in page
    assert f"Storekeeper {__version__}</footer>" in page
    assert not any(word in page for word in ("src=", "href=", "url(", "@import", "<script", "<link"))


def test_text_is_never_markup() -> None:
    """Text is escaped in the page, in the parts, and in titles that are repeated in attributes."""
    bad = "\"><script>alert('x')</script>"
    page = render_page(*PAPER, CONTENT | {"headline": bad, "columns": [(bad, "name")], "rows": [[bad]]})
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 5


def test_what_the_content_lacks() -> None:
    """A template that asks for what there isn't fails, as does a row with too few cells, or a page of no template."""
    for lacking in ({name: CONTENT[name] for name in ("now", "columns", "rows")}, CONTENT | {"rows": [["first"]]}):
        with pytest.raises(UndefinedError):
            render_page(*PAPER, lacking)
    with pytest.raises(TemplateNotFound):
        render_page("pages.paper", "none.html", CONTENT)


def test_a_file(tmp_path: Path) -> None:
    """The file holds the page, in a folder that is made; one that was there is replaced; nothing else is left."""
    path = tmp_path / "out" / "paper.html"
    for headline in ("One", "Ünlike"):
        content = CONTENT | {"headline": headline}
        write_page(path, *PAPER, content)
        assert path.read_text(encoding="utf-8") == render_page(*PAPER, content)
    assert [entry.name for entry in path.parent.iterdir()] == ["paper.html"]


def test_a_file_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails, in the template or on disk, leaves the file that was there, and no half one beside it."""
    path = tmp_path / "paper.html"
    write_page(path, *PAPER, CONTENT)
    before = path.read_bytes()
    with pytest.raises(UndefinedError):
        write_page(path, *PAPER, {})

    def full(self: Path, _: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_page(path, *PAPER, CONTENT | {"headline": "Another"})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (spoken.moment(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)), "2020-01-02 03:04"),
        (spoken.second(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)), "2020-01-02 03:04:05"),
        (spoken.span(timedelta(days=2, hours=3, minutes=59)), "2 d 3 h"),
        (spoken.number(1_234_567), "1,234,567"),
        (spoken.number(2**62 + 1), "4,611,686,018,427,387,905"),
        (spoken.number(1999.6), "2,000"),
        (spoken.share(0.125), "12.5%"),
        (spoken.figure(0.12345), "0.123"),
        (spoken.figure(0.12345, 4), "0.1235"),
        (spoken.chance(1e-12), "<0.001"),
    ],
)  # fmt: skip
def test_figures_as_people_read_them(told: str, expected: str) -> None:
    """Each filter rounds and groups as its name says."""
    assert told == expected


@pytest.mark.parametrize("name", ["chance", "figure", "moment", "number", "second", "share", "span"])
def test_what_is_not_known(name: str) -> None:
    """Null is a dash in every filter."""
    assert getattr(spoken, name)(None) == "-"
