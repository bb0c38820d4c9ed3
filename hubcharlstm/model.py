"""CharLSTM: network and vocabulary in one object, whose methods are thin calls of the packages below."""

# No `from __future__ import annotations` here: it would make the Hub's mixin see annotations as strings.
import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, Unpack, overload

import torch
from huggingface_hub import PyTorchModelHubMixin

from hubcharlstm.adaptation import Adaptation, adapt, adapted_record
from hubcharlstm.arguments import checked_path, checked_text, shown
from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.clamping import check_clamp
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.devices import resolve_precision, select_device
from hubcharlstm.decoding.fused_weights import check_finite
from hubcharlstm.decoding.weights_version import weights_version
from hubcharlstm.engine.engine import Engine
from hubcharlstm.generation.batch import generate_texts, seeded_prompts
from hubcharlstm.generation.request import GenerationArguments, GenerationOptions
from hubcharlstm.generation.stream import Completion, GenerationState, TextStream
from hubcharlstm.generation_config import GenerationConfig
from hubcharlstm.hub import download
from hubcharlstm.hub.model_folder import Artifact
from hubcharlstm.hub.save import PushOptions, save
from hubcharlstm.hub.training_record import valid_record
from hubcharlstm.inspection.alternatives import Alternatives, alternatives
from hubcharlstm.inspection.cell_report import CellReport
from hubcharlstm.inspection.connectivity import Connectivity, connectivity
from hubcharlstm.inspection.ngram_filter import CopiedRuns, NgramFilter, copied_runs
from hubcharlstm.inspection.scoring import Score, score
from hubcharlstm.inspection.trace import Trace, trace
from hubcharlstm.network import CharLSTMConfig, CharLSTMNetwork
from hubcharlstm.vocabulary import Vocabulary, shorten

PRECISIONS = ("auto", "fp32", "int8", "bf16")


class CharLSTM(CharLSTMNetwork, PyTorchModelHubMixin, library_name="hubcharlstm", pipeline_tag="text-generation"):
    """A character-level LSTM that owns its vocabulary.

    generation_config: defaults, start text and examples. record: what is known of its training. cells: those with a
    name, where a run has found them. ngrams: the filter of its training text, where a run has made one. name, revision:
    where it was loaded from. stored_dtype, weights_id: how its weights were stored there, and their hash. adaptation:
    what `adapt` did that made it, until it is saved. Raises `ValueError` if vocabulary and config disagree.
    """

    def __init__(
        self,
        config: CharLSTMConfig,
        vocabulary: Vocabulary,
        *,
        generation_config: GenerationConfig | None = None,
        record: dict[str, Any] | None = None,
    ) -> None:
        if len(vocabulary) != config.vocab_size:
            raise ValueError(
                f"The vocabulary has {len(vocabulary)} characters and the config a vocab_size of {config.vocab_size}; "
                "expected the same number: build the config with vocab_size=len(vocabulary)."
            )
        super().__init__(config)
        openmp.support_fork()
        self.vocabulary = vocabulary
        self.generation_config = generation_config or GenerationConfig()
        self.record: dict[str, Any] = record or {}
        self.name = "a new model"
        self.revision: str | None = None
        self.cells: CellReport | None = None
        self.ngrams: NgramFilter | None = None
        self.adaptation: Adaptation | None = None
        self.weights_id: str | None = None
        self.stored_dtype = "float32"
        self.precision = "auto"
        self._decoder_cache: tuple[tuple[Any, ...], Decoder] | None = None

    # --- load, save, publish ---------------------------------------------------------------------------------

    @classmethod
    @torch.inference_mode(mode=False)  # weights that are made in that mode have no gradients
    def from_pretrained(  # type: ignore[override]  # the mixin needs an id; ours has a model of its own to offer
        cls,
        pretrained_model_name_or_path: str | Path | None = None,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        device: str | torch.device = "auto",
        precision: str = "auto",
        verify: bool = True,
    ) -> Self:
        """Load a model by Hub id or folder; without one, the model that ships in the package.

        device: "cpu", "cuda" or "auto", the one that decodes a single text faster, measured. precision: "fp32",
        "int8" (CPU), "bf16" (GPU) or "auto": int8 on a CPU that has the instructions for it, else fp32. verify: compare
        the weights with the hash that was stored with them. The other arguments are those of the Hub's mixin.
        Raises `ValueError` if there is no such model, if it is damaged, or if the Hub does not give it.
        """
        if not isinstance(precision, str) or precision not in PRECISIONS:
            raise ValueError(f"precision is {shown(precision)}; expected one of {', '.join(PRECISIONS)}: pick one.")
        artifact = download.load(
            pretrained_model_name_or_path,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            verify=verify,
        )
        with torch.device("meta"):  # no memory and no random numbers for weights that are there already
            model = cls(
                artifact.config, artifact.vocabulary, generation_config=artifact.generation, record=artifact.record
            )
        model.load_state_dict(artifact.tensors, strict=True, assign=True)
        model.name, model.revision, model.stored_dtype = artifact.name, artifact.revision, artifact.dtype
        model.cells, model.weights_id, model.ngrams = artifact.cells, artifact.weights_id, artifact.ngrams
        model.eval()
        model.to(select_device(model, device, precision))
        if precision == "int8" and model.head.weight.device.type != "cpu":
            raise ValueError(
                f'precision is "int8" on {model.head.weight.device}; expected a CPU: leave it out, or set device="cpu".'
            )
        model.precision = precision
        return model

    def save_pretrained(  # type: ignore[override]  # the mixin takes any keyword and drops what it does not know
        self,
        save_directory: str | Path,
        *,
        dtype: str | None = None,
        extra_files: dict[str, bytes] | None = None,
        install_from: str | None = None,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
    ) -> str | None:
        """Write the files of a model folder (see `model_folder.save`); with `push_to_hub`, publish it too.

        dtype: how weights are stored, "float32", "float16" or "bfloat16" (default: as where the model was loaded
        from, float32 for a new one). extra_files: contents by file name. install_from: where the card's reader can
        install this library from, a URL for pip or a Space such as user/space (default: the card has no such line).
        repo_id: what the card calls the model, and with `push_to_hub` where it goes (default: the folder's name).
        The arguments after it are those of `push_to_hub`. Returns the commit's URL if pushed, else None.
        Raises `ValueError` for an argument out of range or one that needs `push_to_hub=True` and for weights that would
        not load again, and `OSError` if the folder cannot be written to.
        """
        artifact = Artifact(
            self.config, self.vocabulary, self.state_dict(), self.stored_dtype if dtype is None else dtype,
            self.generation_config, self.record, self.name, self.revision, self.cells, ngrams=self.ngrams,
        )  # fmt: skip
        folder = checked_path("save_directory", save_directory)
        options = PushOptions(commit_message, private, token, branch, create_pr)
        return save(
            artifact, folder, push=push_to_hub, options=options, repo_id=repo_id, install_from=install_from,
            extra_files=extra_files,
        )  # fmt: skip

    def push_to_hub(  # type: ignore[override]  # the same
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        dtype: str | None = None,
        install_from: str | None = None,
    ) -> str:
        """Publish to the Hub in one commit and return the commit's URL; raises `ValueError` if the Hub refuses.

        repo_id: such as user/model; a bare name goes under your own. private: for a new repository. branch: one that
        exists (default: main). create_pr: propose the commit as a pull request. dtype, install_from: as for
        `save_pretrained`.
        """
        with tempfile.TemporaryDirectory() as temporary:
            url = self.save_pretrained(
                Path(temporary) / "model", dtype=dtype, install_from=install_from, push_to_hub=True, repo_id=repo_id,
                commit_message=commit_message, private=private, token=token, branch=branch, create_pr=create_pr,
            )  # fmt: skip
        assert url is not None
        return url

    def __getstate__(self) -> dict[str, Any]:
        """What a copy and a pickle consist of: the decoder is left behind, for it can be built from the weights."""
        return self.__dict__ | {"_decoder_cache": None}

    def __repr__(self) -> str:
        config, device = self.config, self.head.weight.device
        return (
            f"CharLSTM({shorten(self.name)!r}, {config.num_layers} x {config.hidden_size}, {config.vocab_size} "
            f"characters, {config.num_parameters:,} parameters, {self.precision} on {device})"
        )

    # --- write -----------------------------------------------------------------------------------------------

    def stream(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        state: GenerationState | None = None,
        clamp: Mapping[tuple[int, int], float] | None = None,
        engine: Engine | None = None,
        max_buffered_tokens: int | None = None,
    ) -> TextStream:
        """The continuation of `prompt` as an iterator of text pieces; then its `completion` tells the rest.

        None means the model's own default (`generation_config`); top_k=0, top_p=1 and min_p=0 switch a filter off.
        stop: one or more strings that end the text and are not part of it. seed: makes the call repeatable; drawn if
        not given. state: continue from an earlier completion, with `prompt` after it. clamp: values by (layer, unit)
        that overwrite these cells at every step, of the prompt too (default: the state's). engine: decode together with
        the engine's other requests, to the same text. max_buffered_tokens: only with an engine; about how many
        characters it may sample before they are taken, then it pauses the request until half of them are.
        Raises `ValueError` for an argument out of range.
        """
        options = GenerationOptions.resolve(
            self.generation_config, max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p,
            min_p=min_p, stop=stop, state=state, clamp=clamp,
        )  # fmt: skip
        return TextStream(self, prompt, options, seed=seed, engine=engine, max_buffered_tokens=max_buffered_tokens)

    def complete(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        state: GenerationState | None = None,
        clamp: Mapping[tuple[int, int], float] | None = None,
        engine: Engine | None = None,
        max_buffered_tokens: int | None = None,
    ) -> Completion:
        """The whole continuation with prompt, seed, finish reason and state; arguments as for `stream`."""
        stream = self.stream(
            prompt, max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
            stop=stop, seed=seed, state=state, clamp=clamp, engine=engine, max_buffered_tokens=max_buffered_tokens,
        )  # fmt: skip
        stream.generate_rest()
        return stream.completion

    @overload
    def generate(
        self, prompt: str = "", *, num_samples: None = None, batch_size: int | None = None,
        **arguments: Unpack[GenerationArguments],
    ) -> str: ...  # fmt: skip
    @overload
    def generate(
        self, prompt: str = "", *, num_samples: int, batch_size: int | None = None,
        **arguments: Unpack[GenerationArguments],
    ) -> list[str]: ...  # fmt: skip
    @overload
    def generate(
        self, prompt: list[str], *, num_samples: None = None, batch_size: int | None = None,
        **arguments: Unpack[GenerationArguments],
    ) -> list[str]: ...  # fmt: skip

    def generate(
        self,
        prompt: str | list[str] = "",
        *,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        state: GenerationState | None = None,
        clamp: Mapping[tuple[int, int], float] | None = None,
        engine: Engine | None = None,
        max_buffered_tokens: int | None = None,
        num_samples: int | None = None,
        batch_size: int | None = None,
    ) -> str | list[str]:
        """The continuation alone; arguments as for `stream`. A list of prompts gives a list, as separate calls do.

        num_samples: that many continuations of one prompt, with the seeds seed, seed + 1, ... batch_size: how many
        texts are decoded together. By default 256 in int8, where a text is the same to the bit in any batch, and 1 in
        any other precision, where a batch differs by rounding.
        """
        prompts = seeded_prompts(prompt, num_samples, seed)
        options = GenerationOptions.resolve(
            self.generation_config, max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p,
            min_p=min_p, stop=stop, state=state, clamp=clamp,
        )  # fmt: skip
        texts = generate_texts(
            self, prompts, options, batch_size=batch_size, engine=engine, max_buffered_tokens=max_buffered_tokens
        )
        return texts[0] if isinstance(prompt, str) and num_samples is None else texts

    # --- read ------------------------------------------------------------------------------------------------

    def score(self, text: str, *, num_chunks: int = 1, start_text: str | None = None) -> Score:
        """Bits per character, and the log-probability of every character of `text` as if it came after `start_text`.

        In fp32, in bounded memory however long the text is. num_chunks: more than 1 scores chunks of a long text in
        parallel, which is faster and equal but for the last digits. start_text: as for `trace`. Raises `ValueError` if
        nothing can be encoded, and if a weight is not finite.
        """
        check_finite(self)
        start = self._start_text(start_text, None)
        return score(self, self.vocabulary, text, start_text=start, num_chunks=num_chunks)

    def trace(
        self,
        text: str,
        state: GenerationState | None = None,
        *,
        layers: Sequence[int] | None = None,
        units: Sequence[int] | None = None,
        start_text: str | None = None,
    ) -> Trace:
        """Gates, cells, hidden states and guesses while the model reads `text`, in fp32; see `Trace`.

        state: read on from there, such as from the trace of the piece before. layers, units: only these. start_text:
        read before the text, such as the prompt of a reply (default: as for `score`; nothing after a state).
        Raises `ValueError` if nothing can be encoded, and for more than 256 MiB.
        """
        return trace(
            self, self.vocabulary, text, start_text=self._start_text(start_text, state), fingerprint=self.fingerprint,
            state=state, layers=layers, units=units,
        )  # fmt: skip

    def alternatives(
        self,
        text: str,
        position: int,
        *,
        k: int = 10,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        state: GenerationState | None = None,
        start_text: str | None = None,
        clamp: Mapping[tuple[int, int], float] | None = None,
    ) -> Alternatives:
        """The `k` likeliest characters at `position` of `text`, before and after temperature and filters.

        In the model's own precision: they are what `generate` samples from, and it goes on from the state of each.
        position: 0 to the text's length as the model reads it. state, start_text: as for `trace`; the settings of
        sampling and clamp as for `stream`. Raises `ValueError` for an argument out of range.
        """
        sampling = self.generation_config.sampling_with(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
        return alternatives(
            self.decoder, self.vocabulary, text, position, k=k, sampling=sampling, state=state,
            start_text=self._start_text(start_text, state), fingerprint=self.fingerprint,
            clamp=None if clamp is None else check_clamp(clamp, self.config),
        )  # fmt: skip

    def connectivity(
        self,
        text: str,
        position: int,
        *,
        state: GenerationState | None = None,
        start_text: str | None = None,
    ) -> Connectivity:
        """How much each character before `position` of `text` moves the guess there, by one backward pass in fp32.

        At the end of the text it is the guess of the likeliest character. state, start_text: as for `trace`. Raises
        `ValueError` for a position out of range, for more than 4,096 characters before it, and for a state that clamps
        cells.
        """
        return connectivity(
            self, self.vocabulary, text, position, state=state, start_text=self._start_text(start_text, state),
            fingerprint=self.fingerprint,
        )  # fmt: skip

    def copied_runs(self, text: str, *, before: str = "") -> CopiedRuns:
        """The runs of 20 and more characters of `text` that stand in the training text, by the model's filter of it.

        before: what stands before the text, where a run may begin. None is missed; how often the filter finds one too
        many, `errors` tells. Raises `ValueError` for a model without a filter.
        """
        return copied_runs(
            self.ngrams, self.vocabulary, checked_text("text", text), before=checked_text("before", before)
        )

    # --- learn -----------------------------------------------------------------------------------------------

    def adapt(
        self,
        text: str,
        *,
        seconds: float | None = None,
        steps: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Self:
        """A new model that has read `text` and goes on in its voice, by dynamic evaluation; this one stays as it is.

        text: 30 to 100,000 characters that the model can read. seconds: for which it learns (default: 10). steps: how
        many it takes instead, which gives the same model each time on one machine. is_cancelled: asked after each
        step, and ends it early. In fp32 whatever the precision, on the model's device.
        The new model's `record` holds the number of characters and steps and the loss on the first 20,000 characters
        before and after, but nothing of the text, and nothing that was measured of this model's weights. `ngrams` stays
        the filter of the training text, without this one and without `errors`.
        Its `adaptation` also has `warnings`: what was substituted or dropped. Raises `ValueError` for an argument out
        of range.
        """
        model, adaptation = adapt(
            self, self.vocabulary, text, start_text=self.start_text, seconds=seconds, steps=steps,
            is_cancelled=is_cancelled,
        )  # fmt: skip
        return model._as_adapted(adaptation)

    def _as_adapted(self, adaptation: Adaptation) -> Self:
        """This copy, with the record, the name and the facts of an adapted model."""
        entries = valid_record(self.record).get("adapted", ())
        self.adaptation, self.record = adaptation, adapted_record(self.record, entries, adaptation)
        self.name, self.stored_dtype = f"{self.name}, adapted", "float32"
        self.revision = self.cells = self.weights_id = None
        if self.ngrams is not None:  # how often it is wrong about a text was measured on what the other weights write
            self.ngrams = replace(self.ngrams, errors={})
        return self

    def _start_text(self, start_text: str | None, state: GenerationState | None) -> str:
        return start_text if start_text is not None else self.start_text if state is None else ""

    # --- what generation asks of a model ---------------------------------------------------------------------

    @property
    def start_text(self) -> str:
        """What an empty prompt starts from."""
        return self.generation_config.start_text

    @property
    def decoder(self) -> Decoder:
        """The decoder of the weights as they are now; built again when they have changed."""
        version = (self.precision, *weights_version(self.parameters()))
        if self._decoder_cache is None or self._decoder_cache[0] != version:
            digest = hashlib.sha256(self.vocabulary.sha256.encode("ascii"))
            for value in self.state_dict().values():
                digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
            decoder = Decoder(self, self._resolve_precision(), fingerprint=digest.hexdigest())
            self._decoder_cache = version, decoder
        return self._decoder_cache[1]

    @property
    def fingerprint(self) -> str:
        """A hash of weights and vocabulary: a state belongs to the model with the same one."""
        return self.decoder.fingerprint

    def _resolve_precision(self) -> str:
        return resolve_precision(self.precision, self.head.weight.device)
