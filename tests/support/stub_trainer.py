"""A `training` package that answers at once: what the app's manager of trainings sees of the real one, in milliseconds.

The first word of the text says what it does: REFUSE, HANG (until it is killed), WAIT (until it is stopped), FULL (as on
a full disk), FULL_LATER (as on one that fills up after a first model), DIE; anything else is learned.
"""

from __future__ import annotations

from pathlib import Path

CODE = """
import json, os, pathlib, shutil, signal, sys, time

arguments, run = sys.argv[1:], pathlib.Path("run")
text = pathlib.Path(arguments[1]).read_text(encoding="utf-8")
what = text.split()[0]


def save():
    shutil.copytree(os.environ["STUB_MODEL"], run / "model")


def stop(number, frame):
    save()
    sys.exit(130)


if "--dry-run" in arguments:
    if what == "REFUSE":
        print(f"error: {arguments[1]} holds no character but a: check the file.", file=sys.stderr)
        sys.exit(2)
    print(json.dumps({
        "title": "text.txt", "chars": len(text), "train_chars": 1, "held_out_chars": 1, "different_chars": 3,
        "kind": "prose", "is_english": True, "amount": "short", "repeated_share": 0, "is_much_repeated": False,
        "speakers": [], "examples": [], "number_to_beat": {"name": "KN", "nats": 1.5, "bits": 2.16}, "doubt": "",
        "may_start_warm": True, "warnings": [], "seconds": 5, "public": "",
    }))
    sys.exit(0)
run.mkdir()
(run / "pid").write_text(str(os.getpid()))
(run / "arguments").write_text(json.dumps([*arguments, os.environ["OMP_NUM_THREADS"], os.environ.get("HF_TOKEN")]))
(run / "status.json").write_text(json.dumps({"phase": "training", "step": 1, "total_steps": 2, "seconds": 1}) + "\\n")
(run / "metrics.jsonl").write_text(json.dumps({"seconds": 1, "train_loss": 2.0, "val_loss": 2.1, "chars": 9}) + "\\n")
if what == "WAIT":
    signal.signal(signal.SIGINT, stop)
    (run / "waits").touch()
while what in ("WAIT", "HANG"):
    time.sleep(0.05)
if what.startswith("FULL"):
    if what == "FULL_LATER":
        save()
    print("error: run/model cannot be read or written (No space left on device); expected room.", file=sys.stderr)
    sys.exit(2)
if what == "DIE":
    os.kill(os.getpid(), signal.SIGKILL)
save()
"""


def write_stub(folder: Path) -> None:
    """Write the package into `folder`."""
    (folder / "training").mkdir()
    (folder / "training" / "__init__.py").touch()
    (folder / "training" / "__main__.py").write_text(CODE, encoding="utf-8")
