"""Vectors from state on a server are audited as those from a file are."""

import pytest
from feast.data_source import PushMode

from audit.serving_project import NOW, Shop, clicks
from command_line import Outcome, run_here
from projects import Project
from state_places import keep_state


@pytest.fixture(params=["redis", "postgres"])
def shop(request: pytest.FixtureRequest, project: Project) -> Shop:
    """A shop whose online state is kept by a server."""
    keep_state(request, project, request.param)
    return Shop(project).open()


def audit(shop: Shop, capfd: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> Outcome:
    """`storekeeper audit --json` in the shop."""
    capfd.readouterr()
    return Outcome(run_here(shop.project.root, ["audit", "--json"], patch), *capfd.readouterr())


def test_nothing_differs_on_a_server(
    shop: Shop, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a materialisation left there and what was pushed since, together, are served as training sees them."""
    pushed = clicks([(1, 0.4, 3.3), (1, 0.2, 1.7), (3, 0.1, 2.2)])
    shop.project.open().push("clicks", pushed, to=PushMode.ONLINE_AND_OFFLINE)
    shop.serve([1, 3, 4, 99])
    assert shop.read([1], NOW).column("clicks_7d").to_pylist() == [4]
    document = audit(shop, capfd, monkeypatch).done().document
    assert (document["vectors"], document["compared"], document["differing"]) == (4, 20, 0)


def test_late_on_a_server(shop: Shop, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """How far the server's state reached explains what a vector lacks."""
    shop.click((1, 0.4, 3.3), (3, 0.1, 2.2))
    shop.serve()
    document = audit(shop, capfd, monkeypatch).done().document
    assert (document["differing"], document["unexplained"]) == (6, 0)
    assert {one["causes"][0] for one in document["served"][0]["classes"]} == {"late"}
