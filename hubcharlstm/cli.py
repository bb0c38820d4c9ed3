"""The `hubcharlstm` command: generate, score, inspect, info, app, export. An error is one sentence and exit code 2."""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubcharlstm.arguments import checked_path
from hubcharlstm.console import has_escapes, has_piped_input, input_text, is_out_of_memory, unescape, use_utf8
from hubcharlstm.imports import paused_collection

if TYPE_CHECKING:
    from hubcharlstm import CharLSTM
    from hubcharlstm.generation.stream import Completion, TextStream
    from hubcharlstm.inspection.cell_report import CellReport

MAX_TRIES = 100
"""Seeds that `generate --novel` tries for each line."""
SCORING_CHUNKS = 32
"""Chunks of a long file that `score` processes in parallel."""
SHIPPED_NAME = "pretrained"
"""What `export` calls the model that ships in the package."""


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from hubcharlstm import __version__ as version

    top = argparse.ArgumentParser(
        prog="hubcharlstm", description="Generate with a character LSTM, look into it, chat with it, or export it."
    )
    top.add_argument("--version", action="version", version=f"hubcharlstm {version}")
    commands = top.add_subparsers(dest="command", required=True)
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument(
        "--model", default=None, help="Hub id, URL or folder (default: the model that ships in the package)"
    )
    model.add_argument("--revision", default=None, help="branch, tag or commit of a Hub id")
    model.add_argument("--device", default="auto", help='"cpu", "cuda" or "auto", the faster for one text')
    model.add_argument("--precision", default="auto", help='"fp32", "int8" (CPU), "bf16" (GPU) or "auto"')

    _add_generate_options(commands.add_parser("generate", parents=[model], help="continue a text"))
    score = commands.add_parser("score", parents=[model], help="the loss of a model on a text")
    score.add_argument("file", help="a UTF-8 text file; - reads standard input")
    score.add_argument("--json", action="store_true", help="print one JSON object")
    score.add_argument(
        "--characters", action="store_true", help="also each character, as a JSON string, with its log-probability"
    )

    inspect = commands.add_parser("inspect", parents=[model], help="what a model computes while it reads a text")
    inspect.add_argument("text", help="the text; - reads standard input")
    inspect.add_argument("--html", required=True, metavar="FILE", help="write surprise and cells into one HTML file")

    info = commands.add_parser("info", parents=[model], help="what a model is and what it was trained on")
    info.add_argument("--json", action="store_true", help="print one JSON object")

    app = commands.add_parser(
        "app", parents=[model], help="chat in the browser",
        description="Serve the chat page and the API. Without --model: what HUBCHARLSTM_MODEL names, if anything.",
    )  # fmt: skip
    app.add_argument("--host", default=None, help="address to listen on (default: GRADIO_SERVER_NAME, else 127.0.0.1)")
    app.add_argument("--port", type=int, default=None, help="its port (default: GRADIO_SERVER_PORT, else 7860)")
    app.add_argument(
        "--auth", default=None, metavar="USER:PASSWORD", help="ask for a login (default: HUBCHARLSTM_AUTH, else none)"
    )

    export = commands.add_parser("export", help="an HTML page, or an npm module, that runs the model in a browser")
    export.add_argument("model", help='Hub id, URL or folder, or "pretrained" for the model that ships in the package')
    export.add_argument("page", nargs="?", type=Path, default=None, help="the HTML file to write")
    export.add_argument("--npm", type=Path, default=None, metavar="FOLDER", help="write a module there, new or empty")
    export.add_argument("--revision", default=None, help="branch, tag or commit of a Hub id")
    return top


def _add_generate_options(generate: argparse.ArgumentParser) -> None:
    generate.add_argument(
        "prompt", nargs="?", default=None, help="the start of the text; - or nothing reads what is piped in"
    )
    generate.add_argument(
        "--max-new-tokens", type=int, default=None, metavar="N", help="characters to write (default: the model's)"
    )
    generate.add_argument(
        "--temperature", type=float, default=None, metavar="T", help="0 is greedy (default: the model's)"
    )
    generate.add_argument("--top-k", type=int, default=None, metavar="K", help="keep the K likeliest; 0 keeps all")
    generate.add_argument(
        "--top-p", type=float, default=None, metavar="P", help="keep the likeliest P of probability; 1 keeps all"
    )
    generate.add_argument(
        "--min-p", type=float, default=None, metavar="P", help="drop what is below P times the likeliest; 0 keeps all"
    )
    generate.add_argument(
        "--stop", action="append", default=None, metavar="TEXT", help="end before this text; repeatable"
    )
    generate.add_argument(
        "--seed", type=int, default=None, metavar="N", help="repeat a text; drawn and printed if not given"
    )
    generate.add_argument(
        "--clamp", action="append", default=None, metavar="LAYER:UNIT:VALUE", help="hold a cell there; repeatable"
    )
    generate.add_argument(
        "--num-samples", type=int, default=1, metavar="N", help="texts, with seeds SEED, SEED + 1, ... (default: 1)"
    )
    generate.add_argument(
        "--escapes", action="store_true", help=r"read \n, \t, \\ and \uXXXX in prompt and stop texts as characters"
    )
    generate.add_argument(
        "--keep-newline", action="store_true", help="keep the last line break of a prompt that is piped in"
    )
    generate.add_argument(
        "--novel", action="store_true", help="for a model of a list, such as names: lines that the list does not hold"
    )
    generate.add_argument(
        "--adapt", default=None, metavar="FILE", help="adapt to this UTF-8 text (dynamic evaluation); - for a pipe"
    )
    generate.add_argument(
        "--adapt-seconds", type=float, default=None, metavar="S", help="learn from it for S seconds (default: 10)"
    )
    generate.add_argument(
        "--adapt-steps", type=int, default=None, metavar="N", help="in N steps instead, for the same model each time"
    )
    generate.add_argument("--json", action="store_true", help="print one JSON object for each text")


def main(argv: list[str] | None = None) -> int:
    use_utf8()
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        commands = {
            "generate": run_generate, "score": run_score, "inspect": run_inspect, "info": run_info, "app": run_app,
            "export": run_export,
        }  # fmt: skip
        return commands[arguments.command](arguments)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(
            "error: This machine's memory does not hold the model at work; expected it to fit: end other programs, or "
            "choose a smaller model.", file=sys.stderr,
        )  # fmt: skip
        return 2
    except BrokenPipeError:  # the process that consumes our output has exited
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


def loading_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `from_pretrained` besides the id."""
    return {"revision": arguments.revision, "device": arguments.device, "precision": arguments.precision}


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


def print_warnings(*warnings: str) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def run_score(arguments: argparse.Namespace) -> int:
    from hubcharlstm import CharLSTM

    text = load_text(arguments.file)
    model = CharLSTM.from_pretrained(arguments.model, **loading_options(arguments))
    done = model.score(text, num_chunks=SCORING_CHUNKS)
    if arguments.json:
        content: dict[str, Any] = {
            "nats": done.nats, "bpc": done.bpc,
            "perplexity": done.perplexity if math.isfinite(done.perplexity) else None, "characters": len(done.text),
            "warnings": list(done.warnings),
        }  # fmt: skip
        if arguments.characters:
            content |= {"text": done.text, "log_probs": [round(float(value), 6) for value in done.log_probs]}
        print(json.dumps(content, ensure_ascii=False))
        return 0
    print_warnings(*done.warnings)
    if arguments.characters:
        for char, value in zip(done.text, done.log_probs, strict=True):
            print(f"{json.dumps(char, ensure_ascii=False)}\t{value:.6f}")
    print(
        f"{done.nats:.4f} nats, {done.bpc:.4f} bits per character, perplexity {done.perplexity:.3f}, "
        f"{len(done.text):,} characters"
    )
    return 0


def run_inspect(arguments: argparse.Namespace) -> int:
    from hubcharlstm import CharLSTM
    from hubcharlstm.inspection.report_page import page

    text = load_text("-") if arguments.text == "-" else arguments.text
    html = checked_path("--html", arguments.html)
    model = CharLSTM.from_pretrained(arguments.model, **loading_options(arguments))
    trace = model.trace(text)
    cells = model.cells.strongest if model.cells is not None else ()
    content = page(trace, model.vocabulary.chars, title=f"{model.name} reads a text", cells=cells)
    try:
        html.write_text(content, encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"{arguments.html} cannot be written ({error.strerror}); expected a file: choose another name."
        ) from None
    print_warnings(*trace.warnings)
    print(f"{trace.bpc:.4f} bits per character, {len(trace.text):,} characters, in {arguments.html}")
    return 0


def load_text(name: str) -> str:
    """The text of a file, or of standard input for "-"; `ValueError` if it is not readable or not UTF-8."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else checked_path("The file", name).read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error.strerror}); expected a text file: check its name.") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} has the byte 0x{data[error.start]:02x} at offset {error.start}, which is not UTF-8; expected "
            "UTF-8 text: convert it first."
        ) from None


def run_info(arguments: argparse.Namespace) -> int:
    import torch

    from hubcharlstm import CharLSTM, __version__
    from hubcharlstm.hub.model_card import is_number
    from hubcharlstm.torch_compat import has_fast_int8
    from hubcharlstm.vocabulary import visible

    model = CharLSTM.from_pretrained(arguments.model, **loading_options(arguments))
    precision = model.decoder.precision
    if model.decoder.device.type == "cpu":
        if not has_fast_int8():
            precision += " (this CPU has no int8 instructions)"
        if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
            precision += " (without vector instructions, which is slower)"
    config, corpus, loss = model.config, model.record.get("corpus", {}), model.record.get("val_loss")
    corpus = corpus if isinstance(corpus, dict) else {}
    title, held_out = (text if isinstance(text := corpus.get(key), str) else None for key in ("title", "held_out"))
    facts = {
        "model": model.name,
        "revision": model.revision,
        "network": f"{config.num_layers} x {config.hidden_size}, embeddings of {config.embedding_dim}, "
        f"{config.num_parameters:,} weights",
        "vocabulary": f"{len(model.vocabulary)} characters{', lower case' if model.vocabulary.lowercase else ''}",
        "weights hash": model.weights_id,
        "trained on": title,
        "held out": held_out,
        "held-out loss": None
        if not is_number(loss)
        else f"{loss:.4f} nats, {loss / math.log(2):.4f} bits per character",
        "named cells": None if model.cells is None else describe_cells(model.cells),
        "device": f"{model.decoder.device}, {precision}",
        "version": __version__,
    }
    if arguments.json:
        print(json.dumps(facts, ensure_ascii=False))
        return 0
    for name, value in facts.items():
        if value is not None:
            print(f"{name:14} {visible(value)}")
    return 0


def describe_cells(report: CellReport) -> str:
    """How many cells have a name, and the strongest ones."""
    shown = "; ".join(f"layer {cell.layer}, unit {cell.unit}: {cell.description}" for cell in report.strongest)
    return f"{len(report.cells)}{', the strongest ' if shown else ''}{shown}"


def run_app(arguments: argparse.Namespace) -> int:
    try:
        with paused_collection():
            from hubcharlstm.demo.launch import launch
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise ValueError(
            "The package gradio is not installed; expected the extra app: run `pip install '.[app]'` in the folder "
            "that this library was installed from."
        ) from None
    launch(
        arguments.model,
        **loading_options(arguments),
        host=arguments.host,
        port=arguments.port,
        auth=arguments.auth,
    )
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    from hubcharlstm import CharLSTM, __version__
    from hubcharlstm.export.html_page import write_page
    from hubcharlstm.export.package import write_package

    if arguments.page is None and arguments.npm is None:
        raise ValueError("Nothing to write; expected a page such as page.html, or --npm FOLDER: name one.")
    source = None if arguments.model == SHIPPED_NAME else arguments.model
    model = CharLSTM.from_pretrained(source, revision=arguments.revision, device="cpu")
    if arguments.page is not None:
        size = write_page(model, arguments.page, version=__version__)
        print(f"{arguments.page}, {size / 1e6:.1f} MB: open it in a browser.")
    if arguments.npm is not None:
        for name in write_package(model, arguments.npm, version=__version__):
            print(arguments.npm / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
