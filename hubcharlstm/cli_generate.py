"""`hubcharlstm generate`: prompts and stop texts as a shell gives them, texts as they are written."""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import TYPE_CHECKING, Any

from hubcharlstm.cli_options import loading_options
from hubcharlstm.console import has_escapes, has_piped_input, input_text, load_text, print_warnings, unescape

if TYPE_CHECKING:
    from hubcharlstm import CharLSTM
    from hubcharlstm.generation.stream import Completion, TextStream

MAX_TRIES = 100
"""Seeds that `generate --novel` tries for each line."""


def run_generate(arguments: argparse.Namespace) -> int:
    from hubcharlstm import CharLSTM
    from hubcharlstm.decoding.clamping import parse_cell

    if arguments.num_samples < 1:
        raise ValueError(f"--num-samples is {arguments.num_samples}; expected at least 1: leave it out for one.")
    prompt, stops = prompt_and_stops(arguments)
    adapt_to = text_to_adapt_to(arguments)
    model = CharLSTM.from_pretrained(arguments.model, **loading_options(arguments))
    if adapt_to is not None:
        model = adapted(model, adapt_to, arguments)
    options: dict[str, Any] = {
        name: getattr(arguments, name) for name in ("max_new_tokens", "temperature", "top_k", "top_p", "min_p")
    }
    if arguments.clamp:
        options["clamp"] = {(layer, unit): value for layer, unit, value in map(parse_cell, arguments.clamp)}
    if arguments.novel:
        return write_novel(model, prompt, arguments, options)
    seed = arguments.seed
    for number in range(arguments.num_samples):
        stream = model.stream(prompt, **options, stop=stops, seed=seed)
        done = write_json(stream) if arguments.json else write_text(stream, separate=number > 0)
        assert done.seed is not None
        seed = done.seed + 1
    return 0


def text_to_adapt_to(arguments: argparse.Namespace) -> str | None:
    """The text of --adapt; `ValueError` for one that cannot be had, and for options that need it."""
    if arguments.adapt is None:
        if arguments.adapt_seconds is not None or arguments.adapt_steps is not None:
            raise ValueError("--adapt-seconds or --adapt-steps is given without --adapt; expected a text: name a file.")
        return None
    if arguments.adapt == "-" and arguments.prompt in (None, "-"):
        raise ValueError("--adapt is -, and no prompt is given; expected one beside the text from the pipe: give it.")
    return load_text(arguments.adapt)


def adapted(model: CharLSTM, text: str, arguments: argparse.Namespace) -> CharLSTM:
    """`model` after reading a text; says on standard error what that did."""
    done = model.adapt(text, seconds=arguments.adapt_seconds, steps=arguments.adapt_steps)
    facts = done.adaptation
    assert facts is not None
    print_warnings(*facts.warnings)
    print(
        f"adapted to {facts.characters:,} characters in {facts.steps:,} steps: "
        f"{facts.nats_before / math.log(2):.3f} bits per character before, {facts.nats_after / math.log(2):.3f} after",
        file=sys.stderr,
    )
    return done


def write_novel(model: CharLSTM, prompt: str, arguments: argparse.Namespace, options: dict[str, Any]) -> int:
    """Print lines that the training text does not hold, one for each sample; seeds that give others are passed over."""
    from hubcharlstm.decoding.sampling import new_seed
    from hubcharlstm.inspection.novelty import TrainingLines

    known, written = TrainingLines(model.record), set[str]()
    first = new_seed() if arguments.seed is None else arguments.seed
    for seed in range(first, first + MAX_TRIES * arguments.num_samples):
        done = model.complete(prompt, **options, stop="\n", seed=seed)
        line = (done.prompt.text + done.text).strip()
        if line and line not in known and line not in written and done.finish_reason == "stop":
            written.add(line)
            print(json.dumps({"text": line, "seed": seed}, ensure_ascii=False) if arguments.json else line, flush=True)
            if len(written) == arguments.num_samples:
                return 0
    raise ValueError(
        f"{MAX_TRIES * arguments.num_samples} tries gave {len(written)} new lines; expected {arguments.num_samples}: "
        "raise the temperature, or ask for fewer."
    )


def prompt_and_stops(arguments: argparse.Namespace) -> tuple[str, list[str] | None]:
    """The prompt, given or piped in, and the stop texts, with their escapes read where that is asked for."""
    prompt, stops = arguments.prompt, arguments.stop
    if prompt == "-" or (prompt is None and has_piped_input()):
        prompt = input_text()
        if not arguments.keep_newline:
            prompt = prompt.removesuffix("\n").removesuffix("\r")
    prompt = prompt or ""
    texts = [prompt, *(stops or ())]
    if arguments.escapes:
        prompt, *stops = map(unescape, texts)
        return prompt, stops or None
    if any(map(has_escapes, texts)):
        print_warnings("a backslash stands for itself here; --escapes reads \\n as a line break")
    return prompt, stops


def write_text(stream: TextStream, *, separate: bool) -> Completion:
    """Print prompt and text as it is written, then on standard error what else there is to say."""
    if separate:
        print()
    sys.stdout.write(stream.prompt.text)
    for piece in stream:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    done = stream.completion
    print_warnings(*warnings_of(done))
    print(f"seed {done.seed}, {done.finish_reason}, {done.num_tokens} characters", file=sys.stderr)
    return done


def write_json(stream: TextStream) -> Completion:
    """Print the completion as a JSON object on one line."""
    for _ in stream:
        pass
    done = stream.completion
    content = {
        "prompt": done.prompt.text, "text": done.text, "seed": done.seed, "finish_reason": done.finish_reason,
        "num_tokens": done.num_tokens, "warnings": warnings_of(done),
    }  # fmt: skip
    print(json.dumps(content, ensure_ascii=False), flush=True)
    return done


def warnings_of(done: Completion) -> list[str]:
    cycle = [f"the text repeats {done.cycle!r} without end; raise the temperature"] if done.cycle else []
    return [*done.warnings, *cycle]
