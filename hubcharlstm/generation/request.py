"""From the arguments of a call to a `GenerationRequest`: checks, encoding, stop strings, random stream."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict

from hubcharlstm.arguments import checked_text, shown, whole_number
from hubcharlstm.decoding.clamping import check_clamp
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import RandomStream, SamplingParams, check_seed, new_seed
from hubcharlstm.engine.engine import Engine
from hubcharlstm.engine.sequence import GenerationRequest
from hubcharlstm.engine.stopping import Ids
from hubcharlstm.generation.state import GenerationState, check_state
from hubcharlstm.generation_config import MAX_NEW_TOKENS, GenerationConfig
from hubcharlstm.vocabulary import Encoding, Vocabulary


class DecodingModel(Protocol):
    """What generation needs of a model."""

    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def decoder(self) -> Decoder: ...
    @property
    def start_text(self) -> str: ...


class GenerationArguments(TypedDict, total=False):
    """The keyword arguments that `CharLSTM.stream`, `complete` and `generate` share."""

    max_new_tokens: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    stop: str | Sequence[str] | None
    seed: int | None
    state: GenerationState | None
    clamp: Mapping[tuple[int, int], float] | None
    engine: Engine | None
    max_buffered_tokens: int | None


@dataclass(frozen=True)
class GenerationOptions:
    """How to continue a prompt, with every default filled in; the values are checked where they are used."""

    max_new_tokens: int
    sampling: SamplingParams
    stop: str | Sequence[str] = ()
    state: GenerationState | None = None
    clamp: Mapping[tuple[int, int], float] | None = None
    """None for that of the state."""

    @classmethod
    def resolve(
        cls,
        default: GenerationConfig,
        *,
        max_new_tokens: int | None,
        temperature: float | None,
        top_k: int | None,
        top_p: float | None,
        min_p: float | None,
        stop: str | Sequence[str] | None,
        state: GenerationState | None,
        clamp: Mapping[tuple[int, int], float] | None,
    ) -> GenerationOptions:
        """The arguments of a call, None standing for the model's default."""
        sampling = default.sampling_with(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
        length = default.max_new_tokens if max_new_tokens is None else max_new_tokens
        return cls(length, sampling, () if stop is None else stop, state, clamp)


@dataclass(frozen=True)
class PreparedRequest:
    """A request in token ids, and what its completion reports of the prompt.

    prompt: the prompt as encoded. seed: the seed used, None where a state's own random stream continues. fingerprint:
    of the model. warnings: for a person, such as substituted characters.
    """

    request: GenerationRequest
    prompt: Encoding
    seed: int | None
    fingerprint: str
    warnings: tuple[str, ...]


def prepare_request(
    model: DecodingModel, decoder: Decoder, prompt: str, options: GenerationOptions, *, seed: int | None
) -> PreparedRequest:
    """Check and encode one request; raises `ValueError` for an argument out of range.

    decoder: the model's, which checks its weights at each access. seed: None draws one.
    """
    max_new_tokens, state = check_max_new_tokens(options.max_new_tokens), options.state
    checked_text("The prompt", prompt)
    if state is not None:
        check_state(state, decoder.config, decoder.fingerprint)
    if options.clamp is None:
        clamp = () if state is None else state.clamp
    else:
        clamp = check_clamp(options.clamp, decoder.config)
    encoding = model.vocabulary.encode(prompt)
    warnings, prompt_ids = [encoding.describe()], encoding.ids
    if not prompt_ids and state is None:
        prompt_ids = model.vocabulary.encode(model.start_text).ids or (0,)
        warnings.append(f"nothing to start from, so it starts after {model.vocabulary.decode(prompt_ids)!r}")
    stops, stop_warnings = encode_stops(model.vocabulary, options.stop)
    if state is not None and seed is None and not prompt_ids:
        rng = state.rng
    else:
        seed = new_seed() if seed is None else check_seed(seed)
        rng = RandomStream.for_request(seed, prompt_ids, state.rng if state else None)
    request = GenerationRequest(
        pending_ids=prompt_ids if state is None else (state.last_id, *prompt_ids),
        max_new_tokens=max_new_tokens,
        sampling=options.sampling,
        rng=rng,
        stops=stops,
        state=None if state is None else (state.h, state.c),
        # An earlier call may have held text back: this call's stop strings decide on it, unless a new prompt follows.
        held=() if state is None or prompt_ids else state.held,
        clamp=clamp,
    )
    shown = tuple(warning for warning in (*warnings, *stop_warnings) if warning)
    return PreparedRequest(request, encoding, seed, decoder.fingerprint, shown)


def check_max_new_tokens(value: object) -> int:
    """`value` as an `int`; raises `ValueError` if it is no whole number from 1 to `MAX_NEW_TOKENS`."""
    number = whole_number(value)
    if number is None:
        raise ValueError(f"max_new_tokens is {shown(value)}; expected a whole number: drop the point.")
    if not 1 <= number <= MAX_NEW_TOKENS:
        advice = "ask for fewer, and continue from the completion's state for more" if number > 0 else "raise it"
        raise ValueError(f"max_new_tokens is {shown(number)}; expected 1 to {MAX_NEW_TOKENS}: {advice}.")
    return number


def encode_stops(vocabulary: Vocabulary, stop: str | Sequence[str]) -> tuple[tuple[Ids, ...], list[str]]:
    """The ids of each stop string, and a warning for each that the vocabulary cannot write."""
    if not isinstance(stop, Collection):
        raise ValueError(f"stop is {shown(stop)}; expected text, or a list of texts: correct it.")
    stops, warnings = [], []
    for text in (stop,) if isinstance(stop, str) else stop:
        if not isinstance(text, str) or not text:
            raise ValueError(f"A stop string is {shown(text)}; expected text of at least one character: leave it out.")
        encoding = vocabulary.encode(text)
        if encoding.dropped or not encoding.ids:  # of byte-order marks alone nothing is left
            warnings.append(f"the stop string {shown(text)} cannot be written by this model and is left out")
        else:
            stops.append(encoding.ids)
    return tuple(stops), warnings
