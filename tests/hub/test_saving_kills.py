"""A save that is killed at any call leaves a folder that loads whole, as the old model or as the new."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hubcharlstm import CharLSTM, Vocabulary
from tests.conftest import tiny_model

KILL_EVERYWHERE = """
import json, os, shutil, signal, sys
from pathlib import Path

from hubcharlstm import CharLSTM
from hubcharlstm.hub import model_folder

base = Path(sys.argv[1])
models = {name: CharLSTM.from_pretrained(base / name) for name in ("old", "new")}
prints = {model.fingerprint: (name, model.record) for name, model in models.items()}
kinds = {"rename": ("replace",), "any": ("replace", "unlink", "fsync", "rmdir", "mkdir")}[sys.argv[2]]


def save_killed_at(n, folder):
    calls = 0

    def killing(call):
        def counted(*args, **options):
            nonlocal calls
            calls += 1
            if calls == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return counted

    for name in kinds:
        setattr(os, name, killing(getattr(os, name)))
    models["new"].save_pretrained(folder, extra_files={"loss.png": b"new"})
    os._exit(0)


def state(folder):
    try:
        model = CharLSTM.from_pretrained(folder)
    except ValueError as error:
        assert "has no config.json" in str(error) or not folder.exists(), error
        return "none"
    name, record = prints[model.fingerprint]
    assert model.record == record, (name, model.record)
    return name


found = []
for n in range(1, 200):
    folder = base / "target"
    shutil.rmtree(folder, ignore_errors=True)
    if sys.argv[3] == "overwrite":
        shutil.copytree(base / "old", folder)
    child = os.fork()
    if child == 0:
        save_killed_at(n, folder)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    names = {path.name: path.stat().st_ino for path in folder.iterdir()} if folder.exists() else {}
    finish, model_folder.finish_interrupted_save = model_folder.finish_interrupted_save, lambda *args, **options: None
    before = state(folder)  # as from a folder that may only be read
    model_folder.finish_interrupted_save = finish
    assert names == ({path.name: path.stat().st_ino for path in folder.iterdir()} if folder.exists() else {})
    assert state(folder) == before, "finished at the next load"
    found.append(before)
    models["old"].save_pretrained(folder)
    assert state(folder) == "old"
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    if not killed:
        break
print(json.dumps(found))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its saves")
@pytest.mark.parametrize(
    ("calls", "onto", "first", "fewest"), [("rename", "overwrite", "old", 7), ("any", "overwrite", "old", 25),
                                           ("any", "nothing", "none", 25)],
)  # fmt: skip
def test_a_save_killed_at_any_call_leaves_the_old_model_or_the_new(
    model: CharLSTM, tmp_path: Path, calls: str, onto: str, first: str, fewest: int
) -> None:
    """SIGKILL at the n-th rename (or any call that changes the disk), for every n until a save comes through."""
    other = tiny_model(Vocabulary.from_text("another alphabet\n"), hidden_size=16, num_layers=1, seed=5)
    model.record = {"seconds": 1.0}
    model.save_pretrained(tmp_path / "old", extra_files={"loss.png": b"old"})
    other.save_pretrained(tmp_path / "new")
    command = [sys.executable, "-c", KILL_EVERYWHERE, str(tmp_path), calls, onto]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) >= fewest
    assert (found[0], found[-1]) == (first, "new")
    assert found == sorted(found, key=[first, "new"].index), "once new it stays new"
