"""Pages for people, in a real browser without network: they render, whole."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
# The page's own words on what it drew: the width of each image as decoded, and every error.
_WATCH = """
<script>
const errors = [];
addEventListener("error", event => errors.push(String(event.message || event.target.src)), true);
addEventListener("load", () => {
  const told = {images: [...document.images].map(image => image.naturalWidth), errors: errors};
  document.body.dataset.told = JSON.stringify(told);
});
</script>
"""

Browse = Callable[..., bytes]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """`browse(url, "--dump-dom")` gives what Chromium prints."""

    def call(url: str, *options: str) -> bytes:
        flags = (
            "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
            "disable-component-update disable-sync hide-scrollbars"
        )
        command = [
            str(CHROMIUM),
            *(f"--{flag}" for flag in flags.split()),
            # No name resolves but this machine's.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={tmp_path / 'browser'}",
            "--virtual-time-budget=10000",
            *options,
            url,
        ]
        return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout

    return call


def shot(browse: Browse, url: str, path: Path) -> np.ndarray:
    """A page's picture, (height, width, 3) uint8."""
    from PIL import Image

    browse(url, f"--screenshot={path}", "--window-size=1200,1600")
    return np.asarray(Image.open(BytesIO(path.read_bytes())).convert("RGB"))


def is_drawn(picture: np.ndarray) -> bool:
    """Whether a picture shows more than a few plain areas."""
    colours, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    return len(colours) > 50 and counts.max() < 0.98 * counts.sum()


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


def test_report(ready_home: Path, browse: Browse, tmp_path: Path) -> None:
    """The report of a training run needs nothing beside itself: every model, and every picture decoded."""
    (report,) = (ready_home / "data" / "reports").glob("*.html")
    text = report.read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)
    page = tmp_path / "report.html"
    page.write_text(text.replace("<head>", f"<head>{_WATCH}", 1), encoding="utf-8")
    dom = browse(page.as_uri(), "--dump-dom").decode()
    told = json.loads(re.search(r'data-told="([^"]*)"', dom).group(1).replace("&quot;", '"'))  # type: ignore[union-attr]
    assert told["errors"] == []
    assert len(told["images"]) >= 6
    assert min(told["images"]) > 300
    assert all(model in dom for model in ("xgboost", "logistic", "rule"))
    assert is_drawn(shot(browse, report.as_uri(), tmp_path / "report.png"))


def test_front_page(served: str, browse: Browse, tmp_path: Path) -> None:
    """The server's front page tells its state, its models, and how to ask one."""
    dom = browse(f"{served}/", "--dump-dom").decode()
    assert "Status: <strong>ok</strong>" in dom
    assert all(f"<td>{model}" in dom for model in ("xgboost", "logistic", "rule"))
    assert f'curl -X POST "{served}/predict/purchase"' in dom
    assert is_drawn(shot(browse, f"{served}/", tmp_path / "front.png"))


def test_documentation(served: str, browse: Browse, tmp_path: Path) -> None:
    """The OpenAPI page renders without network: each route is there, and no error."""
    dom = browse(f"{served}/docs", "--dump-dom").decode()
    for route in ("/predict/{task}", "/health", "/tasks"):
        assert f'data-path="{route}"' in dom
    assert "Unable to render" not in dom
    assert is_drawn(shot(browse, f"{served}/docs", tmp_path / "docs.png"))
