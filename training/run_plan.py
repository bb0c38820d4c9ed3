"""What a new run is going to do: its recipe fitted to the text and to the time, and what is known before it trains."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from hubcharlstm import GenerationConfig
from training import preflight
from training.data.corpus import Corpus
from training.data.renaming import SpeakerRenaming, new_speaker_share
from training.estimate import Timings, measure
from training.findings import findings
from training.new_model import config_of, vocabulary_of
from training.recipe import Recipe
from training.schedule import TrainSchedule
from training.teachers import Teachers
from training.time_budget import TimeBudget
from training.warm_start import SIZES, PretrainedInit


@dataclass(frozen=True)
class RunPlan:
    """The recipe of a run, and how long it takes here.

    warning: what fitting the recipe to the text has changed, "" for nothing. timings: of the parts of the run, None
    where nothing was measured. deadline: monotonic seconds after which no step begins.
    """

    recipe: Recipe
    warning: str = ""
    timings: Timings | None = None
    deadline: float | None = None


def plan_run(
    corpus: Corpus,
    recipe: Recipe,
    *,
    pretrained_init: PretrainedInit | None = None,
    teachers: Teachers | None = None,
    num_processes: int = 1,
    measures: bool = True,
    budget: TimeBudget | None = None,
    given: Collection[str] = (),
) -> RunPlan:
    """Fit `recipe` to the corpus, and to the time that `budget` allows.

    measures: whether this process times the parts of the run, which the budget needs. given: fields of the recipe that
    the user has set, see `Recipe.fitted_to`. Raises `ValueError` if memory is too small, a teacher lacks characters of
    the text, or its speakers cannot be renamed.
    """
    if pretrained_init is not None:
        given = {*given, *SIZES}  # those of its weights

    renaming_of(corpus, recipe, teachers)  # what is asked for is refused before anything is measured
    is_asked = recipe.rename_speakers > 0 or "rename_speakers" in given
    new_speakers = 0.0 if teachers or is_asked else new_speaker_share(corpus.train)

    def fitted(unfitted: Recipe) -> tuple[Recipe, str]:
        return unfitted.fitted_to(
            len(corpus.train), num_processes, vocab_size=len(corpus.chars), new_speakers=new_speakers, given=given
        )

    first, warning = fitted(recipe)
    if not measures:
        return RunPlan(first, warning)
    vocabulary = vocabulary_of(corpus, first, pretrained_init)
    if teachers:
        teachers.check_vocabulary(vocabulary)
    config, models = config_of(first, vocabulary), teachers.models if teachers else ()
    preflight.check_memory(config, first, corpus, models)  # before a step of it is timed
    timings = measure(config, first, corpus, models)
    if budget is None:
        return RunPlan(first, warning, timings)
    planned, warning = fitted(budget.plan(recipe, timings, corpus, given=given))
    schedule = TrainSchedule.of(planned, len(corpus.train))
    needed = timings.estimate(schedule, corpus)
    deadline = budget.deadline(needed.report + needed.evaluations / len(schedule.evaluation_steps))
    return RunPlan(planned, warning, timings, deadline)


def renaming_of(corpus: Corpus, recipe: Recipe, teachers: Teachers | None) -> SpeakerRenaming | None:
    """What renames the speakers of the text for a run; None if it does not. `ValueError` if they cannot be renamed."""
    if not recipe.rename_speakers:
        return None
    if teachers:
        raise ValueError(
            f"The run has teachers and renames speakers (a share of {recipe.rename_speakers:g}); expected one of them, "
            "since teachers read the text with its own names: leave out --teacher or --rename-speakers."
        )
    return SpeakerRenaming(corpus.train, recipe.rename_speakers, recipe.seed)


def examine_run(
    corpus: Corpus,
    recipe: Recipe,
    generation: GenerationConfig,
    timings: Timings,
    *,
    pretrained_init: PretrainedInit | None = None,
    teachers: Teachers | None = None,
    notes: Sequence[str] = (),
    on_findings: Callable[[dict[str, Any]], object] | None = None,
) -> preflight.Baselines:
    """Print what is known before the training; returns the baselines.

    notes, on_findings: `on_findings` is called with what the pre-flight finds, as JSON values, `notes` among them.
    """
    vocabulary = vocabulary_of(corpus, recipe, pretrained_init)
    config, is_warm = config_of(recipe, vocabulary), pretrained_init is not None
    print("Measuring what counting alone predicts ...", flush=True)
    baselines = preflight.measure_baselines(corpus, vocabulary, recipe)
    models = teachers.models if teachers else ()
    for line in preflight.examine(
        corpus, recipe, config, generation, baselines, timings, warm=is_warm, teachers=models
    ):
        print(line, flush=True)
    if on_findings:
        on_findings(findings(corpus, recipe, config, generation, baselines, timings, warm=is_warm, notes=notes))
    return baselines
