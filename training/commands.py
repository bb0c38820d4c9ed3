"""What `python -m training fit | resume | evaluate | push | space` do, each by its options."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.options import OVERRIDES
from training.recipe import PRESETS, Recipe
from training.tracking import check_tracker

if TYPE_CHECKING:
    from training.warm_start import PretrainedInit

Kinds = Mapping[str, Any]
KINDS: Kinds = {"int": int, "float": (int, float), "str": str, "bool": bool}
RUN: Kinds = {
    "recipe": dict, "source": dict, "dtype": str, "sha256": str, "command": (str, MISSING),
    "tracker": (str, None, MISSING), "keep_epochs": (list, MISSING), "base": (dict, None, MISSING),
    "card": (dict, MISSING), "hub": (dict, None, MISSING), "baselines": (dict, None, MISSING),
    "marks": (dict, MISSING),
}  # fmt: skip
SOURCE: Kinds = {"corpus": str, "encoding": str, "val_fraction": (int, float), "min_count": (int, None, MISSING)}
BASE: Kinds = {"name": str, "chars": str}
HUB: Kinds = {"model": (str, None), "space": (str, None), "private": (bool, None)}
MARKS: Kinds = {"train_chars": int, "held_out_chars": int, "size": int, "sums": list}
"""What run.json holds; a run of an earlier version lacks what may be missing."""
BEFORE: dict[str, Any] = {
    "cold_starts": 0.0, "patience": 0, "weight_drop": 0.0, "average": 0.0, "softmax_temperature": 1.0,
}  # fmt: skip
"""What a run did before its recipe had these settings: their defaults would change it halfway."""


def run_fit(arguments: argparse.Namespace) -> int:
    from training.data.corpus import locate

    corpus = locate(arguments.corpus)
    out: Path = arguments.out or Path("runs") / (Path(corpus).stem or "text")
    if Path(corpus).is_dir() and out.resolve().is_relative_to(Path(corpus)):
        raise ValueError(
            f"{out} lies in the corpus {corpus} and would become a part of it; expected a folder elsewhere: choose "
            "another --out."
        )
    check_new(out)
    given = {name: getattr(arguments, name) for name in OVERRIDES if getattr(arguments, name) is not None}
    recipe = PRESETS[arguments.preset]
    recipe = replace(recipe, lowercase=arguments.lowercase or recipe.lowercase, **given)
    if arguments.tracker:
        check_tracker(arguments.tracker)
    base = None
    if arguments.init_from == "":
        raise ValueError("--init-from is empty; expected a Hub id or a folder: name one, or leave the option out.")
    if arguments.init_from:
        from training.warm_start import PretrainedInit

        base = PretrainedInit.load(arguments.init_from)
        recipe = base.fit_recipe(recipe, set(given))
    source = {
        "corpus": corpus,
        "encoding": arguments.encoding,
        "val_fraction": arguments.val_fraction,
        "min_count": arguments.min_count,
    }
    settings = {
        "recipe": recipe.to_dict(), "source": source, "dtype": arguments.dtype, "command": arguments.line,
        "keep_epochs": arguments.keep_epochs, "tracker": arguments.tracker,
        "base": {"name": base.name, "chars": base.chars} if base else None,
        "card": {k: v for k in ("license", "language") if (v := getattr(arguments, k)) is not None},
        "hub": {"model": arguments.push_to_hub, "space": arguments.space, "private": arguments.private},
    }  # fmt: skip
    return train(out, settings, resume=False, base=base, dry_run=arguments.dry_run)


def check_new(out: Path) -> None:
    if (out / "run.json").exists():
        hint = f"go on with it by `{command('python')} -m training resume {shlex.quote(str(out))}`, or "
    elif out.is_dir() and any(out.iterdir()):
        hint = "empty it, or "
    elif out.exists() and not out.is_dir():
        hint = ""
    else:
        return
    raise ValueError(f"{out} exists already; expected a new folder: {hint}choose another --out.")


def run_resume(arguments: argparse.Namespace) -> int:
    run: Path = arguments.run
    if not (run / "run.json").is_file():
        raise ValueError(f"{run} is no run folder (it has no run.json); expected one that fit made: check the path.")
    try:
        settings = json.loads((run / "run.json").read_text(encoding="utf-8"))
        check_kinds(settings, RUN, "")
        check_kinds(settings["source"], SOURCE, " in its source")
        settings["recipe"] = BEFORE | settings["recipe"]
        check_kinds(settings["recipe"], {f.name: KINDS[str(f.type)] for f in fields(Recipe)}, " in its recipe")
        for name, kinds in (("base", BASE), ("hub", HUB), ("marks", MARKS)):
            if settings.get(name) is not None:
                check_kinds(settings[name], kinds, f" in its {name}")
        Recipe.from_dict(settings["recipe"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{run / 'run.json'} is damaged ({error}); expected what fit wrote there: put a copy back, or start a new "
            "run with fit and another --out."
        ) from None
    return train(run, {"command": arguments.line} | settings, resume=True)


def check_kinds(values: Any, kinds: Kinds, where: str) -> None:
    """Raise `ValueError` unless `values` has all of `kinds`, each as it is to be."""
    if not isinstance(values, dict):
        raise ValueError(f"no names with values{where}")
    for name, kind in kinds.items():
        of = kind if isinstance(kind, tuple) else (kind,)
        value = values.get(name, MISSING)
        if value is MISSING and MISSING not in of:
            raise ValueError(f"no {name}{where}")
        types = tuple(one for one in of if isinstance(one, type))
        good = isinstance(value, types) and (not isinstance(value, bool) or bool in types)
        if not good and not any(value is one for one in of):
            raise ValueError(f"{name} is {value!r}{where}"[:100])


def run_evaluate(arguments: argparse.Namespace) -> int:
    from training.evaluation.report import report

    for line in report(arguments.model, arguments.corpus, encoding=arguments.encoding, dynamic=arguments.dynamic):
        print(line, flush=True)
    return 0


def run_push(arguments: argparse.Namespace) -> int:
    from training.publishing.model import push

    options = {"private": arguments.private, "install_from": arguments.install_from}
    print(push(arguments.run, arguments.repo_id, **options))
    return 0


def run_space(arguments: argparse.Namespace) -> int:
    from training.publishing import space

    if arguments.dry_run is None:
        host(arguments.space_id, arguments.model, arguments)
        return 0
    for path in space.write(arguments.dry_run, arguments.model, torch_index=arguments.torch_index):
        print(path)
    print(f"\nThese are the files of {arguments.space_id}; its variable {space.MODEL_VARIABLE} is {arguments.model}.")
    return 0


def host(space_id: str, model_id: str, arguments: argparse.Namespace) -> None:
    """Create or update the Space and say what changed."""
    from training.publishing import space

    options = {name: getattr(arguments, name) for name in ("hardware", "private", "torch_index")}
    done = space.publish(space_id, model_id, **options)
    for path in done.sent:
        print(path)
    for path in done.dropped:
        print(f"{path} (gone)")
    if done.model_is_private:
        print(f"note: {model_id} is private: give the Space a secret HF_TOKEN that may read it, in its settings.")
    print(done.url)


def publish(out: Path, hub: dict[str, Any]) -> None:
    """What `fit` was asked to do on the Hub once the model is trained."""
    from training.publishing.model import push

    print(push(out, hub["model"], private=hub["private"]), flush=True)
    if hub["space"]:
        host(hub["space"], hub["model"], argparse.Namespace(hardware=None, private=hub["private"], torch_index=None))


def checked_hub(settings: dict[str, Any]) -> dict[str, Any]:
    """Where the model is to go, with full ids; `ValueError` now rather than after the training."""
    hub: dict[str, Any] = settings.get("hub") or {"model": None, "space": None, "private": None}
    if hub["space"] and not hub["model"]:
        raise ValueError("--space has no model to serve; expected --push-to-hub with it: add it, such as user/model.")
    if hub["model"]:
        from training.publishing.model import check_account

        return hub | {kind: check_account(hub[kind]) for kind in ("model", "space") if hub[kind]}
    return hub


def train(
    out: Path, settings: dict[str, Any], *, resume: bool, base: PretrainedInit | None = None, dry_run: bool = False
) -> int:
    """Begin or resume the run that `settings` describe; they are what run.json holds."""
    from training import preflight
    from training.data.corpus import read_corpus
    from training.data.examples import suggest
    from training.pipeline import config_of, fit, vocabulary_of
    from training.warm_start import PretrainedInit

    recipe, source = Recipe.from_dict(settings["recipe"]), settings["source"]
    corpus = read_corpus(
        source["corpus"], encoding=source["encoding"], lowercase=recipe.lowercase, val_fraction=source["val_fraction"],
        min_count=source.get("min_count"), store=existing(out),
    )  # fmt: skip
    if resume and settings["sha256"] != corpus.sha256:
        told = f" ({corpus.difference(settings['marks'])})" if "marks" in settings else ""
        raise ValueError(
            f"The corpus {source['corpus']} has changed since the run began{told}; expected the same text: "
            "put it back, or start a new run with fit and another --out."
        )
    if resume and settings.get("base"):
        base = PretrainedInit(settings["base"]["name"], settings["base"]["chars"])
    corpus = replace(corpus, card=corpus.card | settings.get("card", {}))
    hub = checked_hub(settings)
    recipe, note = recipe.fitted_to(len(corpus.train))
    for line in (*corpus.warnings, note):
        if line:
            print(f"note: {line}")
    print(
        f"{corpus.title}: {len(corpus.train):,} characters to train on, {len(corpus.held_out):,} held out "
        f"({corpus.held_out_note}).",
        flush=True,
    )
    generation = suggest(corpus)
    vocabulary = vocabulary_of(corpus, recipe, base)
    config = config_of(recipe, vocabulary)
    if not resume:
        baselines = preflight.measure_baselines(corpus, vocabulary)
        for line in preflight.examine(corpus, recipe, config, generation, baselines):
            print(line, flush=True)
        settings = settings | {"baselines": baselines, "marks": corpus.marks()}
    if dry_run:
        return 0
    if not resume:
        check_new(out)  # another run may have begun there while the text was looked at
    settings = settings | {"recipe": recipe.to_dict(), "sha256": corpus.sha256, "hub": hub}
    go_on = f"Go on with:  {command('python')} -m training resume {shlex.quote(str(out))}"
    try:
        outcome = fit(
            corpus, recipe, generation, out,
            resume=resume, settings=settings, dtype=settings["dtype"], keep_epochs=settings.get("keep_epochs", ()),
            baselines=settings.get("baselines"), base=base, tracker=settings.get("tracker"),
        )  # fmt: skip
    except KeyboardInterrupt:
        print("\nStopped at once." + (f" {go_on}" if (out / "checkpoint").exists() else ""))
        return 130
    if not outcome.finished:
        print(f"\nStopped and saved. {go_on}")
        return 130
    print(f"\nHeld-out loss {outcome.val_loss:.4f} nats per character; the model is in {outcome.model_folder}.")
    print(f"Chat with it:  {command('hubcharlstm')} app --model {shlex.quote(str(out))}")
    push = f"{command('python')} -m training push {shlex.quote(str(out))}"
    if not hub["model"]:
        print(f"Publish it:    {push} USER/charlstm-{corpus.name}")
        return 0
    print(f"Publishing {hub['model']}; if that breaks off:  {push} {hub['model']}", flush=True)
    publish(out, hub)
    return 0


def existing(folder: Path) -> Path:
    """The folder itself or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.resolve().parents) if place.is_dir())


def command(name: str) -> str:
    """How to call a program that lies beside this Python: by name if the shell finds it, else by path."""
    folder = Path(sys.executable).parent
    if str(folder) in os.environ.get("PATH", "").split(os.pathsep):
        return name
    path = folder / name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
