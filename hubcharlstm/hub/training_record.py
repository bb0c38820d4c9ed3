"""The validation of a training record: the parts of `training.json` that can be computed with and printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from hubcharlstm.inspection.gates import GATES
from hubcharlstm.network import MAX_LAYERS

MAX_ANCESTORS = 8
REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")
NUMBER = (int, float)
MAX_NUMBER = 2**63
"""Of a record, larger in no use; NaN is not below it."""
MIN_KNOWN_WORDS = 0.5
"""Share of the held-out words that occur in the training text; below it, as in code or DNA, words mean little."""
Kind = type | tuple[type, ...]
PARTS: dict[str, dict[str, Kind]] = {
    "corpus": {"name": str, "title": str, "sha256": str, "chars": int, "train_chars": int, "held_out": str},
    "samples": {"prompt": str, "temperature": NUMBER, "seed": int, "text": str},
    "moments": {"chars": int, "text": str},
    "time_lapse": {"characters_read": int, "text": str},
    "baselines": {"nats": NUMBER},
    "adapted": {"characters": int, "steps": int, "nats_before": NUMBER, "nats_after": NUMBER},
}
SCALARS: dict[str, Kind] = {
    "name": str, "sample_prompt": str, "command": str, "hardware": str,
    "val_loss": NUMBER, "val_bpc": NUMBER, "seconds": NUMBER,
}  # fmt: skip


def valid_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a record that have the expected types; a record from elsewhere may hold anything."""
    known = {name: record[name] for name, kind in SCALARS.items() if _has_type(record.get(name), kind)}
    if _has_fields(record.get("corpus"), "corpus"):
        known["corpus"] = record["corpus"]
    if _all_have_fields(record.get("samples"), "samples"):
        known["samples"] = record["samples"]
    if _all_have_fields(record.get("adapted"), "adapted"):
        known["adapted"] = record["adapted"]
    if snapshots := _time_lapse(record):
        known["time_lapse"] = snapshots
    if baselines := _entries(record.get("baselines"), lambda part: _has_fields(part, "baselines")):
        known["baselines"] = baselines
    if copying := _copied_shares(record.get("copying")):
        known["copying"] = copying
    words = _entries(record.get("words"), lambda share: _has_type(share, NUMBER))
    if words.get("held_out", 0) >= MIN_KNOWN_WORDS:
        known["words"] = words
    if copied_lines := _entries(record.get("copied_lines"), lambda share: _has_type(share, NUMBER)):
        known["copied_lines"] = copied_lines
    if gates := _gate_shares(record.get("gates")):
        known["gates"] = gates
    if isinstance(epochs := record.get("kept_epochs"), list) and all(_has_type(epoch, int) for epoch in epochs):
        known["kept_epochs"] = epochs
    recipe = record.get("recipe")
    share = recipe.get("rename_speakers") if isinstance(recipe, Mapping) else None
    if is_number(share) and 0 <= share <= 1:
        known["rename_speakers"] = share
    if isinstance(base := record.get("base_model"), str) and REPO_ID.fullmatch(base):
        known["base_model"] = base
    for name in ("ancestors", "teachers"):
        if models := valid_ancestors(record.get(name)):
            known[name] = models
    if isinstance(record.get("versions"), list):
        known["versions"] = [str(version) for version in record["versions"]]
    if isinstance(record.get("card"), Mapping):
        known["card"] = {k: v for k, v in record["card"].items() if k in ("license", "language") and isinstance(v, str)}
        datasets = record["card"].get("datasets")
        if isinstance(datasets, list) and all(isinstance(name, str) for name in datasets) and datasets:
            known["card"]["datasets"] = datasets
    if {"val_loss", "val_bpc"} - known.keys():
        known = {k: v for k, v in known.items() if k not in ("val_loss", "val_bpc", "baselines")}
    if {"command", "corpus", "seconds", "hardware", "versions"} - known.keys():
        known.pop("command", None)
    return known


def valid_ancestors(ancestors: Any) -> list[dict[str, Any]]:
    """The entries that have the expected types; a record from elsewhere may hold anything."""
    if not isinstance(ancestors, list):
        return []
    kinds: dict[str, Kind] = {"name": str, "title": str, "train_chars": int}
    entries = [
        {key: entry[key] for key, kind in kinds.items() if _has_type(entry.get(key), kind)}
        for entry in ancestors
        if isinstance(entry, Mapping)
    ]
    return [entry for entry in entries if "name" in entry][:MAX_ANCESTORS]


def _time_lapse(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Prompt and text of each snapshot, with the characters trained on and, where known, minutes and loss."""
    lapse: Any = record.get("time_lapse")
    prompt = record.get("time_lapse_prompt")
    if isinstance(lapse, Mapping):  # the form of the first version
        lapse, prompt = lapse.get("moments"), lapse.get("prompt")
        if not _all_have_fields(lapse, "moments"):
            return []
        lapse = [{"characters_read": snapshot["chars"], "text": snapshot["text"]} for snapshot in lapse]
    if not isinstance(prompt, str) or not _all_have_fields(lapse, "time_lapse"):
        return []
    fields: dict[str, Kind] = {"characters_read": int, "text": str, "minutes": NUMBER, "val_loss": NUMBER}
    return [
        {"prompt": prompt} | {key: snapshot[key] for key, kind in fields.items() if _has_type(snapshot.get(key), kind)}
        for snapshot in lapse
    ]


def _copied_shares(report: Any) -> dict[str, dict[str, float]]:
    """By length of a span in characters (as a string): the share of such spans that occur in the corpus."""
    if not isinstance(report, Mapping):
        return {}
    shares = {
        source: _entries(report.get(source), lambda share: _has_type(share, NUMBER))
        for source in ("sampled", "held_out")
    }
    return shares if shares["sampled"] else {}


def _gate_shares(gates: Any) -> dict[str, Any] | None:
    """The statistics of the gates by layer; None if any part is not of the form of `GateStatistics.to_record`."""
    if not isinstance(gates, Mapping) or not _has_type(gates.get("characters"), int):
        return None
    layers = gates.get("layers")
    if not isinstance(layers, list) or not 0 < len(layers) <= MAX_LAYERS:
        return None
    parts = dict.fromkeys(GATES, ("above", "below")) | {"half_life": ("median", "longest")}
    good = all(
        isinstance(layer, Mapping)
        and isinstance(layer.get(part), Mapping)
        and all(_has_type(layer[part].get(key), NUMBER) for key in keys)
        for layer in layers
        for part, keys in parts.items()
    )
    return dict(gates) if good else None


def _entries(parts: Any, is_valid: Callable[[Any], bool]) -> dict[str, Any]:
    if not isinstance(parts, Mapping):
        return {}
    return {name: part for name, part in parts.items() if isinstance(name, str) and is_valid(part)}


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value of a record is a number that can be computed with and printed."""
    return _has_type(value, NUMBER)


def _has_type(value: Any, kind: Kind) -> bool:
    """Whether a value is of the type and, if it is a number, one that can be computed with and printed."""
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    return not isinstance(value, int | float) or abs(value) <= MAX_NUMBER


def _has_fields(part: Any, name: str) -> bool:
    return isinstance(part, Mapping) and all(_has_type(part.get(key), kind) for key, kind in PARTS[name].items())


def _all_have_fields(parts: Any, name: str) -> bool:
    return isinstance(parts, list) and bool(parts) and all(_has_fields(part, name) for part in parts)
