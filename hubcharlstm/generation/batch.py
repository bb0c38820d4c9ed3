"""Many prompts in one call: decoded together by the engine's mechanism, in the caller's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from hubcharlstm.arguments import positive_integer
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import check_seed, new_seed
from hubcharlstm.engine.engine import MAX_ROWS, Engine
from hubcharlstm.engine.model_runner import ModelRunner
from hubcharlstm.engine.prefill import prefill_for
from hubcharlstm.engine.sequence import EngineRequest, GenerationRequest
from hubcharlstm.engine.stopping import Ids
from hubcharlstm.errors import BusyError
from hubcharlstm.generation.request import DecodingModel, GenerationOptions, prepare_request
from hubcharlstm.generation.stream import TextStream

MAX_SAMPLES = 100_000
"""Continuations of one call."""


def seeded_prompts(prompt: str | list[str], num_samples: int | None, seed: int | None) -> list[tuple[str, int | None]]:
    """Each prompt of a call with its seed, None for one that is drawn; raises `ValueError` if both kinds are given."""
    if isinstance(prompt, list):
        if num_samples is not None:
            raise ValueError("Both a list of prompts and num_samples were given; expected one: call once a prompt.")
        return [(one, seed) for one in prompt]
    if num_samples is None:
        return [(prompt, seed)]
    first = new_seed() if seed is None else check_seed(seed)
    return [
        (prompt, first + number) for number in range(positive_integer("num_samples", num_samples, most=MAX_SAMPLES))
    ]


def generate_texts(
    model: DecodingModel,
    prompts: Sequence[tuple[str, int | None]],
    options: GenerationOptions,
    *,
    batch_size: int | None = None,
    engine: Engine | None = None,
    max_buffered_tokens: int | None = None,
) -> list[str]:
    """The continuation of each (prompt, seed): by an engine if one is given, else in batches of `batch_size`."""
    decoder = model.decoder
    max_rows = resolve_batch_size(batch_size, decoder.precision)
    if engine is None and max_buffered_tokens is None and max_rows > 1 and len(prompts) > 1:
        requests = [prepare_request(model, decoder, text, options, seed=seed).request for text, seed in prompts]
        return [model.vocabulary.decode(ids) for ids in decode_batch(decoder, requests, max_rows)]
    streams: Iterable[TextStream] = (
        TextStream(model, text, options, seed=seed, engine=engine, max_buffered_tokens=max_buffered_tokens)
        for text, seed in prompts
    )
    if engine is not None:
        streams = list(streams)  # all are submitted before the first is taken
    return [whole_text(stream) for stream in streams]


def whole_text(stream: TextStream) -> str:
    """All that a stream writes; raises `BusyError` where its engine is closed before the end."""
    text = stream.generate_rest()
    if stream.finish_reason == "cancelled":
        raise BusyError(
            f"The engine was closed after {stream.num_tokens:,} characters; expected it to stay open: create another "
            "one, and call again."
        )
    return text


def resolve_batch_size(batch_size: int | None, precision: str) -> int:
    """The number of rows to decode together: in int8, whose rows are independent to the bit, many, otherwise one.

    Raises `ValueError` for a batch size that is no whole number of at least 1.
    """
    if batch_size is not None:
        return positive_integer("batch_size", batch_size)
    return MAX_ROWS if precision == "int8" else 1


def decode_batch(decoder: Decoder, requests: Sequence[GenerationRequest], batch_size: int) -> list[Ids]:
    """The ids that each request may show, in order; up to `batch_size` requests are decoded together.

    Of a request that has ended its ids alone stay in memory. Raises what ends a request, such as `DamagedModelError`.
    """
    max_rows = min(batch_size, len(requests))
    if max_rows == 0:
        return []
    prefill, runner = prefill_for(decoder, max_rows), ModelRunner(decoder, max_rows)
    waiting = deque(enumerate(requests))
    outputs: list[Ids] = [()] * len(requests)
    numbers: dict[EngineRequest, int] = {}  # of the requests that are being prefilled or decoded
    num_prefilling = 0

    def end(engine_request: EngineRequest) -> None:
        engine_request.finish(engine_request.sequence.finish_reason or "cancelled")
        outputs[numbers.pop(engine_request)] = engine_request.take()

    while waiting or numbers:
        while waiting and len(numbers) < max_rows:
            number, request = waiting.popleft()
            engine_request = EngineRequest(request, None)
            numbers[engine_request] = number
            sequence = engine_request.sequence
            if sequence.finish_reason is not None:  # a stop string is complete in what an earlier call held back
                end(engine_request)
            elif len(sequence.pending_ids) == 1:
                runner.add(engine_request)
            else:
                prefill.add(engine_request)
                num_prefilling += 1
        for engine_request, error in prefill.step() if num_prefilling else ():
            if error is not None:
                raise error
            runner.add(engine_request)
            num_prefilling -= 1
        for engine_request, error in runner.step() if len(numbers) > num_prefilling else ():
            if error is not None:
                raise error
            end(engine_request)
    return outputs
