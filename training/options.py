"""The command-line options of `python -m training`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

from training.recipe import DISTILL_TEMPERATURE, DISTILL_WEIGHT, PRESET_TIMES, PRESETS, Recipe
from training.tracking import TRACKERS

COMMANDS_OF_COMMANDS = ("job", "sweep")
PLACES = ("auto", "end", "spread")

OVERRIDES = (
    "embedding_dim", "hidden_size", "num_layers", "dropout", "dropout_samples", "weight_drop", "batch_size", "seq_len",
    "learning_rate", "muon_rate", "weight_decay", "grad_clip", "rename_speakers", "max_train_chars", "max_epochs",
    "patience", "seed",
)  # fmt: skip


TEXTS = (
    "a text file (plain or compressed) or Parquet, a folder, zip or pattern of them, https://..., "
    "hf://datasets/USER/NAME[/FILE], or a corpus by name: macbeth, shakespeare"
)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    program = "hubcharlstm-train" if Path(sys.argv[0]).stem == "hubcharlstm-train" else "python -m training"
    main = argparse.ArgumentParser(prog=program, description="Train and publish character LSTMs.")
    main.add_argument("--version", action=_PrintVersion, nargs=0, help="show the version and exit")
    commands = main.add_subparsers(dest="command", required=True)
    _add_fit_options(commands.add_parser("fit", help="train a model on a text"))
    resume = commands.add_parser("resume", help="continue a run that was stopped")
    resume.add_argument("run", type=Path, help="a run folder")
    _add_evaluate_options(commands.add_parser("evaluate", help="score a model on a text"))
    push = commands.add_parser("push", help="publish a run's model to the Hub")
    push.add_argument("run", type=Path, help="a run folder or a model folder")
    push.add_argument("repo_id", help="such as user/charlstm-macbeth")
    push.add_argument("--private", action="store_true", default=None, help="make the repository private")
    push.add_argument(
        "--install-from", default=None, metavar="URL",
        help="where the card says to install this library from, a URL for pip or a Space (default: the Space of fit)",
    )  # fmt: skip
    push.add_argument(
        "--endpoint", action="store_true", help="add what an Inference Endpoint needs: handler, requirements, wheel"
    )
    _add_space_options(commands.add_parser("space", help="host a chat with a model of the Hub as a Space"))
    _add_job_options(commands.add_parser("job", help="train on a machine of Hugging Face, as a Job"))
    _add_grid_options(commands.add_parser("sweep", help="compare seeds and settings, each in a run of its own"))
    return main


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; what stands behind -- in `job` and `sweep` is for another command: `words`."""
    is_split = argv[:1] and argv[0] in COMMANDS_OF_COMMANDS and "--" in argv
    end = argv.index("--") if is_split else len(argv)
    options = parser().parse_args(argv[:end])
    options.words = list(argv[end + 1 :])
    return options


def fit_parser() -> argparse.ArgumentParser:
    """The parser of what stands behind `fit`, for commands that pass it on."""
    fit = argparse.ArgumentParser(prog="python -m training fit")
    _add_fit_options(fit)
    return fit


def words_of(options: argparse.Namespace) -> list[str]:
    """The words that `fit_parser` parses to `options`: the corpus, then each option that differs from its default."""
    words: list[str] = [str(options.corpus)]
    for action in fit_parser()._actions:
        value = getattr(options, action.dest, action.default)
        if not action.option_strings or action.dest == "help" or value == action.default:
            continue
        words.append(action.option_strings[-1])
        if action.nargs == "+":
            words += [str(one) for one in value]
        elif action.nargs != 0:
            words.append(",".join(map(str, value)) if isinstance(value, tuple) else str(value))
    return words


def _add_fit_options(fit: argparse.ArgumentParser) -> None:
    _add_run_options(fit)
    _add_publish_options(fit)
    _add_recipe_options(fit)


class _PrintVersion(argparse.Action):
    """Prints the version; the package is imported only then, for it imports torch."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        from hubcharlstm import __version__

        print(f"hubcharlstm {__version__}")
        parser.exit()


def _add_run_options(fit: argparse.ArgumentParser) -> None:
    fit.add_argument("corpus", help=TEXTS)
    fit.add_argument(
        "--dry-run", action="store_true", help="print statistics of the text, settings and baselines; train nothing"
    )
    fit.add_argument("--json", action="store_true", help="with --dry-run: print them as one JSON object, for programs")
    fit.add_argument(
        "--minutes", type=float, default=None, metavar="N",
        help="end after so many minutes at most, 0.25 or more, start and report included (default: the preset's time)",
    )  # fmt: skip
    fit.add_argument(
        "--out",
        type=Path,
        default=None,
        help="folder for the run; must be new or empty (default: runs/CORPUS)",
    )
    times = "; ".join(f"{name}: {PRESET_TIMES[name]}" for name in PRESETS)
    fit.add_argument("--preset", choices=PRESETS, default="small", help=f"{times} (default: small)")
    _add_reading_options(fit)
    fit.add_argument("--lowercase", action="store_true", help="read everything in lower case, as the tutorial did")
    fit.add_argument("--val-fraction", type=float, default=0.1, help="share of a text that is held out (default: 0.1)")
    fit.add_argument(
        "--val-place", choices=PLACES, default="auto",
        help="what is held out: the end, parts spread over the text, or what suits the text (default: auto)",
    )  # fmt: skip
    fit.add_argument(
        "--val", default=None, metavar="FILE", help="hold out this file or folder instead (default: a part of the text)"
    )
    fit.add_argument(
        "--min-count", type=int, default=None, metavar="N",
        help="substitute characters that occur less often (default: 3 if more than 256 are different, else 1)",
    )  # fmt: skip
    fit.add_argument(
        "--init-from", default=None, metavar="MODEL",
        help="start from the weights of this model, a Hub id or folder, or pretrained for the one that ships here "
        "(default: none)",
    )  # fmt: skip
    fit.add_argument(
        "--teacher", nargs="+", default=(), metavar="MODEL",
        help="also learn the mean distribution of these models; named as for --init-from (default: none)",
    )  # fmt: skip
    fit.add_argument(
        "--distill-weight", type=float, default=None, metavar="SHARE",
        help=f"share of the teachers in the loss, 0 to 1 (default: {DISTILL_WEIGHT:g} with teachers)",
    )  # fmt: skip
    fit.add_argument(
        "--distill-temperature", type=float, default=None, metavar="N",
        help=f"divides the logits of teachers and student (default: {DISTILL_TEMPERATURE:g})",
    )  # fmt: skip
    fit.add_argument(
        "--local-sgd-steps", type=int, default=0, metavar="N",
        help="several processes average their weights every N steps, for slow links (default: 0, gradients at each)",
    )  # fmt: skip
    fit.add_argument(
        "--tracker", choices=TRACKERS, default=None, help="log the metrics there, too (default: only metrics.jsonl)"
    )
    fit.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16"), default="float32",
        help="how the weights are stored (default: float32)",
    )  # fmt: skip
    fit.add_argument(
        "--keep-epochs",
        type=epochs,
        default=(),
        metavar="N,N",
        help="also save the weights after these epochs; on the Hub each has a tag such as epoch-03 (default: none)",
    )


def _add_reading_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--encoding", default="utf-8", help="of the text files, or auto for each file's own (default: utf-8)"
    )
    command.add_argument(
        "--errors", choices=("strict", "replace", "ignore"), default="strict",
        help="bytes that cannot be decoded: refuse, replace or leave them out (default: strict)",
    )  # fmt: skip
    command.add_argument(
        "--text-column",
        default=None,
        metavar="NAME",
        help="of CSV, JSON lines and Parquet (default: a usual one, such as text)",
    )  # fmt: skip
    command.add_argument(
        "--plain", action="store_true", help="read files as they are: chats with times, subtitles, tables, JSON"
    )
    command.add_argument(
        "--include-license", action="store_true", help="keep the license that Project Gutenberg adds to its books"
    )


def _add_publish_options(fit: argparse.ArgumentParser) -> None:
    fit.add_argument(
        "--license", default=None, help="of the model, for its card, such as mit or cc0-1.0 (default: none)"
    )
    fit.add_argument("--language", default=None, help="of the text, for the card, such as en (default: none)")
    fit.add_argument("--push-to-hub", default=None, metavar="USER/MODEL", help="publish the model when it is trained")
    fit.add_argument(
        "--space", default=None, metavar="USER/SPACE", help="with --push-to-hub: then host a chat as a Gradio Space"
    )
    fit.add_argument("--static", action="store_true", help="with --space: a page that runs the model in the browser")
    fit.add_argument("--private", action="store_true", default=None, help="make new repositories on the Hub private")


def _add_recipe_options(fit: argparse.ArgumentParser) -> None:
    """One option per setting in OVERRIDES, without a default: the preset has it."""
    kinds: dict[str, type] = {"int": int, "float": float}
    for setting in (field for field in fields(Recipe) if field.name in OVERRIDES):
        values = ", ".join(f"{name} {getattr(recipe, setting.name)}" for name, recipe in PRESETS.items())
        fit.add_argument(
            f"--{setting.name.replace('_', '-')}", type=kinds[str(setting.type)], default=None, metavar="N",
            help=f"instead of the preset's ({values})",
        )  # fmt: skip


def _add_evaluate_options(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument("model", help="Hub id, model folder or run folder")
    evaluate.add_argument("corpus", help=TEXTS)
    _add_reading_options(evaluate)
    evaluate.add_argument(
        "--dynamic",
        action="store_true",
        help="also by dynamic evaluation: a copy trains on what it has scored, about ten times as slow",
    )
    evaluate.add_argument(
        "--ngram",
        action="store_true",
        help="also with Kneser-Ney n-grams mixed in, by weights that are learned from what was scored",
    )


def _add_space_options(space: argparse.ArgumentParser) -> None:
    space.add_argument("space_id", help="such as user/chat-with-macbeth")
    space.add_argument("--model", required=True, metavar="USER/MODEL", help="the model's id on the Hub")
    space.add_argument("--static", action="store_true", help="a page that runs the model in the browser, no server")
    space.add_argument(
        "--make-your-own", action="store_true", help="let visitors train models on their own texts there"
    )
    space.add_argument("--hardware", default=None, help="such as cpu-upgrade (default: as it is, or cpu-basic)")
    space.add_argument("--private", action="store_true", default=None, help="make a new Space private")
    space.add_argument(
        "--torch-index",
        default=None,
        metavar="URL",
        help="a further package index, such as one with builds of torch for the CPU alone (default: none)",
    )
    space.add_argument(
        "--dry-run", type=Path, default=None, metavar="FOLDER", help="write the Space's files there, and push nothing"
    )


def _add_job_options(job: argparse.ArgumentParser) -> None:
    job.usage = f"{job.prog} [options] -- fit ...\n       {job.prog} [options] -- resume RUN\n       {job.prog} RUN"
    job.add_argument("run", type=Path, nargs="?", help="a run folder, to follow its Job again")
    _add_machine_options(job)
    job.add_argument("--detach", action="store_true", help="do not wait for the Job's end")
    job.add_argument("--cancel", action="store_true", help="end the Job of the run folder")
    job.add_argument("--dry-run", action="store_true", help="print the request, and send nothing")


def _add_grid_options(grid: argparse.ArgumentParser) -> None:
    grid.usage = f"{grid.prog} CORPUS [options] [-- options of fit for every run]"
    grid.add_argument("corpus", help=TEXTS)
    grid.add_argument("--seeds", type=seeds, default=(1,), metavar="N,N", help="a run for each seed (default: 1)")
    grid.add_argument(
        "--set", action="append", type=setting, default=[], metavar="OPTION=VALUE,VALUE",
        help="and for each value of an option of fit, such as dropout=0.2,0.4; can be repeated (default: none)",
    )  # fmt: skip
    grid.add_argument("--out", type=Path, default=None, help="folder for the runs (default: sweeps/CORPUS)")
    grid.add_argument(
        "--processes", type=int, default=None, metavar="N", help="runs at a time (default: 1, with --flavor all)"
    )
    grid.add_argument(
        "--teach", type=int, default=0, metavar="N", help="distill the best N into one more run (default: 0, none)"
    )
    _add_machine_options(grid)


def _add_machine_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--flavor",
        type=flavor,
        default=None,
        help="the machine, such as cpu-upgrade or a10g-small (default: cpu-basic; in sweep none, which runs here)",
    )
    command.add_argument(
        "--timeout", default=None, metavar="TIME",
        help="end the Job after a time such as 90m, 4h or 1d (default: 2h, 8h for base, 1d for large)",
    )  # fmt: skip
    command.add_argument(
        "--namespace", default=None, metavar="NAME", help="the account that the Job belongs to (default: your own)"
    )


def epochs(text: str) -> tuple[int, ...]:
    """Parse "1,3,10"."""
    return _numbers(text, "epochs")


def seeds(text: str) -> tuple[int, ...]:
    """Parse "1,2,3"."""
    return tuple(dict.fromkeys(_numbers(text, "seeds")))


def flavor(text: str) -> str:
    """The name of a machine; without one a sweep would train here."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; expected a machine such as cpu-upgrade: name one")
    return text


def setting(text: str) -> tuple[str, tuple[str, ...]]:
    """Parse "dropout=0.2,0.4"."""
    name, _, values = text.partition("=")
    if not name or not all(values.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is no setting with values; expected one such as dropout=0.2,0.4")
    return name.lstrip("-").replace("_", "-"), tuple(dict.fromkeys(values.split(",")))


def _numbers(text: str, kind: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of {kind}; expected numbers such as 1,3,10") from None
