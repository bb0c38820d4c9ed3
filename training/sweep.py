"""`sweep`: a run for each seed and setting, compared; the best is kept, and may teach one more."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from hubcharlstm.hub.atomic import make_folder, replace_file
from training.data.corpus import locate
from training.options import fit_parser
from training.run_folder import is_finished
from training.run_settings import RUN_JSON, RunSettings
from training.sweep_report import Comparison, publish
from training.trials import JobTrial, Trial, run_all, start_processes

GRID_JSON = "sweep.json"
RUNS, LOGS, STUDENT = "runs", "logs", "student"
OWN = ("out", "seed", "push_to_hub", "space", "dry_run", "json")
"""Options of `fit` that a sweep sets itself, or that make no sense for several runs."""


@dataclass(frozen=True)
class Grid:
    """What is compared: every seed with every combination of the settings. words: options of `fit` for all runs."""

    corpus: str
    seeds: tuple[int, ...]
    settings: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]

    @classmethod
    def of(cls, corpus: str, seeds: Sequence[int], settings: Mapping[str, Sequence[str]], words: Sequence[str]) -> Self:
        """Checked; raises `ValueError` for an option that is not one of `fit` with a value, or that is no sweep's."""
        if corpus == "-":
            raise ValueError("The corpus comes through a pipe; expected a file, which every run reads: save it first.")
        options = fit_parser().parse_args([corpus, *words])
        for name in OWN:
            if getattr(options, name) != fit_parser().get_default(name):
                raise ValueError(
                    f"--{name.replace('_', '-')} is given for every run of a sweep; expected it elsewhere: "
                    "seeds are --seeds, the folder is --out before --, and `push` publishes the best."
                )
        valued = {
            flag.removeprefix("--"): action.dest
            for action in fit_parser()._actions
            for flag in action.option_strings
            if action.nargs is None and flag.startswith("--")
        }
        for name, values in settings.items():
            if name not in valued or valued[name] in OWN:
                raise ValueError(
                    f"--set has {name!r}; expected an option of fit that takes a value, such as dropout or "
                    "hidden-size: look at `fit --help`."
                )
            for value in values:
                fit_parser().parse_args([corpus, *words, f"--{name}", value])
        grid = {name: tuple(values) for name, values in settings.items()}
        return cls(locate(corpus), tuple(seeds), grid, tuple(words))

    def trials(self, out: Path) -> list[Trial]:
        """The runs in the order in which they are started: all settings of a seed, then those of the next."""
        names = list(self.settings)
        return [
            self.trial(out, dict(zip(names, values, strict=True)), seed)
            for seed in self.seeds
            for values in itertools.product(*self.settings.values())
        ]

    def trial(self, out: Path, settings: Mapping[str, str], seed: int) -> Trial:
        """One run, in a folder that its settings name."""
        parts = [f"{name}-{value}" for name, value in settings.items()] + [f"seed-{seed}"]
        name = re.sub(r"[^\w.+-]+", "-", "_".join(parts))
        options = [word for key, value in settings.items() for word in (f"--{key}", value)]
        words = (*self.words, *options, "--seed", str(seed))
        return Trial(name, settings, seed, out / RUNS / name, self.corpus, words)


def run(
    grid: Grid,
    out: Path,
    command_line: str,
    *,
    processes: int | None,
    num_teachers: int,
    machine: Mapping[str, Any] | None,
) -> int:
    """Train what is not finished yet, compare, and let the best teach; returns the exit code.

    command_line: the one that goes on after a stop. processes: trials at a time. machine: the arguments of
    `jobs.start`, None for processes here; the student of the best is trained here in either case.
    """
    trials = grid.trials(out)
    _check_apart(trials)
    processes = (len(trials) if machine else 1) if processes is None else processes
    if processes < 1:
        raise ValueError(f"--processes is {processes}; expected at least 1: raise it.")
    if not 0 <= num_teachers <= len(trials):
        raise ValueError(f"--teach is {num_teachers}; expected 0 to {len(trials)}, the number of runs: correct it.")
    _claim(grid, out)
    start_here = start_processes(out / LOGS, processes)
    start = partial(JobTrial, machine=machine) if machine else start_here
    finished = sum(is_finished(trial.run) for trial in trials)
    print(
        f"{len(trials)} runs, {finished} of them finished, {processes} at a time; logs are in {out / LOGS}", flush=True
    )

    def show(trial: Trial) -> None:
        comparison = Comparison.of(trials)
        publish(comparison, out)
        print(comparison.line(trial.name), flush=True)

    errors, is_stopped = run_all(trials, start, processes=processes, on_end=show)
    comparison = Comparison.of(trials, errors)
    if num_teachers and not is_stopped and (best := comparison.ranked[:num_teachers]):
        student = _student(grid, out, trials, best)
        print(f"The best {len(best)} teach: {', '.join(best)}", flush=True)
        failed, is_stopped = run_all([student], start_processes(out / LOGS, 1), processes=1, on_end=lambda _: None)
        errors |= failed
        comparison = Comparison.of([*trials, student], errors)
    publish(comparison, out)
    print(f"\n{comparison.table()}\n")
    for name, error in errors.items():
        print(f"note: {name} failed: {error}")
    if comparison.ranked:
        print(f"The best model, of {comparison.ranked[0]}, is in {out / 'model'}; the comparison is in {out}.")
    if is_stopped:
        print(f"Stopped. The same command goes on:  {command_line}")
        return 130
    return 2 if errors else 0


def _check_apart(trials: Sequence[Trial]) -> None:
    """Raise `ValueError` if two trials would share a folder, whose name leaves out what no file's name may hold."""
    by_name: dict[str, Trial] = {}
    for trial in trials:
        if other := by_name.get(trial.name):
            raise ValueError(
                f"Two runs of the sweep would share the folder {trial.name} ({dict(other.settings)} and "
                f"{dict(trial.settings)}); expected values whose names differ in letters or digits: sweep one of them."
            )
        by_name[trial.name] = trial


def _student(grid: Grid, out: Path, trials: Sequence[Trial], teachers: Sequence[str]) -> Trial:
    """A run with the settings of the best and the first seed, taught by the best.

    A student of others, who were the best of a smaller sweep, keeps its folder.
    """
    by_name = {trial.name: trial for trial in trials}
    best = by_name[teachers[0]]
    trial = grid.trial(out, best.settings, grid.seeds[0])
    places = [str(by_name[name].run) for name in teachers]
    wanted = [str(Path(place).resolve()) for place in places]
    names = (STUDENT if number == 1 else f"{STUDENT}-{number}" for number in itertools.count(1))
    name = next(name for name in names if _teachers_of(out / name) in ([], wanted))
    return Trial(name, best.settings, trial.seed, out / name, grid.corpus, (*trial.words, "--teacher", *places))


def _teachers_of(run: Path) -> list[str]:
    """Their run folders; none before the run has begun."""
    return [source.name for source in RunSettings.load(run).teachers] if (run / RUN_JSON).is_file() else []


def _claim(grid: Grid, out: Path) -> None:
    """Write sweep.json; raises `ValueError` if the folder holds something else, or runs of another text."""
    content = json.loads(json.dumps(asdict(grid)))
    file = out / GRID_JSON
    if file.is_file():
        try:
            old = json.loads(file.read_text(encoding="utf-8"))
            same = all(old[name] == content[name] for name in ("corpus", "words"))
        except (ValueError, KeyError, TypeError):
            same = False
        if not same:
            raise ValueError(
                f"{out} holds a sweep of another text or with other options; expected the same ones, to which seeds "
                "and settings can be added: choose another --out."
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists already and is no sweep; expected a new folder: choose another --out.")
    make_folder(out)
    replace_file(file, json.dumps(content, indent=2) + "\n")
