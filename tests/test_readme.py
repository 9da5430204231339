"""README.md does what it says: every snippet runs, every command, setting and file that it names exists."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from projects import Project
from synthetic_shop import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
_URL = "http://127.0.0.1:8000"


class Block(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str


BLOCKS = [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]
DECLARATION = next(text for language, text in BLOCKS if language == "python" and text.startswith("# feature_repo/"))
SHELL = [text for language, text in BLOCKS if language == "bash" and not text.startswith("curl")]
CURL = [text for language, text in BLOCKS if language == "bash" and text.startswith("curl")]
EXAMPLE = next(text for language, text in BLOCKS if language == "python" and text.startswith("def test_"))
PYTHON = [text for language, text in BLOCKS if language == "python" and text not in {DECLARATION, EXAMPLE}]


def shell(home: Path, text: str) -> str:
    """Run a block as a shell with the environment activated would; returns its stdout."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", text]
    ended = subprocess.run(
        command, cwd=home, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def home(ready_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the synthetic shop in which the reader has declared the README's feature."""
    copy = tmp_path_factory.mktemp("readme") / "shop"
    shutil.copytree(ready_home, copy)
    name = DECLARATION.split(maxsplit=2)[1]
    (copy / name).write_text(DECLARATION, encoding="utf-8")
    for text in SHELL:
        shell(copy, text)
    return copy


def test_every_block_is_tested() -> None:
    """No block is of a kind that no test here runs."""
    assert {block.language for block in BLOCKS} == {"console", "mermaid", "python", "bash"}
    assert (len(SHELL), len(CURL), len(PYTHON)) == (1, 1, 4)


def test_unit_test_of_a_feature(tmp_path: Path) -> None:
    """The README's example of a test passes on the README's feature."""
    from storekeeper.testing import FeatureRepo

    repo = tmp_path / "feature_repo"
    shutil.copytree(ROOT / "feature_repo", repo, ignore=shutil.ignore_patterns("__pycache__"))
    (repo / "peak_views.py").write_text(DECLARATION, encoding="utf-8")
    names: dict[str, object] = {}
    exec(compile(EXAMPLE, "README.md", "exec"), names)  # noqa: S102  (the README's own)
    names["test_peaks"](FeatureRepo.load(repo))  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize("text", PYTHON, ids=["push", "scikit-learn", "torch", "reader"])
def test_python_snippets(text: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each Python snippet runs at the project's root, once the declared feature is live."""
    if "import torch" in text:
        pytest.importorskip("torch")
    monkeypatch.chdir(home)
    names: dict[str, object] = {}
    exec(compile(text, "README.md", "exec"), names)  # noqa: S102  (the README's own)
    if "training" in names:
        assert len(names["training"]) == 1000  # type: ignore[arg-type]
        assert names["training"]["baskets_28d"].sum() > 0  # type: ignore[index]
    if "scores" in names:
        assert tuple(names["scores"].shape) == (100, 1)  # type: ignore[attr-defined]
    if "features" in names:
        assert list(names["features"]) == ["largest_line_cents_28d", "baskets_28d"]  # type: ignore[call-overload]
        assert all(len(values) == 3 for values in names["features"].values())  # type: ignore[attr-defined]
    if "report" in names:
        assert (names["report"].accepted, names["report"].rejected) == (1, ())  # type: ignore[attr-defined]


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """`storekeeper serve` on a free port."""
    command = [str(Path(sys.executable).with_name("storekeeper")), "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().removeprefix("Serving on ").strip()
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_snippet(home: Path) -> None:
    """The request over HTTP is answered by a server that was really started, with the features it used."""
    (text,) = CURL
    assert _URL in text
    with serving(home) as url:
        answer = json.loads(shell(home, text.replace(_URL, url)))
    assert answer["task"] == "purchase"
    assert len(answer["probabilities"]) == 2
    assert all(0 <= probability <= 1 for probability in answer["probabilities"])
    assert answer["features"]["lines_91d"][0] > 0


def test_make_targets() -> None:
    """Every `make` command that is named exists."""
    named = set(re.findall(r"^make (\w+)|`make (\w+)`", README, re.MULTILINE))
    targets = {first or second for first, second in named}
    assert {"demo", "test", "help"} <= targets
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [target for target in targets if not re.search(rf"^{target}:.*##", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name
)
def test_links(page: Path) -> None:
    """Every link to a file leads to one."""
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    files = [link.split("#")[0] for link in links if not re.match(r"https?:|mailto:|#", link)]
    assert [link for link in files if not (page.parent / link).exists()] == []


def test_settings() -> None:
    """Every variable that the code reads is in the table of settings."""
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("platform", "training", "serving")
        for path in (ROOT / folder).rglob("*.py")
    )
    assert [name for name in set(re.findall(r"STOREKEEPER_[A-Z_]+[A-Z]", code)) if name not in README] == []


def test_functions() -> None:
    """Every aggregation function that exists is named, and no other."""
    from storekeeper.history.features import FUNCTIONS

    told = README.split("There are `count`")[1].split("; a window of")[0]
    named = set(re.findall(r"`(\w+)(?:\(N\))?`", "`count`" + told))
    assert named == {re.sub(r"\W.*", "", function) for function in FUNCTIONS}


def test_project_helper_runs_here(project: Project) -> None:
    """The snippets' environment has the command at hand."""
    assert "storekeeper" in shell(project.root, "storekeeper --version")
