"""model_card.md is found, and a card rendered, from every form in which the library reaches somebody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hubcharlstm import CharLSTMConfig, Vocabulary
from hubcharlstm.hub import model_card
from tests.support.distributions import ROOT, Distributions
from training.publishing import space

pytestmark = pytest.mark.slow

RENDER = """
import json, site, sys

before = list(sys.path)
site.addsitedir(sys.argv[1])  # as pip's folder is: reads the .pth of an editable install
added = [path for path in sys.path if path not in before] or [sys.argv[1]]
sys.path[:] = added + before

import hubcharlstm
from hubcharlstm.hub import model_card

vocabulary = hubcharlstm.Vocabulary.from_text("abc ")
card = model_card.render(hubcharlstm.CharLSTMConfig(len(vocabulary), 4, 8, 2), vocabulary, {}, repo_id="user/model")
print(json.dumps([hubcharlstm.__file__, str(model_card.find_template()), card]))
"""

Copy = tuple[Path, Path, Path]
"""What is put on the path, where the package lies, and where the template does."""


def checkout(folder: Path, distributions: Distributions) -> Copy:
    return ROOT, ROOT, ROOT


def editable(folder: Path, distributions: Distributions) -> Copy:
    """What `pip install -e` unpacks: a .pth file that names the checkout, and what is packed by force."""
    command = [sys.executable, "-c", "import sys; from hatchling.build import build_editable as b; b(sys.argv[1])"]
    subprocess.run([*command, str(folder)], cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site", ROOT, ROOT


def wheel(folder: Path, distributions: Distributions) -> Copy:
    with zipfile.ZipFile(distributions.wheel) as archive:
        archive.extractall(folder)
    return folder, folder, folder / "hubcharlstm"


def sdist(folder: Path, distributions: Distributions) -> Copy:
    with tarfile.open(distributions.sdist) as archive:
        archive.extractall(folder, filter="data")
    [unpacked] = folder.iterdir()
    return unpacked, unpacked, unpacked


def published_space(folder: Path, distributions: Distributions) -> Copy:
    space.write(folder, "user/model")
    return folder, folder, folder


@pytest.mark.parametrize("make", [checkout, editable, wheel, sdist, published_space], ids=lambda make: make.__name__)
def test_a_card_is_rendered_from_each_form(
    distributions: Distributions, tmp_path: Path, make: Callable[[Path, Distributions], Copy]
) -> None:
    """The template lies at the top of a checkout and within the package in a wheel."""
    (tmp_path / "copy").mkdir()
    (tmp_path / "empty").mkdir()
    path, package, template = make(tmp_path / "copy", distributions)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", RENDER, str(path)],
        cwd=tmp_path / "empty", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    file, found, card = json.loads(done.stdout)
    assert Path(file) == package / "hubcharlstm" / "__init__.py"
    assert Path(found) == template / "model_card.md"
    vocabulary = Vocabulary.from_text("abc ")
    config = CharLSTMConfig(len(vocabulary), 4, 8, 2)
    assert card == model_card.render(config, vocabulary, {}, repo_id="user/model")


def test_a_wheel_is_built_from_a_space_and_is_the_same(distributions: Distributions, tmp_path: Path) -> None:
    """A reader of a card installs the library from the Space: its folder is all that a build needs."""
    space.write(tmp_path / "space", "user/model")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, tmp_path / "space"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as ours, zipfile.ZipFile(distributions.wheel) as theirs:
        names = {name for name in ours.namelist() if ".dist-info/" not in name}
        assert names == {name for name in theirs.namelist() if ".dist-info/" not in name}
        assert all(ours.read(name) == theirs.read(name) for name in names)
