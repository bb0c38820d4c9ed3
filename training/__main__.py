"""`python -m training fit | resume | push`: errors are one sentence and exit code 2."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from training.recipe import PRESET_TIMES, PRESETS, Recipe

OVERRIDES = (
    "embedding_dim", "hidden_size", "num_layers", "dropout", "batch_size", "seq_len", "learning_rate",
    "weight_decay", "grad_clip", "chars", "max_epochs", "seed",
)  # fmt: skip


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
    arguments = parser().parse_args(argv)
    try:
        return {"fit": run_fit, "resume": run_resume, "push": run_push}[arguments.command](arguments)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(
            f"error: {error.strerror or error}: {error.filename or ''}; free some space or check access.",
            file=sys.stderr,
        )
    except ModuleNotFoundError as error:
        print(
            f"error: The package {error.name} is not installed; expected the training extra: "
            "run `pip install -c constraints.txt -e '.[train]'`.",
            file=sys.stderr,
        )
    return 2


def run_fit(arguments: argparse.Namespace) -> int:
    out: Path = arguments.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        hint = f"go on with it by `python -m training resume {out}`" if (out / "run.json").exists() else "empty it"
        raise ValueError(f"{out} exists already; expected a new folder: {hint}, or choose another --out.")
    given = {name: getattr(arguments, name) for name in OVERRIDES if getattr(arguments, name) is not None}
    recipe = replace(PRESETS[arguments.preset], lowercase=arguments.lowercase, **given)
    corpus = Path(arguments.corpus).expanduser()
    source = {
        "corpus": str(corpus.resolve()) if corpus.exists() else arguments.corpus,
        "encoding": arguments.encoding,
        "val_fraction": arguments.val_fraction,
    }
    return train(out, recipe, source, arguments.dtype, resume=False)


def run_resume(arguments: argparse.Namespace) -> int:
    run: Path = arguments.run
    try:
        settings = json.loads((run / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(
            f"{run} is no run folder (it has no run.json); expected one that fit made: check it."
        ) from None
    return train(run, Recipe.from_dict(settings["recipe"]), settings["source"], settings["dtype"], resume=True,
                 sha256=settings["sha256"])  # fmt: skip


def run_push(arguments: argparse.Namespace) -> int:
    from training.publish import push

    print(push(arguments.run, arguments.repo_id, private=arguments.private))
    return 0


def train(
    out: Path, recipe: Recipe, source: dict[str, Any], dtype: str, *, resume: bool, sha256: str | None = None
) -> int:
    from training.corpus import read_corpus, suggest
    from training.fit import fit

    corpus = read_corpus(
        source["corpus"], encoding=source["encoding"], lowercase=recipe.lowercase, val_fraction=source["val_fraction"]
    )
    if sha256 not in (None, corpus.sha256):
        raise ValueError(
            f"The corpus {source['corpus']} has changed since the run began; expected the same text: "
            "put it back, or start a new run."
        )
    recipe, note = recipe.fitted_to(len(corpus.train))
    generation = suggest(corpus)
    for line in (*corpus.notes, note):
        if line:
            print(f"note: {line}")
    print(
        f"{corpus.title}: {len(corpus.train):,} characters to train on, {len(corpus.held_out):,} held out "
        f"({corpus.held_out_note})."
    )
    settings = {"recipe": recipe.to_dict(), "source": source, "dtype": dtype, "sha256": corpus.sha256}
    outcome = fit(corpus, recipe, generation, out, resume=resume, settings=settings, dtype=dtype)
    if not outcome.finished:
        print(f"\nStopped and saved. Go on with:  {command('python')} -m training resume {out}")
        return 130
    print(f"\nHeld-out loss {outcome.val_loss:.4f} nats per character; the model is in {outcome.model_folder}.")
    print(f"Chat with it:  {command('hubcharlstm')} app --model {out}")
    print(f"Publish it:    {command('python')} -m training push {out} USER/charlstm-{corpus.name}")
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
