"""Whatever a caller passes, a call works or raises one `ValueError` that names the argument."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig
from hubcharlstm.decoding.sampling import RandomStream
from hubcharlstm.generation.state import GenerationState

HUGE = 10**400
UNPRINTABLE = 10**5000  # Python refuses to write it as digits
NUMBERS: tuple[Any, ...] = (
    HUGE,
    -HUGE,
    UNPRINTABLE,
    10**30,
    10**19,
    float("nan"),
    float("inf"),
    -1,
    True,
    "3",
    [1],
    1j,
)


@pytest.mark.parametrize("name", ["temperature", "top_k", "top_p", "min_p", "max_new_tokens", "seed"])
@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: str(value)[:6] if value != UNPRINTABLE else "5001 digits")
def test_a_number_is_taken_or_refused_by_name(model: CharLSTM, name: str, value: Any) -> None:
    """10**30 as top_k was an OverflowError, and a message repeated 400 digits."""
    arguments = {"max_new_tokens": 3, name: value}
    try:
        assert len(model.generate("To be", **arguments)) == 3
    except ValueError as error:
        assert str(error).startswith(f"{name} is ") and "expected" in str(error)
        assert len(str(error)) < 300 and "\n" not in str(error)
    else:
        assert name == "temperature" and value in (10**30, 10**19)


@pytest.mark.parametrize("name", ["num_samples", "batch_size"])
def test_a_count_that_no_memory_holds_is_refused(model: CharLSTM, name: str) -> None:
    """10**30 samples made a list without end."""
    for value in (10**30, HUGE, 0, -1, "3", 1.5):
        with pytest.raises(ValueError, match=f"^{name} is "):
            prompt: Any = "To be" if name == "num_samples" else ["To be", "or"]
            model.generate(prompt, max_new_tokens=2, **{name: value})


@pytest.mark.parametrize("stop", [5, 1.5, True, object(), iter(["be"]), [5], [""], "", [None], b"be", [["be"]]])
def test_what_is_no_stop_string_is_refused(model: CharLSTM, stop: Any) -> None:
    """A number was a TypeError, and an iterator stopped the first of several prompts alone."""
    with pytest.raises(ValueError, match=r"stop"):
        model.generate("To be", max_new_tokens=3, stop=stop)


@pytest.mark.parametrize("text", [None, 5, b"To be", ["To be"], {}])
def test_what_is_no_text_is_refused_in_every_verb(model: CharLSTM, text: Any) -> None:
    """`score(None)` was an AttributeError."""
    for call in (model.score, model.trace):
        with pytest.raises(ValueError, match=r"^text is of type .*; expected a string"):
            call(text)
    for at in (model.alternatives, model.connectivity):
        with pytest.raises(ValueError, match=r"^text is of type"):
            at(text, 0)
    if not isinstance(text, list):
        with pytest.raises(ValueError, match=r"^The prompt is of type"):
            model.generate(text)


@pytest.mark.parametrize("numbers", [5, [HUGE], [None], [-1], "ab", [1.5], [0, 0], ()])
def test_layers_and_units_are_checked(model: CharLSTM, numbers: Any) -> None:
    for name in ("layers", "units"):
        with pytest.raises(ValueError, match=f"^{name} is "):
            model.trace("To be", **{name: numbers})


def test_half_of_a_surrogate_pair_is_dropped_as_any_unknown_character(model: CharLSTM) -> None:
    done = model.complete("To\ud800 be", max_new_tokens=3)
    assert done.prompt.text == "To be" and "U+D800" in done.warnings[0]
    assert model.score("To\ud800 be").text == "To be"


@pytest.mark.parametrize(
    "options",
    [{"start_text": "x" * 5_000_000}, {"start_text": "\ud800"}, {"examples": ["\ud800"]}, {"examples": ["x"] * 20_000},
     {"speakers": ["x" * 20_000]}, {"turn_template": 5}, {"temperature": HUGE}, {"max_new_tokens": HUGE}],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_defaults_are_bounded(options: dict[str, Any]) -> None:
    """A start text of 5 MB blocked the first call."""
    [name] = options
    with pytest.raises(ValueError, match=f"^{name} is ") as refused:
        GenerationConfig(**options)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("name", ["vocab_size", "embedding_dim", "hidden_size", "num_layers"])
def test_sizes_are_bounded(name: str) -> None:
    for value in (HUGE, 10**12, 0, -1):
        with pytest.raises(ValueError, match=f"^{name} is "):
            CharLSTMConfig(**({"vocab_size": 5} | {name: value}))


# --- paths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [5, b"x", [], {}, 1.5, True, "a\0b", "\ud800"])
def test_what_is_no_path_is_refused(model: CharLSTM, value: Any) -> None:
    """`from_pretrained(5)` was a TypeError."""
    with pytest.raises(ValueError, match="expected"):
        CharLSTM.from_pretrained(value, local_files_only=True)
    with pytest.raises(ValueError, match="save_directory is "):
        model.save_pretrained(value)
    state = model.complete("To", max_new_tokens=1).state
    for call in (state.save, GenerationState.load):
        with pytest.raises(ValueError, match="path is "):
            call(value)


@pytest.mark.parametrize("value", [5, b"x", [], "\ud800", "a\0b", "", "../../x", "a..b", "x" * 300, "a b", "-\n"])
def test_what_is_no_revision_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="revision is "):
        CharLSTM.from_pretrained("user/model", revision=value, local_files_only=True)


@pytest.mark.parametrize(
    "value", [[], object(), 1.5, "abacus", b"\x95@21", "\ud800", UNPRINTABLE, 7, "x" * 3000], ids=range(9)
)
def test_what_is_no_device_is_refused(model_folder: Path, value: Any) -> None:
    with pytest.raises(ValueError, match="device is "):
        CharLSTM.from_pretrained(model_folder, device=value)


@pytest.mark.parametrize("value", [UNPRINTABLE, "int4", "x" * 3000, [], np.ones(2)], ids=range(5))
def test_what_is_no_precision_is_refused(model_folder: Path, value: Any) -> None:
    """A number of 5,000 digits was refused by Python, in its own words."""
    with pytest.raises(ValueError, match=r"^precision is .*; expected one of auto, fp32") as refused:
        CharLSTM.from_pretrained(model_folder, precision=value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("value", [UNPRINTABLE, b"x", "\ud800", "a\nb"], ids=range(4))
def test_what_is_no_repository_is_not_put_into_a_card(model: CharLSTM, tmp_path: Path, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^repo_id is .*; expected a name such as user/model"):
        model.save_pretrained(tmp_path / "model", repo_id=value)
    assert list(tmp_path.iterdir()) == []


# --- states ------------------------------------------------------------------------------------------------------


def damaged_states(state: GenerationState) -> dict[str, GenerationState]:
    h, c = state.h, state.c
    changes: dict[str, dict[str, Any]] = {
        "last_id above": {"last_id": 99}, "last_id below": {"last_id": -1}, "last_id huge": {"last_id": HUGE},
        "last_id a float": {"last_id": 1.0}, "last_id none": {"last_id": None},
        "h huge": {"h": torch.full_like(h, 3e38)}, "c huge": {"c": torch.full_like(c, 3e38)},
        "h NaN": {"h": h * float("nan")}, "c infinite": {"c": c / 0}, "h above 1": {"h": h + 5},
        **{f"h {dtype}": {"h": h.to(dtype)} for dtype in (
            torch.float8_e4m3fn, torch.float16, torch.float64, torch.int64, torch.bool, torch.complex64,
        )},
        "h sparse": {"h": h.to_sparse()}, "h meta": {"h": h.to("meta")}, "h none": {"h": None},
        "h NumPy": {"h": h.numpy()}, "h of another shape": {"h": h[:1]}, "h empty": {"h": h[:0], "c": c[:0]},
        "held above": {"held": (99,)}, "held below": {"held": (-1,)}, "held text": {"held": "ab"},
        "held none": {"held": None}, "rng none": {"rng": None}, "rng a float": {"rng": RandomStream(1.5)},  # type: ignore[arg-type]
        "rng key": {"rng": RandomStream(2**128)}, "rng draws": {"rng": RandomStream(1, HUGE)},
        "rng back": {"rng": RandomStream(1, -5)}, "clamp a number": {"clamp": 5}, "clamp short": {"clamp": ((1,),)},
        "clamp huge": {"clamp": ((0, 0, HUGE),)}, "clamp NaN": {"clamp": ((0, 0, float("nan")),)},
        "clamp nested": {"clamp": (([], 0, 1),)},
    }  # fmt: skip
    return {name: replace(state, **change) for name, change in changes.items()}


def test_a_damaged_state_is_refused_in_every_verb(model: CharLSTM) -> None:
    """A last_id of 99 was an IndexError and stopped the engine; h of 3e38 went on; float8 was no ValueError."""
    for name, state in damaged_states(model.complete("To", max_new_tokens=3, seed=1).state).items():
        for call in (
            lambda state=state: model.generate("", state=state, max_new_tokens=2),
            lambda state=state: model.generate("be", state=state, max_new_tokens=2),
            lambda state=state: model.trace("be", state=state),
            lambda state=state: model.alternatives("be", 1, state=state),
            lambda state=state: model.connectivity("be", 1, state=state),
        ):
            with pytest.raises(ValueError, match=r"state|clamp") as refused:
                call()
            assert len(str(refused.value)) < 300, name
    for other in (5, "state", object()):
        with pytest.raises(ValueError, match=r"^state is "):
            model.generate("be", state=other)  # type: ignore[arg-type]


def test_a_state_that_loads_can_be_saved_again_and_a_damaged_one_is_neither(model: CharLSTM, tmp_path: Path) -> None:
    state = model.complete("To", max_new_tokens=3, seed=1, stop="zzz", clamp={(0, 3): 2.0}).state
    state.save(tmp_path / "good")
    assert GenerationState.load(tmp_path / "good") == state
    for name, damaged in damaged_states(state).items():
        if name in ("last_id above", "held above", "h of another shape", "clamp huge", "clamp NaN"):
            continue  # only a model can tell
        with pytest.raises(ValueError, match="The state is damaged"):
            damaged.save(tmp_path / "bad")
    assert not (tmp_path / "bad").exists()
    with pytest.raises(OSError, match="cannot be written"):
        state.save(tmp_path / "absent" / "state")
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ValueError, match="no regular file"):  # a device was replaced by a file
            state.save(other)
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 2**30)
    with pytest.raises(ValueError, match="no saved state"):
        GenerationState.load(tmp_path / "large")


# --- what is saved -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra_files",
    [{"../x": b""}, {"/tmp/x": b""}, {"a/b": b""}, {"a\\b": b""}, {"": b""}, {"..": b""}, {".hidden": b""},
     {"a\0": b""}, {"\ud800": b""}, {"x" * 300: b""}, {"x": "text"}, {"x": 5}, {5: b""}, 5, ["a"],
     {"config.json": b"{}"}, {"model.safetensors": b""}, {"training.json": b"{}"}],
    ids=str,
)  # fmt: skip
def test_extra_files_stay_within_the_folder(model: CharLSTM, tmp_path: Path, extra_files: Any) -> None:
    """{"../x": ...} wrote beside the folder, and "config.json" made a folder that does not load."""
    with pytest.raises(ValueError, match=r"^extra_files "):
        model.save_pretrained(tmp_path / "model", extra_files=extra_files)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "record",
    [{"a": float("nan")}, {"a": [float("inf")]}, {"a": "\ud800"}, {"\ud800": 1}, {"a": {1}}, {"a": object()},
     {"val_loss": HUGE, "val_bpc": 1.0}, {"a": UNPRINTABLE}, [1], {(1, 2): 3}],
    ids=range(10),
)  # fmt: skip
def test_a_record_that_no_file_can_hold_is_refused_before_anything_is_written(
    model: CharLSTM, tmp_path: Path, record: Any
) -> None:
    model.record = record
    with pytest.raises(ValueError, match=r"^record cannot be stored as JSON"):
        model.save_pretrained(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
