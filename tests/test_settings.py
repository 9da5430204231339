"""Settings: where things lie."""

from pathlib import Path

import pytest

from projects import NOW, Project
from storekeeper.errors import SettingError
from storekeeper.settings import Settings, expand_references, find_home, rooted_url


def test_home_is_found_from_anywhere_inside(project: Project) -> None:
    """The root is found from itself, from the repo, from deep below, and by the variable."""
    deep = project.root / "docs" / "a"
    deep.mkdir(parents=True)
    for start in (project.root, project.repo, deep):
        assert find_home(start, {}) == project.root
    assert find_home(Path("/"), {"STOREKEEPER_HOME": str(project.root)}) == project.root


def test_home_follows_links(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A link to a project is the project."""
    link = tmp_path_factory.mktemp("links") / "link"
    link.symlink_to(project.root)
    assert find_home(link, {}) == project.root


def test_no_home_names_the_variable(tmp_path: Path) -> None:
    """Without a project, the message says what was looked for and which variable names it."""
    with pytest.raises(SettingError, match=r"feature_repo/feature_store.yaml.*STOREKEEPER_HOME"):
        find_home(tmp_path, {})


def test_settings_come_from_the_project(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths start at the root; the clock is the online store's; the database is SQLite unless a variable says else."""
    monkeypatch.chdir(project.repo)
    settings = Settings.load(env={})
    assert settings.home == project.root
    assert settings.database_url == f"sqlite:///{project.root}/data/shop.db"
    assert settings.clock.now() == NOW
    assert settings.behaviour_path == project.root / "data" / "behaviour.duckdb"
    folders = (settings.datasets_dir, settings.models_dir, settings.reports_dir, settings.served_dir)
    assert {folder.parent for folder in folders} == {settings.data_dir}


def test_variables_win(project: Project) -> None:
    """The environment's database and clock are in force."""
    env = {"STOREKEEPER_DATABASE_URL": "sqlite:///elsewhere.db", "STOREKEEPER_CLOCK": "wall"}
    settings = Settings.load(project.root, env)
    assert settings.database_url == f"sqlite:///{project.root}/elsewhere.db"
    assert settings.clock.fixed is None


@pytest.mark.parametrize("clock", ["2020-03-01T00:00:00Z", "2020-03-01"])
def test_a_clock_without_quotes_is_a_clock(project: Project, clock: str) -> None:
    """YAML reads a bare instant as a date; it is the same clock to the settings and to Feast."""
    file = project.repo / "feature_store.yaml"
    file.write_text(file.read_text().replace(f'"{NOW.isoformat()}"', clock))
    assert Settings.load(project.root, {}).clock.now() == NOW
    assert project.open().clock.now() == NOW


@pytest.mark.parametrize("text", ["online_store: [", "- a list", "just text"])
def test_a_broken_configuration_is_refused(project: Project, text: str) -> None:
    """A feature_store.yaml that is no mapping names the file."""
    (project.repo / "feature_store.yaml").write_text(text)
    with pytest.raises(SettingError, match=r"feature_store\.yaml"):
        Settings.load(project.root, {})


def test_an_impossible_clock_in_the_configuration_is_refused(project: Project) -> None:
    """So is a clock that is none."""
    project.configure(clock="noon")
    with pytest.raises(SettingError, match="Received: 'noon'"):
        Settings.load(project.root, {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${A}", "a"),
        ("x${A}y${B:-b}z", "xaybz"),
        ("${EMPTY:-default}", "default"),
        ("${NONE:-}", ""),
        ("$A ${", "$A ${"),
        ("${NONE:-postgresql://u@h/db?x=1:2}", "postgresql://u@h/db?x=1:2"),
    ],
)
def test_references_are_looked_up(text: str, value: str) -> None:
    """Variables, defaults and text around them."""
    assert expand_references(text, {"A": "a", "EMPTY": ""}) == value


def test_a_missing_variable_is_named_and_nothing_else_shown() -> None:
    """The message names the variable but not the text around it, which may hold a password."""
    with pytest.raises(SettingError, match="HOST") as caught:
        expand_references("postgresql://anna:geheim@${HOST}/db", {})
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "rooted"),
    [
        ("sqlite:///data/a.db", "sqlite:////home/data/a.db"),
        ("sqlite:////data/a.db", "sqlite:////data/a.db"),
        ("sqlite+pysqlite:///a.db?timeout=3", "sqlite+pysqlite:////home/a.db?timeout=3"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("postgresql://h/db", "postgresql://h/db"),
    ],
)
def test_relative_databases_start_at_the_root(url: str, rooted: str) -> None:
    """Only SQLite paths that are relative are moved."""
    assert rooted_url(url, Path("/home")) == rooted
