"""Where texts of visitors lie, and that nothing of them stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.making.storage import Storage

CRASH = """
import os, signal, sys
from pathlib import Path
from hubcharlstm.demo.making.storage import Storage
folder = Storage(Path(sys.argv[1])).new_folder()
(folder / "text.txt").write_text("a secret diary")
print(folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_what_a_killed_server_leaves_is_deleted_at_the_next_start(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert Path(done.stdout.strip(), "text.txt").read_text() == "a secret diary"
    storage = Storage(tmp_path)
    assert files_below(tmp_path) == [] and len(list(tmp_path.glob("*.lock"))) == 1
    storage.close()
    assert list(tmp_path.iterdir()) == []


def test_a_server_beside_another_deletes_nothing_of_it(tmp_path: Path) -> None:
    first = Storage(tmp_path)
    folder = first.new_folder()
    (folder / "text.txt").write_text("mine")
    second = Storage(tmp_path)
    assert (folder / "text.txt").read_text() == "mine"
    second.close()
    first.delete(folder)
    assert not folder.exists()
    first.close()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no such users")
def test_nobody_else_can_look_into_it(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "root")
    folder = storage.new_folder()
    assert [path.stat().st_mode & 0o077 for path in (tmp_path / "root", folder.parent, folder)] == [0, 0, 0]
    storage.close()
    (tmp_path / "linked").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="belongs to somebody else"):
        Storage(tmp_path / "linked")
