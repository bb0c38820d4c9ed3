"""The filter of a training text's n-grams as `training_ngrams.safetensors`, checked like the weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hubcharlstm.arguments import finite_number, whole_number
from hubcharlstm.errors import NotAModelError
from hubcharlstm.hub import save_id
from hubcharlstm.hub.weights_file import check_header_size
from hubcharlstm.inspection.ngram_filter import MAX_BYTES, NgramFilter

NGRAMS = "training_ngrams.safetensors"
BITS, ABOUT = "bits", "ngram_filter"
ERRORS = ("windows", "runs")


def describe_ngrams(ngrams: NgramFilter) -> dict[str, Any]:
    """What the save id takes into account of the filter: its parameters and the hash of its bits."""
    return {
        "ngram": ngrams.ngram,
        "num_hashes": ngrams.num_hashes,
        "errors": dict(ngrams.errors),
        "sha256": hashlib.sha256(ngrams.bits.tobytes()).hexdigest(),
    }


def save_ngrams(path: Path, ngrams: NgramFilter, common_id: str) -> None:
    """Write the file."""
    about = json.dumps(describe_ngrams(ngrams), sort_keys=True)
    save_file({BITS: ngrams.bits}, path, metadata={ABOUT: about, save_id.KEY: common_id})
    save_id.sort_metadata(path)


def load_ngrams(path: Path) -> tuple[NgramFilter, str | None]:
    """The filter and the save id of its save; raises `NotAModelError` for a file that `save_ngrams` has not written."""
    check_header_size(path)
    try:
        with safe_open(path, framework="np", device="cpu") as file:
            if list(file.keys()) != [BITS]:
                raise damaged(path, f"the tensors {', '.join(list(file.keys())[:4])}, expected {BITS} alone")
            part, metadata = file.get_slice(BITS), file.metadata() or {}
            shape = part.get_shape()
            if part.get_dtype() != "U8" or len(shape) != 1 or not 1 <= shape[0] <= MAX_BYTES:
                raise damaged(path, f"{part.get_dtype()} {tuple(shape)}, expected U8 of at most {MAX_BYTES:,}")
            bits = np.array(file.get_tensor(BITS))
    except SafetensorError as error:
        raise damaged(path, str(error)) from error
    try:
        about = json.loads(metadata.get(ABOUT, ""))
        ngrams = parse_ngrams(about, bits)
    except (ValueError, RecursionError) as error:
        raise damaged(path, str(error)[:200]) from error
    if about.get("sha256") != describe_ngrams(ngrams)["sha256"]:
        raise damaged(path, "other bits than were saved")
    return ngrams, metadata.get(save_id.KEY)


def parse_ngrams(about: Any, bits: Any) -> NgramFilter:
    """The filter that `describe_ngrams` describes; raises `ValueError` for anything else."""
    fields: Mapping[str, Any] = about if isinstance(about, Mapping) else {}
    ngram, num_hashes = whole_number(fields.get("ngram")), whole_number(fields.get("num_hashes"))
    errors = fields.get("errors")
    if ngram is None or num_hashes is None or not isinstance(errors, Mapping) or not set(errors) <= set(ERRORS):
        raise ValueError("no n-gram length, number of hashes and errors")
    rates = {name: finite_number(value) for name, value in errors.items()}
    known = {name: float(rate) for name, rate in rates.items() if rate is not None}
    if len(known) < len(rates):
        raise ValueError("an error rate that is no number")
    return NgramFilter(ngram, num_hashes, bits, known)


def damaged(path: Path, found: str) -> NotAModelError:
    """The error for a file that is no filter."""
    return NotAModelError(
        f"{path} is damaged or no filter of n-grams ({found}); expected the one of its save: copy or download it "
        "again, or delete it, for a model loads without it."
    )
