"""What a Job is asked to do: a `fit` or a `resume` of this machine, as the command line of another one."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from training.data.corpus import NAMED, locate, title_of
from training.data.remote.names import is_remote
from training.data.sources import is_hidden, is_pattern
from training.options import fit_parser, words_of
from training.recipe import PRESETS
from training.run_folder import check_new
from training.run_settings import RunSettings
from training.warm_start import SHIPPED_NAME

CORPUS_MOUNT = PurePosixPath("/corpus")
"""Where a Job finds the texts that were uploaded for it."""
TIMEOUTS = dict(zip(PRESETS, ("2h", "8h", "1d", "2h"), strict=True))
"""By preset: several times what it takes on two cores, or `large` on a GPU. The service's own is 30 minutes."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class TextFiles:
    """A corpus of this machine, a file or a folder, and the folder of the repository that gets it."""

    path: Path
    folder: str

    @property
    def files(self) -> dict[str, Path]:
        """By path in the repository; without hidden files, which are no part of a corpus."""
        if self.path.is_file():
            return {f"{self.folder}/{self.path.name}": self.path}
        paths = [path for path in sorted(self.path.rglob("*")) if path.is_file()]
        relative = {path.relative_to(self.path): path for path in paths}
        return {
            f"{self.folder}/{self.path.name}/{r.as_posix()}": path for r, path in relative.items() if not is_hidden(r)
        }

    @property
    def mounted(self) -> str:
        """Its path in the Job."""
        return str(CORPUS_MOUNT / self.folder.partition("/")[2] / self.path.name)


@dataclass(frozen=True)
class JobRequest:
    """A command for a Job.

    run: the run folder here. words: of the command there, from `fit` or `resume` on. texts: the corpus and the text of
    --val, each a name or a path here. uploads: those of them that lie here. preset: of the recipe.
    """

    run: Path
    words: tuple[str, ...]
    texts: tuple[str | None, str | None]
    uploads: tuple[TextFiles, ...]
    preset: str

    @property
    def is_new(self) -> bool:
        """Whether a run begins, and none is continued."""
        return self.words[0] == "fit"

    @property
    def mounted(self) -> tuple[str | None, str | None]:
        """`texts` as the Job finds them."""
        corpus, val = (
            next((upload.mounted for upload in self.uploads if str(upload.path) == text), text) for text in self.texts
        )
        return corpus, val


def run_there(run: Path) -> str:
    """The run folder in a Job; also of `.` and `..`, whose last part is no name."""
    return f"runs/{run.resolve().name or 'run'}"


def parse_request(words: Sequence[str]) -> JobRequest:
    """The request for `fit ...` or `resume RUN`; raises `ValueError` for what a Job cannot do."""
    if words[:1] == ["fit"]:
        return _of_fit(fit_parser().parse_args(words[1:]))
    if words[:1] == ["resume"] and len(words) == 2:
        return _of_resume(Path(words[1]))
    raise ValueError(
        f"A Job is asked for {' '.join(words) or 'nothing'!r}; expected fit with its options, or resume and a run: "
        "write it after --, such as `job --flavor cpu-upgrade -- fit mine.txt`."
    )


def _of_fit(options: argparse.Namespace) -> JobRequest:
    for name, why in (
        ("tracker", "what it logs would be gone with the Job's machine"),
        ("dry_run", "a dry run trains nothing"),
        ("json", "only a dry run has an answer"),
        ("local_sgd_steps", "it has a single process"),
    ):
        if getattr(options, name):
            raise ValueError(f"--{name.replace('_', '-')} is given to a Job; expected none, since {why}: leave it out.")
    if options.space and not options.static:
        raise ValueError(
            "--space is given to a Job; expected none, since a Space with a server is made of a checkout, which the "
            "Job does not have: leave it out, and run `python -m training space` afterwards."
        )
    _check_models(filter(None, [options.init_from, *options.teacher]))
    if options.corpus == "-":
        raise ValueError("The corpus comes through a pipe; expected a file, which can be uploaded: save it first.")
    corpus, val = locate(options.corpus), locate(options.val, named=False) if options.val else None
    run: Path = options.out or Path("runs") / (Path(title_of(corpus)).stem or "text")
    check_new(run)
    uploads = _uploads(corpus, val)
    request = JobRequest(run, ("fit",), (corpus, val), uploads, options.preset)
    options.corpus, options.val = request.mounted
    options.out = Path(run_there(run))
    return JobRequest(run, ("fit", *words_of(options)), (corpus, val), uploads, options.preset)


def _check_models(names: Iterable[str]) -> None:
    """Raise `ValueError` for a model that lies here."""
    for name in names:
        if name != SHIPPED_NAME and Path(name).expanduser().exists():
            raise ValueError(
                f"The model {name} lies on this machine; expected one of the Hub, where the Job finds it: push it by "
                "`python -m training push`, and give its id."
            )


def _of_resume(run: Path) -> JobRequest:
    settings = RunSettings.load(run)
    if settings.recipe.local_sgd_steps:
        raise ValueError(
            f"The run {run} averages the weights of several processes (--local-sgd-steps), and a Job has a single one; "
            "expected a run without it: resume it here by torchrun."
        )
    if settings.tracker:
        raise ValueError(
            f"The run {run} logs to {settings.tracker} (--tracker), and that would be gone with the Job's machine; "
            "expected a run without it: resume it here."
        )
    _check_models(teacher.name for teacher in settings.teachers)
    texts = settings.source.corpus, settings.source.val
    return JobRequest(run, ("resume", run_there(run)), texts, _uploads(*texts), settings.recipe.preset)


def _uploads(corpus: str, val: str | None) -> tuple[TextFiles, ...]:
    """The texts that lie here; raises `ValueError` for one of which nothing can be uploaded."""
    for text in filter(None, (corpus, val)):
        if not is_remote(text) and is_pattern(Path(text)):
            raise ValueError(
                f"The text {text} is a pattern; expected a file or a folder, which can be uploaded: copy the files "
                "that match into a folder of their own."
            )
    places = (("corpus/text", corpus), ("corpus/val", val))
    here = [(Path(text), place) for place, text in places if text and text not in NAMED and not is_remote(text)]
    for path, _ in here:
        if not path.exists():
            raise ValueError(
                f"{path} is no file or folder, and a Job gets its texts from one; expected one, or a URL: check the "
                "path."
            )
    uploads = tuple(TextFiles(path, place) for path, place in here)
    for upload in uploads:
        if not upload.files:
            raise ValueError(
                f"The folder {upload.path} holds no file that a Job could train on; expected texts: check the path."
            )
    return uploads


def timeout_seconds(typed: str) -> int:
    """Seconds of "90m", "4h", "1d" or "3600"; raises `ValueError` for anything else."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smhd]?)", typed.strip())
    seconds = int(float(found[1]) * UNITS[found[2] or "s"]) if found else 0
    if seconds < UNITS["m"]:
        raise ValueError(
            f"--timeout is {typed!r}; expected a time of at least a minute such as 90m, 4h or 1d: correct it."
        )
    return seconds
