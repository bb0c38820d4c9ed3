"""Train, generate, describe and serve where a machine is small, shut off, or named in another alphabet."""

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

from hubcharlstm import CharLSTM
from hubcharlstm.console import is_out_of_memory
from tests.support.browser_app import free_port
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

SERVE = """
import json, sys, time
import httpx
from hubcharlstm.demo import launch
model, port, text = sys.argv[1:]
owner = {"x-hubcharlstm-owner": "a" * 32}
server = launch.create_server(launch.build(launch.load_registry(model)), "127.0.0.1", int(port))
server.run_in_thread()
with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
    written = client.post("/v1/completions", json={"prompt": "The cat", "max_tokens": 40, "seed": 1}).json()
    statuses = [client.get(path).status_code for path in ("/", "/healthz", "/config", "/preview.png")]
    client.post("/make/text", content=open(text, "rb").read() * 2, headers=owner)
    while (state := client.get("/make/state", headers=owner).json())["phase"] == "checking":
        time.sleep(0.1)
server.close()
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([written["choices"][0]["text"], statuses, state["phase"], peak / 1024]))
"""
"""The app with its view "Make your own", asked by the process itself: nothing else may be able to reach it."""

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


def loopback_alone(environment: dict[str, str]) -> list[str]:
    """No network but the one within the machine."""
    if (ip := shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")) is None:
        pytest.skip("needs ip to set the loopback up")
    return [*namespace("-n"), "sh", "-c", f'{ip} link set lo up && exec "$@"', "sh"]


def write_protected(environment: dict[str, str]) -> list[str]:
    """The checkout and the installed packages."""
    places = [ROOT, Path(sysconfig.get_path("purelib"))]
    mounts = " && ".join(f"mount --bind '{p}' '{p}' && mount -o remount,bind,ro '{p}'" for p in places)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return [*namespace("-m"), "sh", "-c", f'{mounts} && ! touch "{ROOT}/x" 2>/dev/null && exec "$@"', "sh"]


def no_home(environment: dict[str, str]) -> list[str]:
    environment.pop("HF_HOME")
    environment |= {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent/cache"}
    environment.pop("MPLCONFIGDIR", None)
    return namespace("-U", "--map-user=4711") if os.geteuid() == 0 else []  # root could make that folder


def c_locale(environment: dict[str, str]) -> list[str]:
    environment |= {"LC_ALL": "C"}
    return []


def new_folder(tmp_path: Path) -> Path:
    """A folder with a text, both with names that need care."""
    folder = tmp_path / "Ein Ordner für Ωμέγα 📁"
    folder.mkdir()
    (folder / "mein Text.txt").write_text(TEXT, encoding="utf-8")
    return folder


def clean_environment(folder: Path) -> dict[str, str]:
    foreign = ("HF_", "HUBCHARLSTM", "GRADIO", "SPACE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return environment | {"PYTHONPATH": str(ROOT), "HF_HOME": str(folder / "hub")}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run it to its end, which is good and without a warning."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr, done.stderr
    return done


@pytest.mark.slow
@linux
@pytest.mark.parametrize("change", [one_core, no_network, write_protected, no_home, c_locale])
def test_it_trains_and_writes_there(tmp_path: Path, change: Change) -> None:
    folder = new_folder(tmp_path)
    environment = clean_environment(folder)
    before = change(environment)
    command = [*before, sys.executable, "-c", COMMANDS, "mein Text.txt", "ein Lauf/größer", *SHORT]
    done = run(command, folder, environment)
    codes, megabytes = json.loads(done.stdout.splitlines()[-1])
    assert codes == [0, 0, 0, 0], done.stderr
    assert megabytes < 512, "a machine with half a gigabyte is enough"
    assert (folder / "ein Lauf" / "größer" / "model" / "model.safetensors").is_file()
    assert done.stdout.count("The cat") == 2


@pytest.mark.slow
@linux
@pytest.mark.parametrize("change", [one_core, loopback_alone, write_protected, no_home, c_locale])
def test_the_app_answers_and_checks_a_text_there(tmp_path: Path, model: CharLSTM, change: Change) -> None:
    folder = new_folder(tmp_path)
    model.save_pretrained(folder / "größer")
    (folder / "tmp").mkdir()
    environment = clean_environment(folder) | {"TMPDIR": str(folder / "tmp")}
    before = change(environment)
    done = run([*before, sys.executable, "-c", SERVE, "größer", str(free_port()), "mein Text.txt"], folder, environment)
    text, statuses, phase, megabytes = json.loads(done.stdout.splitlines()[-1])
    assert len(text) == 40 and statuses == [200] * 4 and phase == "checked"
    assert megabytes < 512, "a machine with half a gigabyte is enough"


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
