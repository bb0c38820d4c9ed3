"""The commands `python -m training fit | resume | evaluate | push | space | job | sweep`: options -> calls."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.options import OVERRIDES
from training.recipe import DISTILL_TEMPERATURE, DISTILL_WEIGHT, PRESETS, Recipe
from training.run_folder import check_new, is_restarted, training_command
from training.tracking import check_tracker

if TYPE_CHECKING:
    from training.run_settings import RunSettings
    from training.teachers import Teachers
    from training.warm_start import PretrainedInit


def run_fit(options: argparse.Namespace, command_line: str) -> int:
    """Start a run; command_line: for its record."""
    from training.data.standard_input import is_pipe, readable_again
    from training.processes import launched

    if is_pipe(options.corpus) and (count := launched()) > 1:
        raise ValueError(
            f"The corpus comes through a pipe, and the run has {count} processes; expected a file, which each of them "
            "reads: save it first."
        )
    with readable_again(options.corpus) as (corpus, copy):
        return _run_fit(options, command_line, corpus, copy)


def _run_fit(options: argparse.Namespace, command_line: str, corpus: str, copy: Path | None) -> int:
    """copy: the file `corpus` if it is a copy of what came through a pipe, which the run must hold."""
    from training.data.corpus import locate, title_of
    from training.pipeline import train
    from training.processes import join
    from training.teachers import Teachers
    from training.time_budget import TimeBudget
    from training.warm_start import PretrainedInit

    if options.json and not options.dry_run:
        raise ValueError(
            "--json is given without --dry-run; expected both, since only a dry run has an answer: add --dry-run, or "
            "leave --json out."
        )
    budget = None if options.minutes is None else TimeBudget.of(options.minutes)
    corpus = locate(corpus)
    out: Path = options.out or Path("runs") / (Path(title_of(corpus)).stem or "text")
    _check_apart(out, corpus)
    if has_restarted(out):
        return run_resume(argparse.Namespace(run=out), command_line)
    check_new(out)
    overrides = {name: value for name in OVERRIDES if (value := getattr(options, name)) is not None}
    recipe = PRESETS[options.preset]
    recipe = replace(
        recipe, lowercase=options.lowercase or recipe.lowercase, local_sgd_steps=options.local_sgd_steps, **overrides
    )
    recipe = _with_distillation(recipe, options)
    if options.tracker:
        check_tracker(options.tracker)
    if options.init_from == "":
        raise ValueError(
            "--init-from is empty; expected a Hub id, a folder or pretrained: name one, or leave the option out."
        )
    init = PretrainedInit.load(options.init_from) if options.init_from else None
    if init is not None:
        recipe = init.fit_recipe(recipe, set(overrides))
    teachers = Teachers.load(options.teacher) if options.teacher else None
    settings = _run_settings(options, command_line, corpus, recipe, init, teachers)
    answers: list[dict[str, Any]] = []
    with redirect_stdout(sys.stderr) if options.json and join().is_main else nullcontext():
        code = train(
            out, settings, resume=False, pretrained_init=init, teachers=teachers, dry_run=options.dry_run,
            on_findings=answers.append if options.json else None, corpus_copy=copy, budget=budget, given=set(overrides),
        )  # fmt: skip
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=False))
    return code


def _run_settings(
    options: argparse.Namespace,
    command_line: str,
    corpus: str,
    recipe: Recipe,
    init: PretrainedInit | None,
    teachers: Teachers | None,
) -> RunSettings:
    """What the run folder is to remember. Raises `ValueError` for an id that the Hub cannot have."""
    from hubcharlstm.hub.model_id import parse_space_id
    from training.data.corpus import locate
    from training.run_settings import CorpusSource, HubTargets, PretrainedSource, RunSettings

    pretrained_init = None
    if init is not None:
        pretrained_init = PretrainedSource(
            name=init.name, chars=init.chars, ancestors=init.ancestors, teachers=init.teachers
        )
    return RunSettings(
        recipe=recipe,
        source=CorpusSource(
            corpus=corpus,
            encoding=options.encoding,
            errors=options.errors,
            text_column=options.text_column,
            include_license=options.include_license,
            plain=options.plain,
            val_fraction=options.val_fraction,
            val_place=options.val_place,
            val=locate(options.val) if options.val else None,
            min_count=options.min_count,
        ),
        dtype=options.dtype,
        sha256="",
        command=command_line,
        tracker=options.tracker,
        keep_epochs=options.keep_epochs,
        pretrained_init=pretrained_init,
        teachers=teachers.sources if teachers else (),
        card={name: value for name in ("license", "language") if (value := getattr(options, name)) is not None},
        hub=HubTargets(
            model=None if options.push_to_hub is None else plain_model_id(options.push_to_hub),
            space=None if options.space is None else parse_space_id(options.space),
            private=options.private,
            static=options.static,
        ),
    )


def has_restarted(out: Path) -> bool:
    """Whether a launcher has started the workers of the run in `out` anew, and there is a checkpoint to resume.

    A run without one yet begins again.
    """
    from hubcharlstm.hub.model_folder import CHECKPOINT
    from training.processes import join
    from training.run_settings import RUN_JSON

    processes = join()
    restarted = processes.is_main and is_restarted(out)
    if restarted and not (out / CHECKPOINT).exists():
        (out / RUN_JSON).unlink(missing_ok=True)
        restarted = False
    return processes.from_main(restarted)


def _with_distillation(recipe: Recipe, options: argparse.Namespace) -> Recipe:
    """The recipe with its settings for teachers; raises `ValueError` if there are settings and no teacher."""
    weight, temperature = options.distill_weight, options.distill_temperature
    if options.teacher:
        return replace(
            recipe,
            distill_weight=DISTILL_WEIGHT if weight is None else weight,
            distill_temperature=DISTILL_TEMPERATURE if temperature is None else temperature,
        )
    for option, value in (("--distill-weight", weight), ("--distill-temperature", temperature)):
        if value is not None:
            raise ValueError(
                f"{option} is given without a teacher; expected --teacher beside it: name one, or leave {option} out."
            )
    return recipe


def _check_apart(out: Path, corpus: str) -> None:
    from training.data.remote.names import is_remote
    from training.data.sources import fixed_part, is_pattern

    path = Path(corpus)
    folder = fixed_part(path) if "**" in path.parts and is_pattern(path) else path
    if not is_remote(corpus) and folder.is_dir() and out.resolve().is_relative_to(folder):
        raise ValueError(
            f"{out} lies in the corpus {corpus} and would become a part of it; expected a folder elsewhere: choose "
            "another --out."
        )


def run_resume(options: argparse.Namespace, command_line: str) -> int:
    """Continue a run that was stopped."""
    from training.pipeline import train
    from training.run_settings import RunSettings

    settings = RunSettings.load(options.run)
    if not settings.command:  # a run of an earlier version
        settings = settings.model_copy(update={"command": command_line})
    return train(options.run, settings, resume=True)


def run_evaluate(options: argparse.Namespace, command_line: str) -> int:
    """Score a model on a text."""
    from training.data.text_files import ReadingOptions
    from training.evaluation.report import report

    reading = ReadingOptions(
        options.encoding, options.errors, options.text_column, options.include_license, options.plain
    )
    for line in report(options.model, options.corpus, options=reading, dynamic=options.dynamic, ngram=options.ngram):
        print(line, flush=True)
    return 0


def run_push(options: argparse.Namespace, command_line: str) -> int:
    """Publish the model of a run."""
    from training.publishing.model import push

    url = push(
        options.run, plain_model_id(options.repo_id),
        private=options.private, install_from=options.install_from, endpoint=options.endpoint,
    )  # fmt: skip
    print(url)
    return 0


def run_space(options: argparse.Namespace, command_line: str) -> int:
    """Publish a Space that serves a model, or write its files into a folder."""
    from hubcharlstm.hub.model_id import parse_space_id
    from training.hub_targets import publish_space
    from training.publishing import space

    space_id, model_id = parse_space_id(options.space_id), plain_model_id(options.model)
    if options.static:
        return _run_static_space(options, space_id, model_id)
    if options.dry_run is None:
        publish_space(
            space_id, model_id,
            hardware=options.hardware, private=options.private, torch_index=options.torch_index,
            make_your_own=options.make_your_own,
        )  # fmt: skip
        return 0
    record, note = space.try_load_record(model_id)
    for path in space.write(
        options.dry_run, model_id, space_id=space_id, record=record, torch_index=options.torch_index,
        make_your_own=options.make_your_own,
    ):  # fmt: skip
        print(path)
    print(f"\nThese are the files of {space_id}; it serves {model_id}, which its README.md names.")
    if note:
        print(f"note: {note}")
    if options.make_your_own:
        print(f"note: visitors can train there once the Space's variable {space.MAKING_VARIABLE} is 1.")
    if options.torch_index is None and (options.hardware or "cpu").startswith("cpu"):
        print("note: PyTorch brings libraries of GPUs along; --torch-index with the index of its CPU builds does not.")
    return 0


def _run_static_space(options: argparse.Namespace, space_id: str, model_id: str) -> int:
    from training.hub_targets import publish_static_space
    from training.publishing import static_space

    for name in ("hardware", "torch_index", "make_your_own"):
        if getattr(options, name):
            raise ValueError(
                f"--{name.replace('_', '-')} is for a Space with a server; expected none with --static: leave one out."
            )
    if options.dry_run is None:
        publish_static_space(space_id, model_id, private=options.private)
        return 0
    for path in static_space.write(options.dry_run, model_id, space_id=space_id):
        print(path)
    print(f"\nThese are the files of {space_id}.")
    return 0


def run_job(options: argparse.Namespace, command_line: str) -> int:
    """Start a Job that trains, or follow or end the Job of a run folder."""
    from training import jobs
    from training.job_request import parse_request

    run: Path | None = options.run
    if run is not None or options.cancel:
        if run is None or options.words or options.flavor or options.timeout or options.dry_run:
            raise ValueError(
                "job follows or cancels one Job; expected its run folder alone, or `-- fit ...` for a new one: give "
                "one of both."
            )
        ticket = jobs.JobTicket.load(run)
        if not options.cancel:
            return jobs.follow(ticket, run)
        jobs.cancel(ticket)
        print(f"Cancelled {ticket.url}; what it has stored comes by  {training_command()} job {run}")
        return 0
    request = parse_request(options.words)
    machine = {"flavor": options.flavor, "timeout": options.timeout, "namespace": options.namespace}
    if options.dry_run:
        print(json.dumps(jobs.describe(request, **machine), indent=2, ensure_ascii=False))
        return 0
    ticket = jobs.start(request, **machine)
    if options.detach:
        print(jobs.again_lines(request.run))
        return 0
    return jobs.follow(ticket, request.run)


def run_grid_search(options: argparse.Namespace, command_line: str) -> int:
    """Train a run for each seed and setting, and compare them."""
    from training import sweep
    from training.data.corpus import title_of

    for name in ("timeout", "namespace"):
        if getattr(options, name) and not options.flavor:
            raise ValueError(f"--{name} is given without a Job; expected --flavor beside it: add it, or leave it out.")
    machine = {"flavor": options.flavor, "timeout": options.timeout, "namespace": options.namespace}
    grid = sweep.Grid.of(options.corpus, options.seeds, dict(options.set), options.words)
    out: Path = options.out or Path("sweeps") / (Path(title_of(grid.corpus)).stem or "text")
    return sweep.run(
        grid, out, command_line, processes=options.processes, num_teachers=options.teach,
        machine=machine if options.flavor else None,
    )  # fmt: skip


def plain_model_id(typed: str) -> str:
    """The id of a model without spaces and slashes around it, also from the URL of its page.

    Raises `ValueError` for one with a revision: what is pushed or served is the newest.
    """
    from hubcharlstm.hub.model_id import parse_model_id

    model_id, revision = parse_model_id(typed)
    if revision is not None:
        raise ValueError(
            f"{typed.strip()} names the revision {revision!r}; expected the id of a model alone, since its newest "
            f"revision is meant: give {model_id}."
        )
    return model_id


COMMANDS = {
    "fit": run_fit,
    "resume": run_resume,
    "evaluate": run_evaluate,
    "push": run_push,
    "space": run_space,
    "job": run_job,
    "sweep": run_grid_search,
}
