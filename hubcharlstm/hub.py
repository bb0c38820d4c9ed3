"""A Hub id or a folder -> one checked model of one revision; and saving one. safetensors only, strict, atomic.

A model folder holds config.json, vocab.json, model.safetensors, generation_config.json, README.md (the
card), and where a run made it training.json and loss.png.
"""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hubcharlstm.network import CharLSTMConfig
from hubcharlstm.sampling import SamplingParams
from hubcharlstm.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

CONFIG, VOCAB, WEIGHTS = "config.json", "vocab.json", "model.safetensors"
GENERATION, RECORD, CARD, LOSS_PLOT = "generation_config.json", "training.json", "README.md", "loss.png"
MODEL_FILES = (CONFIG, VOCAB, WEIGHTS, GENERATION, RECORD, CARD, LOSS_PLOT)
FORMAT = "hubcharlstm/1"
PRETRAINED = Path(__file__).parent / "pretrained"
MODEL_IN_RUN = "model"
"""A run folder keeps its model folder under this name."""

MAX_JSON_BYTES = 16 * 2**20
DTYPES = {"F16", "BF16", "F32"}
STORED_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class NotAModelError(ValueError):
    """The folder or repository is no hubcharlstm model, or a damaged one."""


class HubError(ValueError):
    """The Hub could not be read from or written to."""


@dataclass(frozen=True)
class GenerationConfig:
    """What a model suggests to those who use it, in `generation_config.json`.

    start_text: what an empty prompt starts from. examples: prompts from the corpus. speakers, turn_template
    (with {message} and {speaker}) and turn_stop: for a corpus in which named people talk.
    Raises `ValueError` where a value has the wrong type or is out of range.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    max_new_tokens: int = 200
    start_text: str = "\n"
    examples: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    turn_template: str = ""
    turn_stop: str = ""

    def __post_init__(self) -> None:
        self.sampling()
        if isinstance(self.max_new_tokens, bool) or not isinstance(self.max_new_tokens, int) or self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens!r}; expected a whole number of at least 1.")
        for name in ("start_text", "turn_template", "turn_stop"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected text.")
        for name in ("examples", "speakers"):
            value = getattr(self, name)
            if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
                raise ValueError(f"{name} is {value!r}; expected a list of texts.")
            object.__setattr__(self, name, tuple(value))

    def sampling(self) -> SamplingParams:
        return SamplingParams(self.temperature, self.top_k, self.top_p, self.min_p)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GenerationConfig:
        """Known keys are taken, others left alone."""
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})

    def to_dict(self) -> dict[str, Any]:
        """Without the parts that the corpus gave nothing for."""
        return {name: value for name, value in asdict(self).items() if value not in ((), "")}


@dataclass(frozen=True)
class Artifact:
    """All that a model folder holds, checked. `revision` is the commit for a model from the Hub, else None."""

    config: CharLSTMConfig
    vocabulary: Vocabulary
    tensors: dict[str, torch.Tensor]
    generation: GenerationConfig
    record: dict[str, Any]
    name: str
    revision: str | None


# --- reading -----------------------------------------------------------------------------------------------------


def load(
    model_id: str | Path | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Artifact:
    """Load a model by Hub id, by folder, or (None) the one that ships in the package.

    Raises `NotAModelError` for what is no model or a damaged one and `HubError` where the Hub does not
    give it; both are `ValueError`s.
    """
    if model_id is None:
        return read_folder(PRETRAINED, name="the shipped model")
    if (folder := find_folder(model_id)) is not None:
        return read_folder(folder, name=str(model_id))
    snapshot = download(
        str(model_id),
        revision=revision,
        cache_dir=cache_dir,
        force_download=force_download,
        local_files_only=local_files_only,
        token=token,
    )
    return read_folder(snapshot, name=str(model_id), revision=snapshot.name)


def find_folder(model_id: str | Path) -> Path | None:
    """The model folder that `model_id` names on this machine (itself, or the one within a run folder), if any."""
    folder = Path(model_id).expanduser()
    if not folder.is_dir():
        return None
    within = folder / MODEL_IN_RUN
    return within if not (folder / CONFIG).exists() and within.is_dir() else folder


def download(model_id: str, *, revision: str | None, token: str | bool | None, **options: Any) -> Path:
    """One snapshot of one commit of a Hub repository: the folder in the cache, named by the commit."""
    try:
        return Path(
            snapshot_download(model_id, revision=revision, token=token, allow_patterns=list(MODEL_FILES), **options)
        )
    except HFValidationError:
        raise NotAModelError(
            f"{model_id!r} is neither a folder here nor a Hub id; expected a model folder "
            "or a name such as user/model: check the spelling."
        ) from None
    except GatedRepoError:
        raise HubError(
            f"{model_id} is gated; expected a token with access: ask for access on its page, then log in."
        ) from None
    except RevisionNotFoundError:
        raise HubError(
            f"{model_id} has no revision {revision!r}; expected a branch, tag or commit: check it."
        ) from None
    except RepositoryNotFoundError:
        raise HubError(
            f"{model_id!r} is neither a folder here nor a repository that the Hub shows you; expected one of both: "
            "check the spelling, and log in with `hf auth login` if it is private."
        ) from None
    except LocalEntryNotFoundError as error:
        raise HubError(
            f"The Hub cannot be reached and no copy of {model_id} is in the cache; expected one of both: "
            f"check the connection, or give a folder ({error.__class__.__name__})."
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise HubError(f"The Hub did not give {model_id}; expected an answer: try again later ({error}).") from error


def read_folder(folder: Path, *, name: str, revision: str | None = None) -> Artifact:
    """Read and check a model folder; nothing is allocated before header, sizes and vocabulary agree."""
    missing = [file for file in (CONFIG, VOCAB, WEIGHTS) if not (folder / file).is_file()]
    if missing:
        hint = "save one with save_pretrained, or give another folder or Hub id"
        if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pkl")):
            hint = "pickled weights are never read; convert them to safetensors"
        raise NotAModelError(f"{name} has no {', '.join(missing)}; expected a hubcharlstm model folder: {hint}.")
    config_data = _read_json(folder / CONFIG)
    if config_data.get("format", FORMAT) != FORMAT:
        raise NotAModelError(
            f"{name} has the format {config_data['format']!r}; expected {FORMAT!r}: install the version that wrote it."
        )
    try:
        config = CharLSTMConfig.from_dict(config_data)
        vocabulary = Vocabulary.from_dict(_read_json(folder / VOCAB))
        generation = GenerationConfig.from_dict(
            _read_json(folder / GENERATION) if (folder / GENERATION).is_file() else {}
        )
    except ValueError as error:
        raise NotAModelError(f"{name} does not load: {error}") from error
    if len(vocabulary) != config.vocab_size:
        raise NotAModelError(
            f"{name} has {len(vocabulary)} characters in {VOCAB} and a vocab_size of {config.vocab_size} in {CONFIG}; "
            "expected the same number: take both files from one save."
        )
    tensors = read_weights(folder / WEIGHTS, config, vocabulary)
    record = _read_json(folder / RECORD) if (folder / RECORD).is_file() else {}
    return Artifact(config, vocabulary, tensors, generation, record, name, revision)


def read_weights(path: Path, config: CharLSTMConfig, vocabulary: Vocabulary) -> dict[str, torch.Tensor]:
    """The tensors of `path` in fp32, after its header was found to fit `config` and `vocabulary` exactly."""
    expected = config.tensor_shapes()
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = set(file.keys())
            if names != set(expected):
                wrong = sorted(names ^ set(expected))
                raise NotAModelError(
                    f"{path} lacks or adds the tensors {', '.join(wrong[:6])}; expected those of a "
                    f"{config.num_layers}-layer network: take config and weights from one save."
                )
            for name, shape in expected.items():
                found = file.get_slice(name)
                if tuple(found.get_shape()) != shape or found.get_dtype() not in DTYPES:
                    raise NotAModelError(
                        f"{path} holds {name} as {found.get_dtype()} {tuple(found.get_shape())}; expected {shape} in "
                        f"{', '.join(sorted(DTYPES))}: take config and weights from one save."
                    )
            stored = (file.metadata() or {}).get("vocab_sha256")
            if stored != vocabulary.sha256:
                raise NotAModelError(
                    f"{path} was trained with another vocabulary than the one in {VOCAB} (hash {str(stored)[:12]} "
                    f"against {vocabulary.sha256[:12]}); expected the same: take both files from one save."
                )
            return {name: file.get_tensor(name).float() for name in expected}
    except SafetensorError as error:
        raise NotAModelError(
            f"{path} is damaged or no safetensors file ({error}); expected {config.num_parameters:,} weights: "
            "copy or download it again."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise NotAModelError(
            f"{path} is larger than {MAX_JSON_BYTES // 2**20} MiB; expected a small JSON file: check it."
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise NotAModelError(f"{path} is not JSON ({error}); expected a JSON object: save the model again.") from error
    if not isinstance(data, dict):
        raise NotAModelError(f"{path} holds a JSON {type(data).__name__}; expected an object: save the model again.")
    return data


# --- writing -----------------------------------------------------------------------------------------------------


def save(
    folder: Path,
    *,
    config: CharLSTMConfig,
    vocabulary: Vocabulary,
    tensors: Mapping[str, torch.Tensor],
    generation: GenerationConfig,
    record: Mapping[str, Any],
    card: str,
    dtype: str = "float32",
    extra_files: Mapping[str, bytes] | None = None,
) -> None:
    """Write a model folder in one step: a killed save leaves what was there before. Other files in it are kept.

    dtype: how weights are stored, "float32", "float16" or "bfloat16"; they are fp32 in memory.
    """
    if dtype not in STORED_DTYPES:
        raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(STORED_DTYPES)}: pick one.")

    def write(into: Path) -> None:
        config_data = {"model_type": "charlstm", "format": FORMAT, **config.to_dict()}
        _write_json(into / CONFIG, config_data)
        _write_json(into / VOCAB, vocabulary.to_dict())
        _write_json(into / GENERATION, generation.to_dict())
        if record:
            _write_json(into / RECORD, record)
        (into / CARD).write_text(card, encoding="utf-8")
        stored = {name: value.detach().to("cpu", STORED_DTYPES[dtype]).contiguous() for name, value in tensors.items()}
        save_file(stored, into / WEIGHTS, metadata={"format": "pt", "vocab_sha256": vocabulary.sha256})
        (into / WEIGHTS).chmod((into / CONFIG).stat().st_mode)  # safetensors makes it private to its owner
        for name, content in (extra_files or {}).items():
            (into / name).write_bytes(content)

    replace_folder(folder, write)


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a new folder, then put it in the place of `folder` in one step; files it does not write stay."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; expected a folder, or a name that is free: choose another name.")
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    try:
        new.mkdir()
        write(new)
        if folder.exists():
            for old in folder.iterdir():
                if not (new / old.name).exists():
                    if old.is_dir() and not old.is_symlink():
                        shutil.copytree(old, new / old.name, symlinks=True)
                    else:
                        shutil.copy2(old, new / old.name, follow_symlinks=False)
            shutil.copymode(folder, new)
        _sync_tree(new)
        if folder.exists():
            _exchange(new, folder)
        else:
            new.rename(folder)
        _sync(folder.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders: in one step where the system can (Linux), else by two renames."""
    exchange_flag, at_cwd = 2, -100  # RENAME_EXCHANGE and AT_FDCWD of <linux/fs.h> and <fcntl.h>
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if renameat2 is not None:
        if renameat2(at_cwd, os.fsencode(new), at_cwd, os.fsencode(old), exchange_flag) == 0:
            return
        if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(old))
    aside = old.with_name(f".{old.name}.{secrets.token_hex(4)}.old")
    old.rename(aside)
    try:
        new.rename(old)
    except OSError:
        aside.rename(old)
        raise
    shutil.rmtree(aside)


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            _sync(path)


def _sync(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return  # folders cannot be opened for syncing there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def push_folder(
    folder: Path,
    repo_id: str,
    *,
    commit_message: str,
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
) -> str:
    """Upload the model files of `folder` in one commit and return its URL; raises `HubError` if the Hub refuses."""
    api = HfApi(token=token)
    operations = [
        CommitOperationAdd(path_in_repo=file, path_or_fileobj=str(folder / file))
        for file in MODEL_FILES
        if (folder / file).is_file()
    ]
    try:
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        commit = api.create_commit(
            repo_id, operations, commit_message=commit_message, revision=branch, create_pr=create_pr
        )
    except HFValidationError as error:
        raise HubError(f"{repo_id!r} is no Hub id ({error}); expected a name such as user/model: correct it.") from None
    except (HfHubHTTPError, OSError) as error:
        raise HubError(
            f"The Hub did not take {repo_id} ({error}); expected a commit: check the connection and `hf auth whoami`, "
            "then run the same command again."
        ) from error
    return str(commit.commit_url)
