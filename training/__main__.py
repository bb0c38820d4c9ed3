"""`python -m training fit | resume | push`: errors are one sentence and exit code 2."""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from training.recipe import PRESET_TIMES, PRESETS, Recipe

OVERRIDES = (
    "embedding_dim", "hidden_size", "num_layers", "dropout", "batch_size", "seq_len", "learning_rate",
    "weight_decay", "grad_clip", "chars", "max_epochs", "seed",
)  # fmt: skip


RUN_KEYS = {"recipe", "source", "dtype", "sha256"}
SOURCE_KEYS = {"corpus", "encoding", "val_fraction"}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m training", description="Train and publish character LSTMs.")
    commands = top.add_subparsers(dest="command", required=True)

    fit = commands.add_parser("fit", help="train a model on a text")
    fit.add_argument("corpus", help="a text file, a folder of them, or a corpus by name: macbeth, shakespeare")
    fit.add_argument("--out", type=Path, required=True, help="folder for the run; must be new or empty")
    times = "; ".join(f"{name}: {PRESET_TIMES[name]}" for name in PRESETS)
    fit.add_argument("--preset", choices=PRESETS, default="small", help=f"{times} (default: small)")
    fit.add_argument("--encoding", default="utf-8", help="of the text files (default: utf-8)")
    fit.add_argument("--lowercase", action="store_true", help="read everything in lower case, as the tutorial did")
    fit.add_argument("--val-fraction", type=float, default=0.1, help="share of a file that is held out (default: 0.1)")
    fit.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16"), default="float32",
        help="how the weights are stored (default: float32)",
    )  # fmt: skip
    kinds: dict[str, type] = {"int": int, "float": float}
    for option in (f for f in fields(Recipe) if f.name in OVERRIDES):
        values = ", ".join(f"{name} {getattr(recipe, option.name)}" for name, recipe in PRESETS.items())
        fit.add_argument(
            f"--{option.name.replace('_', '-')}", type=kinds[str(option.type)], default=None, metavar="N",
            help=f"instead of the preset's ({values})",
        )  # fmt: skip

    resume = commands.add_parser("resume", help="go on with a run that was stopped")
    resume.add_argument("run", type=Path)

    push = commands.add_parser("push", help="publish a run's model to the Hub")
    push.add_argument("run", type=Path, help="a run folder or a model folder")
    push.add_argument("repo_id", help="such as user/charlstm-macbeth")
    push.add_argument("--private", action="store_true", default=None, help="make the repository private")
    return top


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    # Read once when torch is imported. Threads that spin long for each other starve beside any other process.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a sample that the console cannot show must not end the run
    arguments = parser().parse_args(argv)
    arguments.line = shlex.join(["python", "-m", "training", *argv])
    try:
        return {"fit": run_fit, "resume": run_resume, "push": run_push}[arguments.command](arguments)
    except ValueError as error:
        message = str(error)
    except OSError as error:
        message = (
            f"{error.filename or 'A file'} cannot be read or written ({error.strerror or error}); "
            "expected a place with room and access: free some space, or choose another."
        )
    except ModuleNotFoundError as error:
        message = (
            f"The package {error.name} is not installed; expected the training extra: "
            "run `pip install -c constraints.txt -e '.[train]'`."
        )
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        message = (
            "The memory does not hold this run; expected it to fit: choose a smaller --hidden-size, --batch-size or "
            "--seq-len, or a shorter text."
        )
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    print(f"error: {message}", file=sys.stderr)
    return 2


def run_fit(arguments: argparse.Namespace) -> int:
    from training.corpus import locate

    out: Path = arguments.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        hint = "empty it"
        if (out / "run.json").exists():
            hint = f"go on with it by `{command('python')} -m training resume {shlex.quote(str(out))}`"
        raise ValueError(f"{out} exists already; expected a new folder: {hint}, or choose another --out.")
    given = {name: getattr(arguments, name) for name in OVERRIDES if getattr(arguments, name) is not None}
    recipe = replace(PRESETS[arguments.preset], lowercase=arguments.lowercase, **given)
    source = {
        "corpus": locate(arguments.corpus),
        "encoding": arguments.encoding,
        "val_fraction": arguments.val_fraction,
    }
    settings = {"recipe": recipe.to_dict(), "source": source, "dtype": arguments.dtype, "command": arguments.line}
    return train(out, settings, resume=False)


def run_resume(arguments: argparse.Namespace) -> int:
    run: Path = arguments.run
    if not (run / "run.json").is_file():
        raise ValueError(f"{run} is no run folder (it has no run.json); expected one that fit made: check the path.")
    try:
        settings = json.loads((run / "run.json").read_text(encoding="utf-8"))
        if missing := RUN_KEYS - settings.keys() or SOURCE_KEYS - settings["source"].keys():
            raise ValueError(f"no {', '.join(sorted(missing))}")
        Recipe.from_dict(settings["recipe"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{run / 'run.json'} is damaged ({error}); expected what fit wrote there: put a copy back, or start a new "
            "run with fit and another --out."
        ) from None
    return train(run, {"command": arguments.line} | settings, resume=True)


def run_push(arguments: argparse.Namespace) -> int:
    from training.publish import push

    print(push(arguments.run, arguments.repo_id, private=arguments.private))
    return 0


def train(out: Path, settings: dict[str, Any], *, resume: bool) -> int:
    """Begin or resume the run that `settings` describe; they are what run.json holds."""
    from training.corpus import read_corpus, suggest
    from training.fit import fit

    recipe, source = Recipe.from_dict(settings["recipe"]), settings["source"]
    corpus = read_corpus(
        source["corpus"], encoding=source["encoding"], lowercase=recipe.lowercase, val_fraction=source["val_fraction"]
    )
    if resume and settings["sha256"] != corpus.sha256:
        raise ValueError(
            f"The corpus {source['corpus']} has changed since the run began; expected the same text: "
            "put it back, or start a new run with fit and another --out."
        )
    recipe, note = recipe.fitted_to(len(corpus.train))
    for line in (*corpus.notes, note):
        if line:
            print(f"note: {line}")
    print(
        f"{corpus.title}: {len(corpus.train):,} characters to train on, {len(corpus.held_out):,} held out "
        f"({corpus.held_out_note}).",
        flush=True,
    )
    settings = settings | {"recipe": recipe.to_dict(), "sha256": corpus.sha256}
    go_on = f"Go on with:  {command('python')} -m training resume {shlex.quote(str(out))}"
    try:
        outcome = fit(corpus, recipe, suggest(corpus), out, resume=resume, settings=settings, dtype=settings["dtype"])
    except KeyboardInterrupt:
        print("\nStopped at once." + (f" {go_on}" if (out / "checkpoint").exists() else ""))
        return 130
    if not outcome.finished:
        print(f"\nStopped and saved. {go_on}")
        return 130
    print(f"\nHeld-out loss {outcome.val_loss:.4f} nats per character; the model is in {outcome.model_folder}.")
    print(f"Chat with it:  {command('hubcharlstm')} app --model {shlex.quote(str(out))}")
    print(f"Publish it:    {command('python')} -m training push {shlex.quote(str(out))} USER/charlstm-{corpus.name}")
    return 0


def command(name: str) -> str:
    """How to call a program that lies beside this Python: by name if the shell finds it, else by path."""
    folder = Path(sys.executable).parent
    if str(folder) in os.environ.get("PATH", "").split(os.pathsep):
        return name
    path = folder / name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
