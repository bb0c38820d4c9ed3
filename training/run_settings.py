"""run.json: what `resume` needs to continue a run, checked when it is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from hubcharlstm.hub.atomic import make_folder, replace_file
from training.data.checksums import ChunkChecksums
from training.data.corpus import VAL_FRACTION
from training.recipe import Recipe

RUN_JSON = "run.json"

RENAMED: Mapping[str, Mapping[str, str]] = {
    "": {"base": "pretrained_init", "marks": "chunk_checksums"},
    "recipe": {"average": "ema_decay", "chars": "max_train_chars", "cold_starts": "state_reset_prob"},
    "chunk_checksums": {"size": "chunk_chars", "sums": "crc32"},
}
"""Names of earlier versions -> current names, by the part of run.json that holds them."""
ADDED: Mapping[str, Any] = {
    "ema_decay": 0.0, "patience": 0, "softmax_temperature": 1.0, "state_reset_prob": 0.0, "weight_drop": 0.0,
    "muon_rate": 0.0, "distill_weight": 0.0, "distill_temperature": 1.0,
    "local_sgd_steps": 0, "dropout_samples": 1, "rename_speakers": 0.0,
}  # fmt: skip
"""Recipe settings that earlier versions lacked, with the values that repeat what those versions did."""
ADDED_TO_SOURCE: Mapping[str, Any] = {"val_place": "end", "include_license": True, "plain": True}
"""The same for the source."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class CorpusSource(_Part):
    """Where the text comes from: the arguments of `load_corpus`."""

    corpus: str
    encoding: str = "utf-8"
    errors: str = "strict"
    text_column: str | None = None
    include_license: bool = False
    plain: bool = False
    val_fraction: float = VAL_FRACTION
    val_place: str = "auto"
    val: str | None = None
    min_count: int | None = None


class PretrainedSource(_Part):
    """The model that the first weights came from: its Hub id or folder, its vocabulary, its ancestors and teachers."""

    name: str
    chars: str
    ancestors: tuple[dict[str, Any], ...] = ()
    teachers: tuple[dict[str, Any], ...] = ()


class TeacherSource(_Part):
    """A teacher: its Hub id or folder, the fingerprint of its weights, it and its ancestors and teachers."""

    name: str
    fingerprint: str
    ancestors: tuple[dict[str, Any], ...] = ()


class HubTargets(_Part):
    """Where the trained model and its Space are published; None: nowhere. static: the Space is a page alone."""

    model: str | None = None
    space: str | None = None
    private: bool | None = None
    static: bool = False


class RunSettings(_Part):
    """The content of run.json. sha256: of the corpus; empty before it has been loaded."""

    recipe: Recipe
    source: CorpusSource
    dtype: str
    sha256: str
    command: str = ""
    tracker: str | None = None
    keep_epochs: tuple[int, ...] = ()
    pretrained_init: PretrainedSource | None = None
    teachers: tuple[TeacherSource, ...] = ()
    card: dict[str, str] = {}  # pydantic copies defaults
    hub: HubTargets | None = None
    baselines: dict[str, dict[str, float]] | None = None
    chunk_checksums: ChunkChecksums | None = None

    @field_validator("recipe", mode="before")
    @classmethod
    def _is_complete(cls, recipe: Any) -> Any:
        """A default must not change a run halfway, so that none may be missing."""
        if isinstance(recipe, dict):
            for field in fields(Recipe):
                if field.name not in recipe:
                    raise ValueError(f"no {field.name} in its recipe")
        return recipe

    def save(self, run: Path) -> None:
        """Write `run`/run.json atomically; creates the folder."""
        make_folder(run)
        content = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n"
        replace_file(run / RUN_JSON, content)

    @classmethod
    def load(cls, run: Path) -> RunSettings:
        """Of a run folder, also one of an earlier version; raises `ValueError` if it has none or damaged ones."""
        if not (run / RUN_JSON).is_file():
            raise ValueError(f"{run} is no run folder (it has no {RUN_JSON}); expected one of fit: check the path.")
        try:
            data = migrate(json.loads((run / RUN_JSON).read_text(encoding="utf-8")))
            return cls.model_validate_json(json.dumps(data))  # as JSON: an array is a tuple, an integer a float
        except ValidationError as error:
            reason = _describe(error)
        except ValueError as error:
            reason = str(error)
        raise ValueError(
            f"{run / RUN_JSON} is damaged ({reason}); expected what fit wrote there: restore a copy, or start a new "
            "run with fit and another --out."
        )


def migrate(data: Any) -> Any:
    """The content of a run.json of any version with the current names; anything but an object is returned unchanged."""
    if not isinstance(data, dict):
        return data
    data = _renamed(data, "")
    for part in ("recipe", "chunk_checksums"):
        if isinstance(data.get(part), dict):
            data[part] = _renamed(data[part], part)
    if isinstance(data.get("recipe"), dict):
        data["recipe"] = {**ADDED, **data["recipe"]}
    if isinstance(data.get("source"), dict):
        data["source"] = {**ADDED_TO_SOURCE, **data["source"]}
    return data


def _renamed(values: dict[str, Any], part: str) -> dict[str, Any]:
    return {RENAMED[part].get(name, name): value for name, value in values.items()}


def _describe(error: ValidationError) -> str:
    """What is wrong first, such as "batch_size is 2.5 in its recipe"."""
    first = error.errors(include_url=False)[0]
    names = [part for part in first["loc"] if isinstance(part, str)]
    where = f" in its {names[-2]}" if len(names) > 1 else ""
    if first["type"] == "missing":
        return f"no {names[-1]}{where}"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if not names:
        return "no names with values" if first["type"] == "model_type" else first["msg"]
    return f"{names[-1]} is {first['input']!r}{where}"[:100]
