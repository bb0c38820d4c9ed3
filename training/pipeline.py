"""From settings to a trained and published model: load the corpus, check, train or resume, publish."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hubcharlstm import GenerationConfig, Vocabulary
from hubcharlstm.decoding import openmp
from hubcharlstm.hub.model_folder import CHECKPOINT, STORED_DTYPES
from training import preflight
from training.ancestry import distinct, public_command
from training.artifacts import ModelArtifacts, RunInfo
from training.bptt import TruncatedBPTT
from training.checkpoint import Progress
from training.data.corpus import Corpus
from training.data.encoded import TrainIds, encode
from training.data.examples import suggest
from training.distillation import TeacherProbs
from training.estimate import seconds_alone, seconds_per_window
from training.evaluation.comparison import final_line
from training.hub_targets import check_targets, publish_run
from training.new_model import new_model, vocabulary_of
from training.processes import check_local_sgd, join, launcher_note, leave, slower_note
from training.recipe import Recipe
from training.run_corpus import load_run_corpus, print_corpus, store_copy
from training.run_folder import check_new, nearest_folder, remove_litter, resume_command, run_lock, shell_command, sign
from training.run_plan import RunPlan, examine_run, plan_run, renaming_of
from training.run_settings import HubTargets, RunSettings
from training.schedule import TrainSchedule
from training.teachers import Teachers
from training.time_budget import TimeBudget
from training.tracking import Tracker
from training.trainer import Trainer, TrainResult
from training.warm_start import PretrainedInit


def train(
    out: Path,
    settings: RunSettings,
    *,
    resume: bool,
    pretrained_init: PretrainedInit | None = None,
    teachers: Teachers | None = None,
    dry_run: bool = False,
    on_findings: Callable[[dict[str, Any]], object] | None = None,
    corpus_copy: Path | None = None,
    budget: TimeBudget | None = None,
    given: Collection[str] = (),
) -> int:
    """Start or resume the run of `settings`, print what happens, publish the model if asked; returns the exit code.

    on_findings: called with what the pre-flight finds, as JSON values. corpus_copy: the corpus itself if it came
    through a pipe; the run folder gets it, so that `resume` can read it. budget: the time that a new run may take.
    given: fields of the recipe that the user has set, see `Recipe.fitted_to`.
    Of several processes of one run the main one measures, writes, prints and publishes.
    """
    processes = join()
    check_local_sgd(settings.recipe.local_sgd_steps, processes.count)
    corpus = load_run_corpus(settings, resume=resume, store=corpus_copy.parent if corpus_copy else None)
    if resume:
        pretrained_init, teachers = _sources(settings)
    targets = check_targets(settings.hub or HubTargets()) if processes.is_main else HubTargets()
    plan = RunPlan(settings.recipe)  # of a run that is resumed: the recipe that it began with, whatever today's rules
    if not resume:
        plan = plan_run(
            corpus, settings.recipe, pretrained_init=pretrained_init, teachers=teachers, num_processes=processes.count,
            measures=processes.is_main, budget=budget, given=given,
        )  # fmt: skip
    recipe = processes.from_main(plan.recipe)
    notes = [launcher_note(), plan.warning, *(teachers.notes(corpus) if teachers and not resume else [])]
    print_corpus(corpus, notes)
    generation = suggest(corpus)
    if plan.timings:
        baselines = examine_run(
            corpus, recipe, generation, plan.timings, pretrained_init=pretrained_init, teachers=teachers, notes=notes,
            on_findings=on_findings,
        )  # fmt: skip
        settings = settings.model_copy(update={"baselines": baselines, "chunk_checksums": corpus.chunk_checksums()})
    if dry_run:
        leave()
        return 0
    processes.wait()  # the others have found the folder new before the main process makes it
    if not resume and processes.is_main:
        check_new(out)  # another run may have started there while the baselines were measured
        settings = store_copy(out, settings, corpus_copy)
    settings = settings.model_copy(update={"recipe": recipe, "sha256": corpus.sha256, "hub": targets})
    try:
        result = fit(
            corpus, recipe, generation, out, resume=resume, settings=settings, dtype=settings.dtype,
            keep_epochs=settings.keep_epochs, baselines=settings.baselines, pretrained_init=pretrained_init,
            teachers=teachers, tracker=settings.tracker, deadline=plan.deadline,
        )  # fmt: skip
    except KeyboardInterrupt:
        print("\nStopped at once." + (f" {_continue_line(out)}" if (out / CHECKPOINT).exists() else ""))
        return 130
    leave()
    if not result.finished:
        print(f"\nStopped and saved. {_continue_line(out)}")
        return 130
    if processes.is_main:
        _print_result(result, corpus, recipe, settings, pretrained_init, out)
        publish_run(out, targets, suggested_name=f"charlstm-{corpus.name}")
    return 0


def _sources(settings: RunSettings) -> tuple[PretrainedInit | None, Teachers | None]:
    """What a run that is resumed began with: no weights are loaded again."""
    init = None
    if source := settings.pretrained_init:
        init = PretrainedInit(source.name, source.chars, ancestors=source.ancestors, teachers=source.teachers)
    return init, Teachers(settings.teachers) if settings.teachers else None


def _print_result(
    result: TrainResult,
    corpus: Corpus,
    recipe: Recipe,
    settings: RunSettings,
    pretrained_init: PretrainedInit | None,
    out: Path,
) -> None:
    print(f"\nHeld-out loss {result.val_loss:.4f} nats per character; the model is in {result.model_folder}.")
    may_start_warm = bool(preflight.warm_start_offer(corpus, warm=pretrained_init is not None))
    if line := final_line(
        settings.baselines or {}, result.history, vocab_size=len(vocabulary_of(corpus, recipe, pretrained_init)),
        train_chars=len(corpus.train), may_start_warm=may_start_warm,
    ):  # fmt: skip
        print(line)
    print(f"Chat with it:  {shell_command('hubcharlstm')} app --model {shlex.quote(str(out))}")


def fit(
    corpus: Corpus,
    recipe: Recipe,
    generation: GenerationConfig,
    out: Path,
    *,
    resume: bool = False,
    settings: RunSettings | None = None,
    dtype: str = "float32",
    keep_epochs: Collection[int] = (),
    baselines: Mapping[str, Mapping[str, float]] | None = None,
    pretrained_init: PretrainedInit | None = None,
    teachers: Teachers | None = None,
    tracker: str | None = None,
    deadline: float | None = None,
) -> TrainResult:
    """Train on `corpus.train` and save the weights that are best on `corpus.held_out` in `out`/model.

    recipe: one that `Recipe.fitted_to` has fitted to the text. settings: written to `out`/run.json, with which
    `python -m training resume` finds the corpus again; its command goes into the record. keep_epochs: epochs, counted
    from 1, after which the weights are saved in `out`/epochs/epoch-01 and so on. baselines: for the record, by name;
    the Kneser-Ney model's nats are the number to beat. pretrained_init: the initial weights. teachers: the models
    whose guesses are learned, too, by the recipe's `distill_weight`. tracker: "trackio" logs the metrics there, too.
    deadline: monotonic seconds after which no step begins.
    SIGINT and SIGTERM save a checkpoint and return. Raises `ValueError`; `TrainingError` for a loss that is not finite
    or that explodes.
    """
    torch.manual_seed(recipe.seed)
    vocabulary = vocabulary_of(corpus, recipe, pretrained_init)
    if teachers and not resume:
        teachers.check_vocabulary(vocabulary)
    schedule = TrainSchedule.of(recipe, len(corpus.train))
    _check_stored(dtype, keep_epochs, schedule)
    model = new_model(recipe, vocabulary, generation)
    if pretrained_init and not resume:
        pretrained_init.copy_into(model)
    ids = TrainIds(corpus.train, vocabulary)
    bptt = TruncatedBPTT(model, recipe, schedule, ids, renaming_of(corpus, recipe, teachers))
    is_main = bptt.processes.is_main
    if is_main and not resume:
        out.mkdir(parents=True, exist_ok=True)
    info = RunInfo(
        out, num_processes=bptt.processes.count, dtype=dtype,
        command=public_command(settings.command) if settings else "",
        keep_epochs=tuple(sorted(set(keep_epochs))), baselines=dict(baselines or {}),
        ancestors=list(pretrained_init.ancestors) if pretrained_init else [],
        teachers=distinct(
            [*(teachers.entries if teachers else ()), *(pretrained_init.teachers if pretrained_init else ())]
        ),
    )  # fmt: skip
    with run_lock(out) if is_main and out.is_dir() else nullcontext(), flushed_denormals():
        # Under the lock: a run that ends here meanwhile replaces the checkpoint, at worst between its two files.
        bptt.processes.wait()
        progress = bptt.load(out) if resume else Progress(num_processes=bptt.processes.count)
        if bptt.processes.count > 1 or progress.num_processes > 1:
            _print_processes(bptt, progress)
        if is_main:
            remove_litter(out)
        if is_main and not resume:
            sign(out)
            if settings:
                settings.save(out)
        trainer = Trainer(
                bptt, progress, encode(corpus.held_out, vocabulary),
                ModelArtifacts(bptt.ema.model, corpus, recipe, schedule, info),
                tracker=Tracker(tracker, out, recipe.to_dict(), resume=resume) if tracker and is_main else None,
                deadline=deadline,
            )  # fmt: skip
        if teachers and not trainer.ended:
            bptt.teacher_probs = _teacher_probs(teachers, corpus, vocabulary, recipe, bptt, out)
        return trainer.run()


def _print_processes(bptt: TruncatedBPTT, progress: Progress) -> None:
    """Print what a change of the number of processes changes, and whether fewer of them would be faster."""
    processes, batch = bptt.processes, bptt.recipe.batch_size
    every = bptt.recipe.local_sgd_steps
    if every:
        print(f"note: the {processes.count} processes average their weights every {every:,} steps")
    if progress.num_processes != processes.count:
        same = "differs from a run that never changed" if every else "is the same up to rounding"
        print(
            f"note: the run had {progress.num_processes} processes up to window {progress.step:,} and has "
            f"{processes.count} now, each with {batch // processes.count} of the batch's {batch} rows; what it learns "
            f"{same}"
        )
    if processes.count > 1:
        config, device = bptt.model.config, bptt.accelerator.device
        exchange = processes.exchange_seconds(config.num_parameters, device)
        shared = seconds_per_window(config, replace(bptt.recipe, batch_size=batch // processes.count), device)
        processes.wait()
        alone = seconds_alone(config, bptt.recipe, device) if processes.is_main else math.inf
        if note := slower_note(processes.count, alone, shared, exchange, every=max(1, every)):
            print(f"note: {note}")
        processes.wait()


def _teacher_probs(
    teachers: Teachers, corpus: Corpus, vocabulary: Vocabulary, recipe: Recipe, bptt: TruncatedBPTT, out: Path
) -> TeacherProbs:
    count = len(teachers.sources)
    if bptt.processes.is_main:
        print(f"{count} teacher{'s read' if count > 1 else ' reads'} the text ...", flush=True)
    models = [model.to(bptt.accelerator.device) for model in teachers.models]
    probs = TeacherProbs.write(
        models, corpus.train, vocabulary, temperature=recipe.distill_temperature, folder=nearest_folder(out)
    )
    for model in models:
        model.to("cpu")  # the device's memory is the student's
    return probs


def _check_stored(dtype: str, keep_epochs: Collection[int], schedule: TrainSchedule) -> None:
    if dtype not in STORED_DTYPES:
        raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(STORED_DTYPES)}: pick one.")
    epochs = schedule.total_steps // schedule.steps_per_epoch
    if wrong := [epoch for epoch in keep_epochs if not 1 <= epoch <= epochs]:
        raise ValueError(
            f"--keep-epochs has epoch {wrong[0]}; expected 1 to {epochs}, since the run reads its text "
            f"{schedule.total_steps / schedule.steps_per_epoch:.1f} times: name an earlier one, or raise "
            "--max-train-chars."
        )


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Flush denormals to zero: weights that decay to them would slow down every product.

    PyTorch sets that of the calling thread, and a thread of OpenMP has what the one had that started it. So the team
    starts anew.
    """
    torch.set_flush_denormal(True)
    openmp.release_thread_team()
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        openmp.release_thread_team()


def _continue_line(out: Path) -> str:
    return f"Continue with:  {resume_command(out)}"
