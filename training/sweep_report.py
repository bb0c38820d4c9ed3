"""The comparison of a sweep's runs: a table, JSON, Markdown and a plot; the best model is copied beside them."""

from __future__ import annotations

import io
import json
import math
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcharlstm.hub.atomic import replace_folder
from hubcharlstm.hub.json_files import load_json
from hubcharlstm.hub.model_folder import MODEL_IN_RUN, RECORD
from training.run_folder import is_finished
from training.run_settings import RunSettings
from training.trials import Trial

RESULTS = "results"
COLORS = ("#b4532a", "#2a6f97", "#4f7942", "#7b4b94", "#a07d1a", "#8a94a6")


@dataclass(frozen=True)
class Row:
    """A trial, its record if it is finished, and why it failed if it did."""

    trial: Trial
    record: dict[str, Any] | None
    error: str
    teachers: tuple[str, ...] = ()

    @property
    def loss(self) -> float:
        """The lowest held-out loss in nats per character, infinity before the end."""
        return float(self.record["val_loss"]) if self.record else math.inf

    @property
    def setting(self) -> str:
        """Its settings in words; those of a student with its number of teachers."""
        parts = [f"{name} {value}" for name, value in self.trial.settings.items()]
        if self.teachers:
            parts.append(f"{len(self.teachers)} teacher{'s' if len(self.teachers) > 1 else ''}")
        return ", ".join(parts) or "as given"

    @property
    def state(self) -> str:
        return "finished" if self.record else "failed" if self.error else "unfinished"

    def to_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "name": self.trial.name, "run": str(self.trial.run), "settings": dict(self.trial.settings),
            "seed": self.trial.seed, "state": self.state,
        }  # fmt: skip
        if self.record:
            row |= {name: self.record[name] for name in ("val_loss", "val_bpc", "best_epoch", "seconds")}
        return row | ({"error": self.error} if self.error else {}) | (
            {"teachers": list(self.teachers)} if self.teachers else {}
        )  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """The rows, best first; those without a result at the end."""

    rows: tuple[Row, ...]

    @classmethod
    def of(cls, trials: Sequence[Trial], errors: Mapping[str, str] | None = None) -> Comparison:
        """Of the run folders as they are now. errors: why trials failed, by name."""
        rows = [_row(trial, (errors or {}).get(trial.name, "")) for trial in trials]
        return cls(tuple(sorted(rows, key=lambda row: row.loss)))

    @property
    def ranked(self) -> list[str]:
        """Names of the finished trials, best first."""
        return [row.trial.name for row in self.rows if row.record]

    def settings(self) -> list[dict[str, Any]]:
        """Mean and standard deviation over the seeds of each setting, lowest mean first."""
        groups: dict[str, list[float]] = {}
        for row in self.rows:
            if row.record:
                groups.setdefault(row.setting, []).append(row.loss)
        found = [
            {"setting": name, "mean": statistics.fmean(losses), "std": statistics.stdev(losses) if losses[1:] else None,
             "runs": len(losses)}
            for name, losses in groups.items()
        ]  # fmt: skip
        return sorted(found, key=lambda group: group["mean"])

    def line(self, name: str) -> str:
        """What became of one trial."""
        row = next(row for row in self.rows if row.trial.name == name)
        if row.record is None:
            return f"{name}: not finished"
        return f"{name}: held-out loss {row.loss:.4f} nats per character in {row.record['seconds'] / 60:.1f} minutes"

    def tables(self) -> list[list[tuple[str, ...]]]:
        """Cells of the table of runs and of the table of settings, each with its head."""
        runs: list[tuple[str, ...]] = [("run", "held-out nats", "best epoch", "minutes")]
        for row in self.rows:
            figures: tuple[str, ...] = (row.state, "", "")
            if record := row.record:
                figures = f"{row.loss:.4f}", f"{record['best_epoch']:.1f}", f"{record['seconds'] / 60:.1f}"
            runs.append((row.trial.name, *figures))
        settings: list[tuple[str, ...]] = [("setting", "mean", "std", "runs")]
        for group in self.settings():
            std = "" if group["std"] is None else f"{group['std']:.4f}"
            settings.append((group["setting"], f"{group['mean']:.4f}", std, str(group["runs"])))
        return [runs, settings]

    def table(self) -> str:
        """Both tables for a terminal."""
        return "\n\n".join(_aligned(table) for table in self.tables())

    def markdown(self) -> str:
        """Both tables in Markdown."""
        return "\n".join(_markdown(table) for table in self.tables())

    def to_json(self) -> dict[str, Any]:
        best = self.ranked[0] if self.ranked else None
        return {"best": best, "runs": [row.to_json() for row in self.rows], "settings": self.settings()}

    def plot(self) -> bytes:
        """The held-out losses of the runs against characters read, a colour for each setting, as a PNG."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 3.5), layout="constrained", dpi=110)
        axes = figure.add_subplot()
        names = [group["setting"] for group in self.settings()]
        labelled: set[str] = set()
        for row in self.rows:
            if row.record:
                history = row.record["history"]
                color = COLORS[names.index(row.setting) % len(COLORS)]
                label = None if row.setting in labelled else row.setting
                labelled.add(row.setting)
                axes.plot(
                    [one["chars"] / 1e6 for one in history], [one["val_loss"] for one in history], label=label,
                    color=color, linestyle="--" if row.teachers else "-", marker="o", markersize=3, linewidth=1,
                )  # fmt: skip
        axes.set_xlabel("million characters read")
        axes.set_ylabel("held-out nats per character")
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        image = io.BytesIO()
        figure.savefig(image, format="png")
        return image.getvalue()


def publish(comparison: Comparison, out: Path) -> None:
    """Write results.json, results.md and results.png, and copy the best model to `out`/model."""
    _replace(out / f"{RESULTS}.json", (json.dumps(comparison.to_json(), indent=2, ensure_ascii=False) + "\n").encode())
    _replace(out / f"{RESULTS}.md", comparison.markdown().encode())
    if not comparison.ranked:
        return
    _replace(out / f"{RESULTS}.png", comparison.plot())
    source, target = comparison.rows[0].trial.run / MODEL_IN_RUN, out / MODEL_IN_RUN
    drop = {path.name for path in target.iterdir()} if target.is_dir() else set()
    replace_folder(target, lambda new: _copy(source, new), drop=drop)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)


def _row(trial: Trial, error: str) -> Row:
    if not is_finished(trial.run):
        return Row(trial, None, error)
    teachers = tuple(Path(source.name).name for source in RunSettings.load(trial.run).teachers)
    return Row(trial, load_json(trial.run / MODEL_IN_RUN / RECORD), "", teachers)


def _aligned(table: Sequence[Sequence[str]]) -> str:
    first, *widths = (max(map(len, column)) for column in zip(*table, strict=True))
    lines = (
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))])
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)


def _markdown(table: Sequence[Sequence[str]]) -> str:
    head, *rows = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table)
    return "\n".join([head, "|---" + "|---:" * (len(table[0]) - 1) + "|", *rows, ""])


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_bytes(content)
    unfinished.replace(path)
