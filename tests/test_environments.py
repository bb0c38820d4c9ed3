"""Train, generate and describe by the command line where a machine is small, shut off, or named in another alphabet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from hubcharlstm.console import is_out_of_memory
from tests.support.training_cli import ROOT, TEXT, TINY

COMMANDS = """
import json, sys
from hubcharlstm.cli import main
from training.__main__ import main as train
corpus, out, *options = sys.argv[1:]
codes = [
    train(["fit", corpus, "--out", out, *options]),
    main(["generate", "--model", out, "The cat", "--seed", "1", "--max-new-tokens", "40"]),
    main(["info", "--model", out, "--json"]),
    main(["generate", "The cat", "--max-new-tokens", "40"]),
]
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([codes, peak / 1024]))
"""
"""One process for all, for each import of torch takes seconds. Its `ru_maxrss` would begin with that of the tests."""

SHORT = [*TINY, "--max-train-chars", "300"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="namespaces and limits of Linux")
Change = Callable[[dict[str, str]], list[str]]
"""Changes an environment; the words before the command."""


def namespace(*words: str) -> list[str]:
    """`unshare` with these words; skips the test where it is not permitted."""
    command = [shutil.which("unshare") or "unshare", *words]
    allowed = shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False)
    if not allowed or allowed.returncode != 0:
        pytest.skip("no namespace may be made here")
    return command


def one_core(environment: dict[str, str]) -> list[str]:
    return ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


def no_network(environment: dict[str, str]) -> list[str]:
    return namespace("-n")


def write_protected(environment: dict[str, str]) -> list[str]:
    """The checkout and the installed packages."""
    places = [ROOT, Path(sysconfig.get_path("purelib"))]
    mounts = " && ".join(f"mount --bind '{p}' '{p}' && mount -o remount,bind,ro '{p}'" for p in places)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return [*namespace("-m"), "sh", "-c", f'{mounts} && ! touch "{ROOT}/x" 2>/dev/null && exec "$@"', "sh"]


def no_home(environment: dict[str, str]) -> list[str]:
    environment.pop("HF_HOME")
    environment |= {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent/cache"}
    return namespace("-U", "--map-user=4711") if os.geteuid() == 0 else []  # root could make that folder


def c_locale(environment: dict[str, str]) -> list[str]:
    environment |= {"LC_ALL": "C"}
    return []


@pytest.mark.slow
@linux
@pytest.mark.parametrize("change", [one_core, no_network, write_protected, no_home, c_locale])
def test_it_trains_and_writes_there(tmp_path: Path, change: Change) -> None:
    folder = tmp_path / "Ein Ordner für Ωμέγα 📁"
    folder.mkdir()
    (folder / "mein Text.txt").write_text(TEXT, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUBCHARLSTM"))}
    environment |= {"PYTHONPATH": str(ROOT), "HF_HOME": str(folder / "hub")}
    before = change(environment)
    done = subprocess.run(
        [*before, sys.executable, "-c", COMMANDS, "mein Text.txt", "ein Lauf/größer", *SHORT], cwd=folder,
        env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr, done.stderr
    codes, megabytes = json.loads(done.stdout.splitlines()[-1])
    assert codes == [0, 0, 0, 0], done.stderr
    assert megabytes < 512, "a machine with half a gigabyte is enough"
    assert (folder / "ein Lauf" / "größer" / "model" / "model.safetensors").is_file()
    assert done.stdout.count("The cat") == 2


@linux
def test_too_little_memory_is_told_in_one_sentence(tmp_path: Path) -> None:
    """It was a traceback of PyTorch's allocator."""
    limited = (
        "import resource, sys; from hubcharlstm.cli import main\n"
        "import hubcharlstm.decoding.decoder, hubcharlstm.hub.download\n"
        "used = next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmData'))\n"
        "resource.setrlimit(resource.RLIMIT_DATA, ((used + 10_000) * 1024,) * 2)\n"
        "sys.exit(main(['generate', 'To be', '--max-new-tokens', '9']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: This machine's memory does not hold the model") and done.stdout == ""
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("message", "is_it"),
    [
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes", True),
        ("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes", True),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", True),
        ("could not create a primitive", True),
        ("could not create a memory object", True),
        ("CUDA error: an illegal memory access was encountered", False),
        ("unsupported memory format option ChannelsLast", False),
    ],
)
def test_only_a_want_of_memory_is_one(message: str, is_it: bool) -> None:
    """Every error with the word in it was told as one, without its traceback."""
    assert is_out_of_memory(RuntimeError(message)) == is_it and is_out_of_memory(MemoryError())


def test_an_argument_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """The message was that of a codec, about characters in position 75-76."""
    command = [sys.executable, "-m", "training", "fit", b"gr\xf6\xdfer.txt"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: The argument 'gr\\udcf6\\udcdfer.txt' is not UTF-8; expected text")
