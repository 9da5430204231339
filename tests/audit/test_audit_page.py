"""The audit's page in a real browser without network: it renders, whole, with its pictures."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from audit.serving_project import Shop, replaced
from projects import Project
from storekeeper.audit.page import write_page
from storekeeper.audit.report import audit_all

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
_FLAGS = "headless no-sandbox disable-gpu no-first-run disable-background-networking disable-sync hide-scrollbars"
# The page's own words on what it drew: size of each picture's bars as laid out, what it loaded, and every error.
_WATCH = """
<script>
const errors = [];
addEventListener("error", event => errors.push(String(event.message || event.target.src)), true);
addEventListener("load", () => {
  const bars = [...document.querySelectorAll("svg rect")].map(bar => bar.getBoundingClientRect());
  const told = {
    pictures: [...document.querySelectorAll("svg")].map(svg => svg.getBoundingClientRect().width),
    bars: bars.map(bar => Math.min(bar.width, bar.height)),
    loaded: performance.getEntriesByType("resource").length,
    errors: errors,
  };
  document.body.dataset.told = JSON.stringify(told);
});
</script>
"""


def browse(folder: Path, url: str, *options: str) -> bytes:
    """What Chromium prints of a page; no name resolves."""
    command = [
        str(CHROMIUM),
        *(f"--{flag}" for flag in _FLAGS.split()),
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'browser'}",
        "--virtual-time-budget=10000",
        *options,
        url,
    ]
    return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout


def test_the_page_in_a_browser(project: Project, tmp_path: Path) -> None:
    """Each view with differences has a picture whose bars are laid out; nothing is loaded, nothing fails."""
    from PIL import Image

    shop = Shop(project).open()
    shop.click((1, 0.4, 3.3), (3, 0.1, 2.2))
    shop.serve(change=lambda table: replaced(table, "score", table.column("score").cast(pa.string())))
    page, watched = tmp_path / "audit.html", tmp_path / "watched.html"
    write_page(audit_all(project.open(), shop.log, views=True), page)
    watched.write_text(page.read_text(encoding="utf-8").replace("<head>", f"<head>{_WATCH}", 1), encoding="utf-8")
    dom = browse(tmp_path, watched.as_uri(), "--dump-dom").decode()
    found = re.search(r'data-told="([^"]*)"', dom)
    assert found is not None
    told = json.loads(found.group(1).replace("&quot;", '"'))
    assert (told["errors"], told["loaded"]) == ([], 0)
    assert len(told["pictures"]) == 3
    assert min(told["pictures"]) > 300
    assert len(told["bars"]) >= 3
    assert min(told["bars"]) > 1
    shot = tmp_path / "shot.png"
    browse(tmp_path, page.as_uri(), f"--screenshot={shot}", "--window-size=1200,1600")
    colours, counts = np.unique(np.asarray(Image.open(shot).convert("RGB")).reshape(-1, 3), axis=0, return_counts=True)
    assert len(colours) > 50
    assert counts.max() < 0.98 * counts.sum()
