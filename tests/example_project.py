"""An example of `examples/` in a folder of the test's own, run by its README's commands."""

import re
import runpy
import shlex
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from command_line import Outcome, run_here
from storekeeper.artefact import Manifest, find_artefact, read_manifest
from storekeeper_training.models.boosted_trees import BoostedTrees
from synthetic_shop import ROOT

EXAMPLES = ROOT / "examples"
LINES_AT_MOST = 150
_LOOKING = ("lint", "audit")
_WRITTEN = shutil.ignore_patterns("data", "__pycache__")


def code_lines(name: str) -> int:
    """Lines of all that an example consists of, but its README."""
    files = [path for path in (EXAMPLES / name).rglob("*") if path.is_file() and path.name != "README.md"]
    written = [path for path in files if not {"data", "__pycache__"} & set(path.parts)]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in written)


def readme_commands(name: str) -> list[list[str]]:
    """The commands that an example's README gives, in its order."""
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


def run_example(name: str, home: Path) -> Path:
    """Run the README's commands in `home`, which is made; those that only look are left to the tests."""
    shutil.copytree(EXAMPLES / name, home, ignore=_WRITTEN)
    change, *commands = readme_commands(name)
    assert change == ["cd", f"examples/{name}"]
    with pytest.MonkeyPatch.context() as patch:
        # Threads that wait for one another are most of the time where many tests run at once.
        patch.setattr("storekeeper_training.models.BoostedTrees", partial(BoostedTrees, threads=1, max_trees=300))
        patch.chdir(home)
        for program, *arguments in commands:
            if program == "python":
                runpy.run_path(*arguments, run_name="__main__")
            elif arguments[0] not in _LOOKING:
                assert run_here(home, arguments, patch) == 0, arguments
    return home


def ask(home: Path, capfd: pytest.CaptureFixture[str], *command: str) -> Outcome:
    """What a command answers in `--json`."""
    capfd.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        code = run_here(home, [*command, "--json"], patch)
    return Outcome(code, *capfd.readouterr())


def trained(home: Path, task: str, model: str) -> Manifest:
    """The manifest of a trained model."""
    return read_manifest(find_artefact(home / "data" / "models", task, model).path)


def predict(home: Path, task: str, body: dict[str, Any]) -> Any:
    """The answer of the example's server to a request for predictions."""
    import warnings

    from storekeeper.settings import Settings
    from storekeeper_serving.app import create_app
    from storekeeper_serving.options import ServingOptions

    with warnings.catch_warnings():
        # Starlette's client asks for the next major version of httpx, which nothing else here needs.
        warnings.simplefilter("ignore")
        from fastapi.testclient import TestClient

    with TestClient(create_app(Settings.load(home), ServingOptions())) as client:
        answer = client.post(f"/predict/{task}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()
