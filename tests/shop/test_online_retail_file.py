"""Online Retail's file is found and read, whichever of its public forms it has; where it isn't, the message helps."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from projects import Project
from storekeeper.cli import main
from storekeeper.errors import NotFoundError, SettingError, SourceError
from storekeeper.settings import Settings
from storekeeper.shop.behaviour import open_behaviour
from storekeeper.shop.online_retail import find_file, load_online_retail
from storekeeper.shop.online_retail_categories import CATEGORIES, categorise

LINES = pd.DataFrame(
    {
        "InvoiceNo": ["536365", "C536400"],
        "StockCode": ["22970", "22970"],
        "Description": ["MUG £1, “BEST”", "MUG £1, “BEST”"],
        "Quantity": [6, -1],
        "InvoiceDate": pd.to_datetime(["2010-12-01 08:26", "2010-12-13 15:05"]),
        "UnitPrice": [2.55, 2.55],
        "CustomerID": [17850, 17850],
        "Country": ["France", "France"],
    }
)


def write_public_csv(file: Path, encoding: str) -> None:
    """In the form of the public file: dates the American way."""
    dates = ["12/1/2010 8:26", "12/13/2010 15:05"]
    text = LINES.assign(InvoiceDate=dates).to_csv(index=False).replace("“", "'").replace("”", "'")
    file.write_text(text, encoding=encoding)


def events_of(settings: Settings, file: Path) -> list[tuple[object, ...]]:
    """What a load of the file writes."""
    load_online_retail(settings, str(file), force=True)
    with open_behaviour(settings.behaviour_path) as connection:
        return connection.execute("FROM events").fetchall()


@pytest.mark.parametrize("encoding", ["utf8", "latin1"])
def test_csv_says_the_same_as_parquet(settings: Settings, tmp_path: Path, encoding: str) -> None:
    """Dates of the public form and either encoding give the very same events."""
    LINES.to_parquet(tmp_path / "lines.parquet")
    write_public_csv(tmp_path / "lines.csv", encoding)
    expected = events_of(settings, tmp_path / "lines.parquet")
    assert len(expected) == 2
    assert events_of(settings, tmp_path / "lines.csv") == expected


def test_a_broken_date_is_quoted_as_it_came(settings: Settings, tmp_path: Path) -> None:
    """Text that is no date is set aside with the text."""
    LINES.assign(InvoiceDate=["soon", "2010-12-13 15:05:00"]).to_csv(tmp_path / "lines.csv", index=False)
    report = load_online_retail(settings, str(tmp_path / "lines.csv"))
    assert report.rejects == {"invoice_lines": {"InvoiceDate is missing or no timestamp": 1}}
    with open_behaviour(settings.behaviour_path) as connection:
        assert connection.execute("SELECT row->>'InvoiceDate' FROM rejects").fetchall() == [("soon",)]


def test_excel_without_its_reader_says_what_to_install(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is named, and the way around."""
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "Online Retail.xlsx").write_bytes(b"PK")
    with pytest.raises(SourceError, match=r"pip install openpyxl, or save the sheet as CSV"):
        load_online_retail(settings, str(tmp_path))


@pytest.mark.parametrize(
    ("name", "told"), [("lines.parquet", "can't be read as .parquet"), ("lines.txt", "end in '.csv', '.parquet'")]
)
def test_an_unreadable_file_is_refused(settings: Settings, tmp_path: Path, name: str, told: str) -> None:
    """A file that isn't what its name says, or of an unknown kind."""
    (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(SourceError, match=told):
        load_online_retail(settings, str(tmp_path / name))


def test_a_folder_leads_to_its_file(tmp_path: Path) -> None:
    """Parquet goes before CSV, Online Retail II is passed over, and the setting leads to its folder."""
    folder = tmp_path / "online_retail"
    folder.mkdir()
    for name in ("Online Retail.csv", "online_retail_II.parquet", "other.parquet"):
        (folder / name).touch()
    assert find_file(str(folder)).name == "Online Retail.csv"
    (folder / "online_retail_2010_2011.parquet").touch()
    expected = folder / "online_retail_2010_2011.parquet"
    assert find_file(None, {"STOREKEEPER_DATASETS": str(tmp_path)}) == expected
    assert find_file(str(folder), {}) == expected
    assert find_file(str(folder / "other.parquet")) == folder / "other.parquet"


def test_nowhere_to_look_says_where_the_public_file_is(tmp_path: Path) -> None:
    """Without a path and without the setting, and where nothing is found."""
    public = r"UCI Machine Learning Repository, Online Retail, id 352"
    with pytest.raises(SettingError, match=rf"--from PATH.*STOREKEEPER_DATASETS.*{public}"):
        find_file(None, {})
    with pytest.raises(NotFoundError, match=rf"no file or folder '.*absent'.*{public}"):
        find_file(str(tmp_path / "absent"))
    with pytest.raises(NotFoundError, match=rf"holds no file named 'online_retail'.*It has nothing.*{public}"):
        find_file(str(tmp_path))


def test_the_command_loads_from_a_path(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`--from` leads to the file, and `--json` prints the report alone."""
    LINES.to_parquet(tmp_path / "lines.parquet")
    monkeypatch.setenv("STOREKEEPER_HOME", str(project.root))
    arguments = ["load", "online-retail", "--from", str(tmp_path / "lines.parquet"), "--json"]
    monkeypatch.setattr(sys, "argv", ["storekeeper", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert json.loads(capfd.readouterr().out)["events"] == {"purchase": 1, "return": 1}


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("JUMBO BAG RED RETROSPOT", ("bags", "BAG")),
        ("SET OF 3 CAKE TINS PANTRY DESIGN", ("tins", "TINS")),
        ("JAM MAKING SET WITH JARS", ("bottles and jars", "JARS")),
        ("WHITE WITH METAL BAG CHARM", ("jewellery", "CHARM")),
        ("MUG WITH CANDLE", ("cups and mugs", "MUG")),
        ("RETROSPOT HEART MUG", ("cups and mugs", "MUG")),
        ("heart of wicker small", ("hearts and stars", "HEART")),
        ("lost", ("other", None)),
        (None, ("other", None)),
    ],
)
def test_words_tell_the_category(title: str | None, told: tuple[str, str | None]) -> None:
    """The last thing named counts, before an aside if there is one; motifs only where no thing is named."""
    assert categorise(title) == told
    assert told[0] in CATEGORIES
