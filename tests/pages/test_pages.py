"""Pages for people, in a real browser without network: they render, whole."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from browser import PHONE, browse, is_drawn, look, needs_browser

pytestmark = needs_browser


@pytest.fixture(scope="module")
def served(ready_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of `storekeeper serve` over the synthetic shop."""
    home = tmp_path_factory.mktemp("served") / "shop"
    shutil.copytree(ready_home, home)
    command = [str(Path(sys.executable).with_name("storekeeper")), "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().removeprefix("Serving on ").strip()
        finally:
            process.terminate()


def test_report(ready_home: Path, tmp_path: Path) -> None:
    """The report of a training run needs nothing beside itself: every model, and every picture decoded."""
    (report,) = (ready_home / "data" / "reports").glob("*.html")
    text = report.read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)
    told = look(tmp_path, text)
    assert (told["errors"], told["loaded"]) == ([], 0)
    assert len(told["images"]) >= 6
    assert min(told["images"]) > 300
    assert all(model in text for model in ("xgboost", "logistic", "rule"))
    assert is_drawn(tmp_path, report.as_uri())
    narrow = look(tmp_path, text, width=PHONE)
    assert (narrow["overflow"], narrow["hidden"]) == (0, 0)


def test_front_page(served: str, tmp_path: Path) -> None:
    """The server's front page tells its state, its models, and how to ask one."""
    dom = browse(tmp_path, f"{served}/", "--dump-dom").decode()
    assert "Status: <strong>ok</strong>" in dom
    assert all(f'data-title="model">{model}' in dom for model in ("xgboost", "logistic", "rule"))
    assert f'curl -X POST "{served}/predict/purchase"' in dom
    assert is_drawn(tmp_path, f"{served}/")
    with urlopen(f"{served}/") as answer:  # noqa: S310
        narrow = look(tmp_path, answer.read().decode(), width=PHONE)
    assert (narrow["errors"], narrow["overflow"], narrow["hidden"]) == ([], 0, 0)


def test_documentation(served: str, tmp_path: Path) -> None:
    """The OpenAPI page renders without network: each route is there, and no error."""
    dom = browse(tmp_path, f"{served}/docs", "--dump-dom").decode()
    for route in ("/predict/{task}", "/health", "/tasks"):
        assert f'data-path="{route}"' in dom
    assert "Unable to render" not in dom
    assert is_drawn(tmp_path, f"{served}/docs")
