"""README, pyproject, requirements, constraints and Makefile agree; the wheel holds the library and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import hubcharlstm
from tests.support.bill_of_materials import FILE, bill_of_materials
from tests.support.distributions import Distributions
from training.publishing import space

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"([a-z0-9-]+)==([0-9][\w.]*)", line) for line in lines if line and not line.startswith("#")]
    assert all(found), f"{name} has a line that is no exact pin"
    return {match[1]: match[2] for match in found if match}


CONSTRAINTS = pins("constraints.txt")
FRONT_MATTER = yaml.safe_load(README.split("---\n")[1])


def requirements(*extras: str) -> list[Requirement]:
    """Those of the base install and of `extras`, or of all where none is named."""
    optional = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for extra in extras or optional for line in optional[extra])]
    return [requirement for line in lines if (requirement := Requirement(line)).name != "hubcharlstm"]


def test_every_dependency_is_pinned_within_its_range() -> None:
    for requirement in requirements():
        assert requirement.specifier.contains(CONSTRAINTS[requirement.name]), requirement


def test_the_bill_of_materials_lists_every_pin(distributions: Distributions) -> None:
    advice = "sbom.cdx.json is out of date: run python -m tests.support.bill_of_materials"
    assert json.loads(FILE.read_text(encoding="utf-8")) == bill_of_materials(), advice
    with tarfile.open(distributions.sdist) as archive:
        [name] = [name for name in archive.getnames() if name.endswith("/sbom.cdx.json")]
        packed = archive.extractfile(name)
        assert packed is not None and packed.read() == FILE.read_bytes()
    components = {one["name"]: one for one in bill_of_materials()["components"]}
    assert {name: one["version"] for name, one in components.items()} == CONSTRAINTS
    assert {name for name, one in components.items() if one["scope"] == "required"} == {
        requirement.name for requirement in map(Requirement, PROJECT["dependencies"])
    }


def test_the_lock_holds_a_hash_for_every_pin_but_torchs() -> None:
    _, *lines = (ROOT / "locked.txt").read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}", line) for line in lines]
    assert all(found) and {match[1]: match[2] for match in found if match} == {
        name: pin for name, pin in CONSTRAINTS.items() if name != "torch"
    }, "locked.txt is out of date: write it as tests/support/hashed_lock.py says"


def test_what_the_dependencies_need_is_pinned_as_well() -> None:
    """joblib needs cloudpickle, which nothing pinned: an environment from locked.txt alone did not import it."""
    wanted = requirements("app", "data", "mcp", "oauth", "train", "track", "dev")
    visited: set[tuple[str, str]] = set()
    while wanted:
        requirement = wanted.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in CONSTRAINTS, f"{requirement} is not in constraints.txt"
        for extra in {"", *requirement.extras} - {known for seen, known in visited if seen == name}:
            visited.add((name, extra))
            found = [Requirement(line) for line in requires(name) or ()]
            wanted += [one for one in found if one.marker is None or one.marker.evaluate({"extra": extra})]


def test_the_tests_run_with_the_pinned_versions() -> None:
    for requirement in requirements("app", "train", "dev"):
        assert version(requirement.name).split("+")[0] == CONSTRAINTS[requirement.name], requirement


def test_the_base_install_is_light() -> None:
    names = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert names == {"torch", "huggingface-hub", "safetensors", "numpy"}
    assert set(PROJECT["optional-dependencies"]) == {"app", "mcp", "train", "track", "bench", "dev", "data", "oauth"}


def test_the_repository_is_a_valid_space() -> None:
    assert FRONT_MATTER["sdk"] == "gradio"
    assert FRONT_MATTER["sdk_version"] == CONSTRAINTS["gradio"]
    assert (ROOT / FRONT_MATTER["app_file"]).is_file()
    assert isinstance(FRONT_MATTER["python_version"], str)
    assert SpecifierSet(PROJECT["requires-python"]).contains(FRONT_MATTER["python_version"])
    assert len(FRONT_MATTER["short_description"]) <= 60
    assert FRONT_MATTER["license"] == PROJECT["license"].lower()


def test_a_space_gets_the_gradio_that_the_tests_ran_with() -> None:
    """The front matter's sdk_version is what a Space installs, whatever pyproject.toml says: it must be in range."""
    [gradio] = [requirement for requirement in requirements("app") if requirement.name == "gradio"]
    for version_of_sdk in (FRONT_MATTER["sdk_version"], space.gradio_version()):
        assert gradio.specifier.contains(version_of_sdk), version_of_sdk
    for pin in re.findall(r"^([a-z-]+==.*)$", space.requirements(), re.MULTILINE):
        name, _, exact = pin.partition("==")
        [found] = [requirement for requirement in requirements() if requirement.name == name][:1]
        assert found.specifier.contains(exact), pin


def test_a_space_installs_what_the_app_needs_at_the_tested_versions() -> None:
    """It installs them before the repository's files are there, so `-e .` would fail; gradio comes with the SDK."""
    space = pins("requirements.txt")
    needed = {requirement.name for requirement in requirements("app")}
    assert set(space) == (needed | {Requirement(line).name for line in PROJECT["dependencies"]}) - {"gradio"}
    assert all(CONSTRAINTS[name] == pin for name, pin in space.items())


def test_what_spaces_add_is_solved_with_the_rest() -> None:
    assert {"gradio", "mcp", "authlib", "itsdangerous"} <= set(CONSTRAINTS)
    assert SpecifierSet("<2.13").contains(CONSTRAINTS["pydantic"])


def test_every_install_goes_through_the_constraints() -> None:
    """The documentation's own commands are held by tests/test_documentation.py."""
    for name in ("Makefile", "README.md", ".ci/run"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            if "pip install" in line:
                assert "-c constraints.txt" in line, f"{name}: {line}"


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_leaves_the_name_of_a_run_to_fit() -> None:
    """A folder that the shell has completed ends with a slash: its run went to runs/ itself."""
    command = ["make", "--dry-run", "--no-print-directory", "train", "CORPUS=books/", "PRESET=base"]
    environment = {name: value for name, value in os.environ.items() if name not in ("OUT", "MAKEFLAGS")}
    for given, printed in (([], 'fit "books/" --preset base'), (["OUT=a b"], 'fit "books/" --out "a b" --preset base')):
        done = subprocess.run([*command, *given], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert " ".join(done.stdout.split()).endswith(f"python -m training {printed}"), done.stdout


def test_the_ci_runs_the_test_command_of_the_contributing_page() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.rstrip().endswith("\nmake test") and "    make locked\n" in script
    assert "\nmake test " in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_app_works_from_its_files_alone(tmp_path: Path) -> None:
    """A Space copies the files and installs the requirements; there is no distribution to ask for a version."""
    shutil.copytree(ROOT / "hubcharlstm", tmp_path / "hubcharlstm", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "model_card.md"):
        shutil.copy(ROOT / name, tmp_path)
    script = (
        "import importlib.metadata as metadata\n"
        "found = metadata.distribution\n"
        "def distribution(name):\n"
        "    if name == 'hubcharlstm': raise metadata.PackageNotFoundError(name)\n"
        "    return found(name)\n"
        "metadata.distribution = distribution\n"
        "import app, hubcharlstm\n"
        "print(hubcharlstm.__file__, type(app.demo).__name__)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "HUBCHARLSTM_MODEL")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [str(tmp_path / "hubcharlstm" / "__init__.py"), "Blocks"], done.stderr


@pytest.mark.slow
def test_the_wheel_holds_the_library_with_model_assets_and_template(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as archive:
        names = set(archive.namelist())
    info = f"hubcharlstm-{hubcharlstm.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"hubcharlstm", "training", info}
    assert not {name for name in names if "__pycache__" in name}
    files = {
        path.relative_to(ROOT).as_posix()
        for package in ("hubcharlstm", "training")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if not name.startswith(info)} == files | {"hubcharlstm/model_card.md"}
    pretrained = ("pretrained/model.safetensors", "pretrained/vocab.json")
    exported = ("export/wasm/step.wasm", "export/runtime/model.js", "export/page/page.html")
    for needed in ("model_card.md", "demo/launch.py", *pretrained, *exported):
        assert f"hubcharlstm/{needed}" in names
    assert any(name.startswith("hubcharlstm/demo/page/static/") for name in names)
    assert f"{info}/licenses/LICENSE" in names
    assert sum((ROOT / name).stat().st_size for name in files if "pretrained" in name) < 10_000_000
