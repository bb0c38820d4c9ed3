"""Damaged model folders, made from a seed: each works whole, or one `ValueError` refuses it."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
import resource
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import jinja2
from safetensors import SafetensorError

from hubcharlstm import CharLSTM, introduction
from hubcharlstm.cli import main
from hubcharlstm.hub import preview_image, titles
from hubcharlstm.hub.training_record import valid_record
from tests.support.mutations_of_saves import (
    NGRAMS,
    WEIGHTS,
    mix_saves,
    replace_by_no_file,
    replace_card,
    replace_characters,
    replace_ngrams,
    replace_size,
    replace_weights,
)

JSON_FILES = ("config.json", "vocab.json", "generation_config.json", "training.json", "cells.json")
HOSTILE = (
    "null", "true", "false", "0", "-1", "1", "0.5", "-0.0", "1e308", "-1e308", "1e999", "NaN", "Infinity", "-Infinity",
    str(10**18), str(10**19), str(-(10**19)), "1" + "0" * 400, "1" + "0" * 5000, "5e-324", '""', '"\\ud800"',
    '"\\u0000"', '"\\u001b[31m"', '"../../x"', '"/etc/passwd"', '"<script>alert(1)</script>"', '"' + "x" * 20_000 + '"',
    "[]", "{}", "[[]]", "[null]", "[1,2,3]", '{"a":1}', "[" * 3000 + "]" * 3000, '["a","a"]', "[" + "0," * 5000 + "0]",
)  # fmt: skip

NOTHING_TO_CHANGE = (
    ValueError,
    LookupError,
    OSError,
    AttributeError,
    TypeError,
    RuntimeError,
    struct.error,
    SafetensorError,
)
CheckResult = Literal["works", "refused"]
Change = Callable[[random.Random, Path, Path], None]


# --- damage ------------------------------------------------------------------------------------------------------


def some_file(draw: random.Random, folder: Path) -> Path:
    return draw.choice(sorted(path for path in folder.iterdir() if path.is_file()))


def truncate(draw: random.Random, folder: Path, other: Path) -> None:
    path = some_file(draw, folder)
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content) or 1)])


def flip_bits(draw: random.Random, folder: Path, other: Path) -> None:
    path = draw.choice([folder / WEIGHTS, some_file(draw, folder)])
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 1, 2, 8, 64])):
        if content:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def overwrite(draw: random.Random, folder: Path, other: Path) -> None:
    path = some_file(draw, folder)
    content = bytearray(path.read_bytes())
    start = draw.randrange(len(content) or 1)
    content[start : start + draw.randrange(40)] = draw.randbytes(draw.randrange(40))
    path.write_bytes(content)


def swap_files(draw: random.Random, folder: Path, other: Path) -> None:
    """A file of another save, or one file under the name of another."""
    name = some_file(draw, folder).name
    source = other / name if draw.random() < 0.7 else some_file(draw, folder)
    shutil.copy(source, folder / name) if source != folder / name and source.exists() else (folder / name).unlink()


def remove(draw: random.Random, folder: Path, other: Path) -> None:
    some_file(draw, folder).unlink()


def places_of(data: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within JSON data, some of a long list."""
    yield place
    if isinstance(data, dict):
        for key, value in data.items():
            yield from places_of(value, (*place, key))
    elif isinstance(data, list):
        for index in {*range(min(3, len(data))), len(data) - 1} if data else ():
            yield from places_of(data[index], (*place, index))


def replace_json_value(draw: random.Random, folder: Path, other: Path) -> None:
    """Another value, one value more, or one less; all files keep the save id."""
    path = folder / draw.choice([name for name in JSON_FILES if (folder / name).exists()])
    data = json.loads(path.read_text(encoding="utf-8"))
    place = draw.choice(list(places_of(data))[1:])
    parent: Any = data
    for key in place[:-1]:
        parent = parent[key]
    kind = draw.random()
    if kind < 0.1:
        del parent[place[-1]]
    elif kind < 0.2 and isinstance(parent, dict):
        parent[draw.choice(["x", "__class__", "save_id", "format", "$ref"])] = "@@"
    else:
        parent[place[-1]] = "@@"
    text = json.dumps(data, ensure_ascii=False)
    path.write_text(text.replace('"@@"', draw.choice(HOSTILE)), encoding="utf-8")


def change_header(draw: random.Random, folder: Path, other: Path) -> None:
    """Other names, shapes, types, places or metadata in the header of the weights or of the n-grams."""
    path = folder / draw.choice([WEIGHTS, WEIGHTS, NGRAMS])
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    name = draw.choice(sorted(header))
    if name == "__metadata__":
        header[name][draw.choice([*header[name], "x"])] = draw.choice(["", "0" * 16, "\x00", "x" * 5000])
    else:
        entry = header[name]
        what = draw.choice(["dtype", "shape", "data_offsets", "name", "more"])
        if what == "dtype":
            entry["dtype"] = draw.choice(["F16", "BF16", "F64", "I8", "BOOL", "F8_E4M3", "X", ""])
        elif what == "name":
            header[name + "x"] = header.pop(name)
        elif what == "more":
            header.update({f"more{n}": entry for n in range(draw.choice([1, 30_000]))})
        else:
            values = entry[what]
            values[draw.randrange(len(values))] = draw.choice([0, 1, -1, 2**31, 2**63, 10**20])
    new = json.dumps(header, separators=(",", ":")).encode()
    length = draw.choice([len(new), len(new), len(new), len(new) - 1, 2**40, 2**63 - 1, 0])
    path.write_bytes(struct.pack("<Q", length) + new + content[8 + size :])


def leave_a_save_behind(draw: random.Random, folder: Path, other: Path) -> None:
    """What an interrupted save leaves, or what somebody put there."""
    staging = folder / ".hubcharlstm-save"
    staging.mkdir()
    names = draw.sample([path.name for path in other.iterdir()], 3)
    for name in names:
        shutil.copy(other / name, staging / name)
    manifest = draw.choice([json.dumps(names), '["../x"]', "[]", "{}", "", "[" * 5000, json.dumps([*names, "absent"])])
    (staging / ".manifest").write_text(manifest)


CHANGES: tuple[Change, ...] = (
    truncate, flip_bits, flip_bits, overwrite, swap_files, remove, replace_json_value, replace_json_value,
    replace_json_value, replace_json_value, change_header, change_header, leave_a_save_behind, replace_weights,
    replace_weights, replace_size, replace_characters, replace_ngrams, replace_by_no_file, replace_card, mix_saves,
)  # fmt: skip
OTHER_NUMBERS = (
    "leave_a_save_behind",
    "swap_files",
    "replace_weights",
    "replace_size",
    "replace_characters",
    "mix_saves",
)
"""Changes after which a folder may work with other numbers: its hashes fit them."""
MAX_SECONDS = 20.0
compiled = functools.cache(jinja2.Template)
MAX_MEGABYTES = 300.0
"""Of more memory than ever before that one folder may take: a model of these sizes takes less than one."""


def damage(folder: Path, other: Path, seed: str) -> str:
    """Change `folder` once or a few times, as `seed` says -> the names of the changes. other: of another save."""
    draw = random.Random(seed)
    names = []
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        change = draw.choice(CHANGES)
        names.append(change.__name__)
        with contextlib.suppress(*NOTHING_TO_CHANGE):
            change(draw, folder, other)  # an earlier change may have left nothing to change in this way
        if change is replace_by_no_file:
            break  # other changes would wait for what comes through a pipe
    return " ".join(names)


# --- what must hold ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Raise `AssertionError` for what takes more than `MAX_SECONDS` or `MAX_MEGABYTES`. In the main thread alone.

    The template of the card is compiled once: that takes longer than all the rest.
    """

    def late(*_: object) -> None:
        raise AssertionError(f"it takes more than {MAX_SECONDS} s")

    before, previous = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, signal.signal(signal.SIGALRM, late)
    timer = signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    try:
        with mock.patch("jinja2.Template", compiled):
            yield
    finally:
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, *timer)  # pytest's own
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert megabytes < MAX_MEGABYTES, f"it takes {megabytes:.0f} MB"


def check(folder: Path, again: Path, fingerprint: str) -> tuple[CheckResult, bool]:
    """Load and use a folder -> what came of it, and whether its numbers are other than those of `fingerprint`.

    again: where it is saved again. Any exception but one `ValueError` of one sentence at load is a failure.
    """
    with bounded():
        return _check(folder, again, fingerprint)


def _check(folder: Path, again: Path, fingerprint: str) -> tuple[CheckResult, bool]:
    try:
        model = CharLSTM.from_pretrained(folder, device="cpu")
    except ValueError as error:
        message = str(error)
        assert message and "\n" not in message and len(message) < 2000, message[:2000]
        return "refused", False
    use(model, again)
    saved = CharLSTM.from_pretrained(again, device="cpu")
    assert saved.fingerprint == model.fingerprint and saved.record == model.record
    assert saved.generation_config == model.generation_config
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["info", "--model", str(folder), "--device", "cpu"]) == 0
        assert main(["info", "--model", str(again), "--device", "cpu", "--json"]) == 0
    out.getvalue().encode()
    if any(not path.is_file() for path in folder.iterdir()):
        with contextlib.suppress(ValueError, OSError):  # it may stand in the way
            model.save_pretrained(folder)
        assert CharLSTM.from_pretrained(folder, device="cpu").fingerprint == model.fingerprint
    return "works", model.fingerprint != fingerprint


def use(model: CharLSTM, again: Path) -> None:
    """Generate, score, show and save."""
    done = model.complete(max_new_tokens=8, seed=1)
    model.generate("", state=done.state, max_new_tokens=3)
    text = model.vocabulary.chars[0] * 3
    if not model.vocabulary.encode(text).ids:  # a vocabulary may hold what its own rules replace
        text = done.text
    if model.vocabulary.encode(text).ids:
        assert model.score(text).bpc >= 0 and model.trace(text).bpc >= 0
        assert model.alternatives(text, 0).choices and len(model.connectivity(text, 1).norms)
    if model.ngrams is not None:
        model.copied_runs(text * 10)
    record = valid_record(model.record)
    introduction.expectation(model)
    introduction.passage(record)
    introduction.time_lapse(model.record, record)
    titles.display_title(model.record, "model").encode()
    preview_image.draw(model.record, "model")
    repr(model)
    model.save_pretrained(again)
