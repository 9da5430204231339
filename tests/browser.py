"""Pages in Debian's, or anybody's, Chromium: without network, at a given width, light or dark."""

import html
import json
import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: For `pytestmark`: a browser takes seconds, and isn't everywhere.
needs_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
PHONE, DESK = 390, 1200
_FLAGS = (
    "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync hide-scrollbars"
)
# A window can't be as narrow as a phone, a frame can; a frame's colour scheme is its page's.
_FRAME = """<!doctype html><meta charset="utf-8"><body style="margin: 0">
<script>
window.errors = [];
addEventListener("load", () => {{
  const frame = document.querySelector("iframe"), page = frame.contentDocument;
  const wide = element => element.getBoundingClientRect().width;
  const low = element => element.getBoundingClientRect().height;
  document.body.dataset.told = JSON.stringify({{
    errors: errors,
    loaded: frame.contentWindow.performance.getEntriesByType("resource")
      .filter(entry => !entry.name.startsWith("data:")).length,
    overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    hidden: [...page.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth).length,
    background: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
    images: [...page.images].map(image => image.naturalWidth),
    pictures: [...page.querySelectorAll("svg")].map(wide),
    bars: [...page.querySelectorAll("svg rect.bar")].map(bar => Math.min(wide(bar), low(bar))),
  }});
}});
</script>
<iframe style="border: 0; color-scheme: {scheme}" width="{width}" height="1600" srcdoc="{page}"></iframe>"""
_WATCH = """<script>
addEventListener("error", event => parent.errors.push(String(event.message || event.target.src)), true);
</script>"""


def browse(folder: Path, url: str, *options: str) -> bytes:
    """What Chromium prints of a page; no name resolves but this machine's. Its profile lies in `folder`."""
    command = [
        str(CHROMIUM),
        *(f"--{flag}" for flag in _FLAGS.split()),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={folder / 'browser'}",
        "--virtual-time-budget=10000",
        *options,
        url,
    ]
    return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout


def look(folder: Path, page: str, *, width: int = DESK, scheme: str = "light") -> dict[str, Any]:
    """What a page tells of itself as laid out at a width.

    `errors` and `loaded`: what failed, and how much it asked for beside itself; `overflow`: by how many pixels it is
    wider than the window; `hidden`: how many boxes have to be scrolled sideways; `background`: its colour; `images`:
    each one's width as decoded; `pictures`: each one's width; `bars`: each one's shorter side.
    """
    framed = folder / "framed.html"
    watched = html.escape(page.replace("<head>", f"<head>{_WATCH}", 1))
    framed.write_text(_FRAME.format(scheme=scheme, width=width, page=watched), encoding="utf-8")
    dom = browse(folder, framed.as_uri(), "--dump-dom").decode()
    found = re.search(r'data-told="([^"]*)"', dom)
    assert found is not None
    told: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    return told


def is_drawn(folder: Path, url: str) -> bool:
    """Whether a page's picture shows more than a few plain areas."""
    from PIL import Image

    shot = folder / "shot.png"
    browse(folder, url, f"--screenshot={shot}", "--window-size=1200,1600")
    pixels = np.asarray(Image.open(BytesIO(shot.read_bytes())).convert("RGB")).reshape(-1, 3)
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    return len(colours) > 50 and counts.max() < 0.98 * counts.sum()
