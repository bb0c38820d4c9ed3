"""The wheel and a Space's folder in an environment that holds what is declared and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client as AppClient

from hubcharlstm import CharLSTM
from tests.support.distributions import Distributions
from tests.support.hub_client import Client, clean_environment
from tests.support.hub_server import Hub
from training.publishing import space

pytestmark = [pytest.mark.slow, pytest.mark.timeout(560)]

ROOT = Path(__file__).parents[2]
IS_ROOT = hasattr(os, "getuid") and os.getuid() == 0
AS_ANYBODY = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if IS_ROOT else []
"""For root, no folder is read-only until its capabilities are dropped."""


NO_HOT_RELOADING = "RuntimeError: `spaces` package is required to run hot-reloading in Spaces"
"""Gradio logs it from a thread of its own: the builder of Spaces adds that package, and nothing here needs it."""


def checked(command: list[str | Path], **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def workspace() -> Iterator[Path]:
    """Gigabytes, which pytest's own folders would keep for three runs."""
    folder = Path(tempfile.mkdtemp(prefix="hubcharlstm-space-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def space_folder(workspace: Path) -> Path:
    """What `--dry-run` writes."""
    space.write(workspace / "space", "user/hosted")
    return workspace / "space"


@pytest.fixture(scope="module")
def fresh_python(workspace: Path, space_folder: Path) -> Path:
    """An environment with the requirements of the Space, which are those of the library."""
    checked([sys.executable, "-m", "venv", workspace / "environment"])
    # Without byte code for thousands of modules: Python writes it for the few that are imported.
    install(workspace, "--no-compile", "-r", str(space_folder / "requirements.txt"))
    return workspace / "environment" / "bin" / "python"


def install(workspace: Path, *what: str) -> None:
    pip: list[str | Path] = [workspace / "environment" / "bin" / "pip", "install", "-q", "-c", ROOT / "constraints.txt"]
    checked([*pip, *what])


TINY = "--embedding-dim 4 --hidden-size 8 --num-layers 1 --batch-size 4 --seq-len 16 --max-train-chars 3000"
WHERE = "import hubcharlstm; print(hubcharlstm.__file__)"
WITH_THE_WHEEL = """
import json
import hubcharlstm
from hubcharlstm import CharLSTM

model = CharLSTM.from_pretrained()
url = model.push_to_hub("user/from-a-wheel")
again = CharLSTM.from_pretrained("user/from-a-wheel", revision=url.rpartition("/")[2])
texts = [m.generate("To be, or ", seed=7, max_new_tokens=80) for m in (model, again)]
print(json.dumps({"file": hubcharlstm.__file__, "texts": texts}))
"""


def test_the_wheel_pushes_and_loads_in_an_empty_environment(
    hub: Hub, workspace: Path, fresh_python: Path, distributions: Distributions
) -> None:
    site = workspace / "site"
    install(workspace, "--no-deps", "--target", str(site), str(distributions.wheel))
    (workspace / "empty").mkdir()
    environment = clean_environment(hub.url, workspace / "wheel-home") | {"PYTHONPATH": str(site)}
    printed = json.loads(checked([fresh_python, "-c", WITH_THE_WHEEL], cwd=workspace / "empty", env=environment))
    assert printed["file"] == str(site / "hubcharlstm" / "__init__.py")
    assert printed["texts"][0] == printed["texts"][1]
    card = hub.repos["user/from-a-wheel"].files()["README.md"].decode()
    assert 'from_pretrained("user/from-a-wheel")' in card


def test_the_lines_of_a_published_card_install_the_library_and_run_the_model(
    hub: Hub, author: Client, workspace: Path, fresh_python: Path
) -> None:
    """The card showed `from hubcharlstm import CharLSTM`, and nobody but its author could get hubcharlstm."""
    reader = workspace / "card"
    reader.mkdir()
    (reader / "mine.txt").write_text("The cat sat on the mat.\nThe dog sat on the log.\n" * 60, encoding="utf-8")
    line = f"fit mine.txt --push-to-hub user/carded --space user/carded-chat {TINY}"
    published = author.call("train", line, str(reader))
    assert published["code"] == 0, published
    card = hub.repos["user/carded"].files()["README.md"].decode()
    [shell], [snippet] = (
        re.findall(rf"^```{kind}\n(.*?)^```", card, re.DOTALL | re.MULTILINE) for kind in ("bash", "python")
    )
    environment = clean_environment(hub.url, workspace / "card-home") | {
        "PATH": os.pathsep.join([str(fresh_python.parent), os.environ["PATH"]]),
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONPATH": "",
    }
    checked(["bash", "-ec", shell], cwd=reader, env=environment)
    (reader / "elsewhere").mkdir()
    written = checked([fresh_python, "-c", snippet], cwd=reader / "elsewhere", env=environment)
    where = checked([fresh_python, "-c", WHERE], cwd=reader / "elsewhere", env=environment)
    assert Path(where.strip()).is_relative_to(fresh_python.parents[1])
    model = CharLSTM.from_pretrained(reader / "runs" / "mine", device="cpu")
    assert written == model.generate(model.record["sample_prompt"], max_new_tokens=300, temperature=0.8, seed=7) + "\n"
    checked([fresh_python, "-m", "pip", "uninstall", "-q", "-y", "hubcharlstm"])  # the others bring their own


def free_port() -> int:
    """7860, which Spaces use, or any other that is free."""
    for port in (7860, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("no port is free")


def space_settings(hub: Hub, home: Path, port: int) -> dict[str, str]:
    """The environment of the app in a Space."""
    return clean_environment(hub.url, home / ".cache" / "huggingface") | {
        "HOME": str(home),
        "SPACE_ID": "user/chat",
        "SYSTEM": "spaces",
        "GRADIO_CACHE_EXAMPLES": "true",
        "GRADIO_SSR_MODE": "true",
        "GRADIO_SERVER_NAME": "127.0.0.1",  # 0.0.0.0 on a Space; tests stay on this machine
        "GRADIO_SERVER_PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }


def fetch_page(process: subprocess.Popen[bytes], port: int, log: Path, *, seconds: float) -> str:
    """The app's page, once it is served."""
    start = time.monotonic()
    while True:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() - start < seconds, log.read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.1)


@pytest.fixture
def unwritable_space(space_folder: Path) -> Iterator[Path]:
    """The Space's folder as a checkout that nobody may write to."""
    paths = sorted(space_folder.rglob("*"))
    for path in (space_folder, *paths):
        path.chmod(0o555 if path.is_dir() else 0o444)
    touched = subprocess.run([*AS_ANYBODY, "touch", space_folder / "new"], capture_output=True, check=False)
    assert touched.returncode != 0, "the checkout is not read-only"
    yield space_folder
    for path in (space_folder, *paths):
        path.chmod(0o755)
    assert sorted(space_folder.rglob("*")) == paths


def test_the_folder_of_a_dry_run_works_as_a_space_runs_it(
    hub: Hub, author: Client, workspace: Path, unwritable_space: Path, fresh_python: Path
) -> None:
    pushed = author.call("push", "user/hosted", 95, record={"name": "The hosted one"})
    front_page = (unwritable_space / "README.md").read_text(encoding="utf-8")
    version = re.search(r"^sdk_version: (.*)$", front_page, re.MULTILINE)
    assert version
    install(workspace, f"gradio[oauth,mcp]=={version[1]}", "-r", str(unwritable_space / "requirements.txt"))
    home, elsewhere, log = workspace / "home", workspace / "elsewhere", workspace / "log"
    for folder in (home, elsewhere):
        folder.mkdir()
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*AS_ANYBODY, fresh_python, unwritable_space / "app.py"],
            cwd=elsewhere, env=space_settings(hub, home, port), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        page = fetch_page(process, port, log, seconds=60)
        client = AppClient(f"http://127.0.0.1:{port}/", verbose=False, analytics_enabled=False)
        done = client.predict(prompt="To be", max_new_tokens=60, seed=7, api_name="/complete")
    finally:
        process.terminate()
        process.wait(20)
    text = log.read_text(encoding="utf-8")
    assert "The hosted one" in page
    assert done["text"] == pushed["text"]
    failures = re.findall(r"^\w*(?:Error|Exception): .*", text, re.MULTILINE)
    assert set(failures) <= {NO_HOT_RELOADING}, text
    assert not list(elsewhere.iterdir())
